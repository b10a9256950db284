"""Convert the results that were gathered by dataset into studies of groups. Run once, in the project's folder.

Usage: convert.py FROM STUDY DATASET [NEW_NAME]: FROM holds summaries.csv, histories.csv.gz, bounds-*, images-*, costs.csv.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, "workflow")
from discrete_vae.cells import Cell, Group
from discrete_vae.costs import COLUMNS, group_costs
from discrete_vae.files import write_arrays, write_csv
from discrete_vae.measures import BOUNDS, MEASURES
from discrete_vae.selection import check_alike, select_temperatures, selected_cells

LAWS = ["gumbel", "normal", "logistic", "gumbel-narrow", "normal-wide"]
COORDINATES = ["K", "seed"]


def law_order(table: pd.DataFrame) -> pd.DataFrame:
    place = table["perturbation"].map(LAWS.index)
    number = table["temperature"].astype(float)
    epoch = table["epoch"].astype(int) if "epoch" in table else 0
    return (
        table.assign(_place=place, _number=number, _epoch=epoch)
        .sort_values(["_place", "_number", "_epoch"], kind="stable")
        .drop(columns=["_place", "_number", "_epoch"])
    )


def converted_summaries(runs: pd.DataFrame) -> pd.DataFrame:
    runs = runs.drop(columns=[column for column in runs if column.startswith("test_")])
    if "stopped_early" not in runs:
        runs.insert(runs.columns.get_loc("diverged_epoch") + 1, "stopped_early", False)

    def law(text: str) -> str:
        return json.dumps({key: value if isinstance(value, str) else float(value) for key, value in json.loads(text).items()})

    def training(text: str) -> str:
        old = json.loads(text)
        old.pop("extendable", None)
        old.setdefault("matmul_precision", "highest")  # before the option existed
        return json.dumps({"epochs": old.pop("epochs"), "patience": old.pop("patience", None), **old})

    def evaluation(text: str) -> str:
        old = json.loads(text)
        return json.dumps({"validation_samples": old["validation_samples"], "selection_samples": old["test_samples"]})

    return runs.assign(
        law=runs["law"].map(law), training=runs["training"].map(training), evaluation=runs["evaluation"].map(evaluation)
    )


def main(source: str, study: str, dataset: str, name: str | None = None) -> None:
    name = name or dataset
    gathered, groups = Path(source), Path("results") / study / "groups"
    runs = pd.read_csv(gathered / "summaries.csv").assign(dataset=name)
    runs = converted_summaries(runs)
    histories = pd.read_csv(gathered / "histories.csv.gz", dtype=str).assign(dataset=name)
    jobs = pd.read_csv(gathered / "costs.csv") if (gathered / "costs.csv").exists() else pd.DataFrame({"job": []})
    first_seed = runs["seed"].min()
    for (K, seed), of_group in runs.groupby(COORDINATES, sort=False):
        folder = groups / str(Group(name, K, seed))
        of_group = law_order(of_group).reset_index(drop=True)
        check_alike(of_group)
        write_csv(folder / "summaries.csv", of_group)
        mine = (histories["K"] == str(K)) & (histories["seed"] == str(seed))
        write_csv(folder / "histories.csv.gz", law_order(histories[mine]))
        selection = select_temperatures(of_group)
        write_csv(folder / "selection.csv", selection)
        bounds, losses, pictures, seconds, evaluations = [], {}, {}, 0.0, 0
        for cell in selected_cells(selection):
            label = f"K{K}-{cell.perturbation}-seed{seed}"
            table = pd.read_csv(gathered / f"bounds-{label}.csv").assign(dataset=name)
            assert Cell.of(table.iloc[0]) == cell
            with np.load(gathered / f"bounds-{label}.npz") as arrays:
                (kept,) = arrays.values()
            means = kept.astype(np.float64).mean(1)
            assert np.allclose(means, table[list(MEASURES)].iloc[0].astype(float), rtol=1e-6)
            bounds.append(table.assign(**dict(zip(MEASURES, means, strict=True)))[BOUNDS])
            losses[str(cell)] = kept
            if seed == first_seed:
                with np.load(gathered / f"images-K{K}-{cell.perturbation}.npz") as arrays:
                    pictures |= dict(arrays)
            cost = jobs[jobs["job"] == f"bound/{dataset}-{label}"]
            seconds, evaluations = seconds + cost["seconds"].sum() if len(cost) else seconds, evaluations + len(cost)
        write_csv(folder / "bounds.csv", pd.concat(bounds, ignore_index=True))
        write_arrays(folder / "image_losses.npz", losses)
        if pictures:
            write_arrays(folder / "pictures.npz", pictures)
        environment = of_group.iloc[0][["device", "hardware", "threads"]].to_dict()
        costs = group_costs(of_group, seconds, environment)
        costs.loc[costs["step"] == "evaluate", "jobs"] = evaluations
        write_csv(folder / "costs.csv", costs[COLUMNS])
    if (gathered / "gradients.csv").exists():
        gradients = pd.read_csv(gathered / "gradients.csv", dtype=str).assign(dataset=name)
        for seed, of_seed in gradients.groupby("seed"):
            write_csv(Path("results") / study / "gradients" / name / f"seed{seed}.csv", of_seed)


main(*sys.argv[1:])
