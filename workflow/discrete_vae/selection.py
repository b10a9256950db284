"""Gather the runs of a group, select the temperature of each noise law, and read groups again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.cells import AXES, Cell
from discrete_vae.configuration import with_defaults
from discrete_vae.errors import InputError
from discrete_vae.files import read_tables
from discrete_vae.measures import BOUNDS

MODEL_AXES = ["dataset", "K", "perturbation", "seed"]
NESTED = ("law", "model", "training", "evaluation")
# What runs that are compared must have in common, and what tells the runs apart that are compared.
ALIKE = {
    "data_sha256": ["dataset"],
    "law": ["perturbation"],
    "model": ["dataset"],
    "training": ["dataset"],
    "evaluation": ["dataset"],
}


def gather_summaries(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read the summary.json of many runs: one row a cell; the options of the configuration become JSON texts."""
    rows = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    for row in rows:
        row.update({key: json.dumps(row[key]) for key in NESTED})
    return pd.DataFrame(rows)


def gather_histories(paths: Iterable[str | Path], runs: pd.DataFrame) -> pd.DataFrame:
    """Read the history.csv of many runs: one row for each cell and epoch, with the cell's coordinates first.

    Args:
        paths: of the histories.
        runs: the summaries of the same runs, in the same order.
    """
    histories = []
    for path, run in zip(paths, runs.to_dict("records"), strict=True):
        # The cell's temperature takes the place of the annealed one.
        histories.append(pd.read_csv(path).assign(**{axis: run[axis] for axis in AXES}))
    gathered = pd.concat(histories, ignore_index=True)
    return gathered[[*AXES, *gathered.columns.difference(AXES, sort=False)]]


def read_summaries(paths: Sequence[str]) -> pd.DataFrame:
    """Read the summaries of some groups; raises InputError where `check_alike` does."""
    runs = read_tables(paths)
    check_alike(runs)
    return runs


def read_bounds(paths: Sequence[str]) -> pd.DataFrame:
    """Read the bounds of some groups; a table is empty where every run diverged.

    Raises:
        InputError: bounds of different numbers of samples.
    """
    types = {"dataset": str, "K": int, "perturbation": str, "temperature": float, "seed": int}
    tables = [pd.read_csv(path).astype({name: types.get(name, float) for name in BOUNDS}) for path in paths]
    bounds = pd.concat(tables, ignore_index=True)
    for dataset, of_dataset in bounds.groupby("dataset"):
        first, *others = of_dataset["samples"].unique()
        if others:
            raise InputError(
                f"bounds of {dataset} are of {first:.0f} and of {others[0]:.0f} samples an image, expected one number;"
                f" remove the groups of one of them: {_groups(of_dataset[of_dataset['samples'] == others[0]])}"
            )
    return bounds


def check_alike(runs: pd.DataFrame) -> None:
    """Check that runs that are compared are of the same images, noise laws and options.

    An option that did not exist when a run was made counts as its default.

    Args:
        runs: summaries, see `gather_summaries`.

    Raises:
        InputError: two runs of one dataset that differ, or two noise laws of one name.
    """
    for column, axes in ALIKE.items():
        options = runs[column].map(lambda text, column=column: _options(column, text))
        for names, compared in options.groupby([runs[axis] for axis in axes]):
            first = compared.iloc[0]
            others = compared[compared != first]
            if len(others):
                other = others.iloc[0]
                key = next(key for key in {**first, **other} if first.get(key) != other.get(key))
                raise InputError(
                    f"groups of {names[0]} have {key} {first.get(key)} and {other.get(key)}, expected one; move to"
                    f" another study {_groups(runs.loc[compared == other])}"
                )


def _options(column: str, text: str) -> dict[str, Any]:
    """Return what a column of a run's summary says, by option."""
    if column not in NESTED:
        return {column: text}
    values = json.loads(text)
    return {
        f"{column}.{key}": value
        for key, value in (values if column == "law" else with_defaults(column, values)).items()
    }


def _groups(table: pd.DataFrame) -> str:
    return ", ".join(sorted({str(Cell.of(row).group) for row in table.to_dict("records")}))


def law_definitions(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the definition of each noise law of some runs."""
    first = runs.drop_duplicates("perturbation")
    return {name: json.loads(law) for name, law in zip(first["perturbation"], first["law"], strict=True)}


@dataclass(frozen=True)
class SelectedModel:
    """A selected model: its cell, the definition of its noise law, N, and its model.pt."""

    cell: Cell
    law: Mapping[str, str | float]
    variables: int
    path: str


def selected_models(
    runs: pd.DataFrame, selection: pd.DataFrame, models: Sequence[str], *, data_sha256: str
) -> list[SelectedModel]:
    """List the selected models of a group, of which a noise law has none where all its runs diverged.

    Args:
        runs: the summaries of the group.
        selection: what `select_temperatures` returned for them.
        models: model.pt of the same runs, in the same order.
        data_sha256: sum of the images that are there.

    Raises:
        InputError: the runs are of other images.
    """
    expected = runs["data_sha256"].iloc[0]
    if data_sha256 != expected:
        dataset = runs["dataset"].iloc[0]
        raise InputError(
            f"data/{dataset}.npz has the sum {data_sha256}, expected {expected} as the images of the runs; put those"
            " images back, or remove the runs"
        )
    of_cell = {Cell.of(run): (run, path) for run, path in zip(runs.to_dict("records"), models, strict=True)}
    return [
        SelectedModel(cell, json.loads(run["law"]), json.loads(run["model"])["variables"], path)
        for cell in selected_cells(selection)
        for run, path in [of_cell[cell]]
    ]


def select_temperatures(runs: pd.DataFrame) -> pd.DataFrame:
    """Select, for each dataset, K, perturbation and seed, the temperature with the lowest validation loss.

    Diverged runs are never selected; a noise law with no other run has a row without a temperature.

    Args:
        runs: what `gather_summaries` returns.

    Returns:
        One row a model: the selected run's temperature, best epoch, epochs run, whether it stopped early, and its
        validation losses; ``at_grid_edge``, whether that temperature is the lowest or the highest of those run, so that
        the best one may lie outside; and the numbers of runs and of diverged runs.
    """
    rows = []
    for coordinates, group in runs.groupby(MODEL_AXES, sort=False):
        finite = group[~group["diverged"]]
        chosen = finite.loc[finite["validation_loss"].idxmin()] if len(finite) else None
        rows.append(
            dict(zip(MODEL_AXES, coordinates, strict=True))
            | _outcome(chosen)
            | {
                "at_grid_edge": chosen is not None and _at_edge(chosen["temperature"], group["temperature"]),
                "runs": len(group),
                "diverged_runs": int(group["diverged"].sum()),
            }
        )
    return pd.DataFrame(rows)


def _outcome(chosen: pd.Series | None) -> dict[str, float | bool]:
    losses = [f"validation_{part}" for part in ("loss", "reconstruction", "kl")]
    columns = ("temperature", "best_epoch", "epochs_run", "stopped_early", *losses)
    return {column: np.nan if chosen is None else chosen[column] for column in columns}


def _at_edge(temperature: float, temperatures: Sequence[float]) -> bool:
    return temperature in (min(temperatures), max(temperatures))


def selected_cells(selection: pd.DataFrame) -> list[Cell]:
    """List the cells of a selection, less the models of which every run diverged."""
    return [Cell.of(row) for row in selection.dropna(subset="temperature").to_dict("records")]


def at_nearest_temperature(table: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Return the rows of each dataset at that of its temperatures that is nearest to the wanted one."""
    available = table[["dataset", "temperature"]].drop_duplicates(ignore_index=True)
    distance = (available["temperature"] - temperature).abs()
    nearest = available.loc[distance.groupby(available["dataset"]).idxmin()]
    return table.merge(nearest, on=["dataset", "temperature"])


def diverged_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """List the runs whose loss stopped being finite, with the epoch."""
    return runs.loc[runs["diverged"], [*AXES, "diverged_epoch"]].astype({"diverged_epoch": int})
