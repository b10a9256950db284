"""Gather the runs of a grid and select the temperature of each model on the validation set."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from discrete_vae.cells import AXES, Cell
from discrete_vae.run_notes import temperatures_in_words

GROUP = ["dataset", "K", "perturbation", "seed"]
NESTED = ("law", "model", "training", "evaluation")


def gather_summaries(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read the summary.json of many runs: one row a cell; the options of the configuration become JSON texts."""
    rows = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    for row in rows:
        row.update({key: json.dumps(row[key]) for key in NESTED})
    return pd.DataFrame(rows)


def gather_histories(paths: Iterable[str | Path], cells: Iterable[Cell]) -> pd.DataFrame:
    """Read the history.csv of many runs: one row for each cell and epoch, with the cell's coordinates first."""
    histories = []
    for path, cell in zip(paths, cells, strict=True):
        # The cell's temperature takes the place of the annealed one.
        histories.append(pd.read_csv(path).assign(**cell.coordinates()))
    gathered = pd.concat(histories, ignore_index=True)
    return gathered[[*AXES, *gathered.columns.difference(AXES, sort=False)]]


def provenance(runs: pd.DataFrame) -> pd.DataFrame:
    """State in a table of items and values what the runs of one dataset are: data, numbers, software, hardware.

    Args:
        runs: what `gather_summaries` returns, for one dataset.
    """
    items = {
        "images": "data_origin",
        "K": "K",
        "epochs": "epochs_run",
        "torch": "torch",
        "Python": "python",
        "hardware": "hardware",
        "source revision": "git_revision",
    }
    values = {item: " / ".join(map(str, sorted(runs[column].dropna().unique()))) for item, column in items.items()}
    first = {
        "dataset": runs["dataset"].iloc[0],
        "runs": len(runs),
        "seeds": runs["seed"].nunique(),
        "temperatures": temperatures_in_words(runs),
    }
    return pd.DataFrame((first | values).items(), columns=["item", "value"])


def select_temperatures(runs: pd.DataFrame) -> pd.DataFrame:
    """Select, for each dataset, K, perturbation and seed, the temperature with the lowest validation loss.

    Diverged runs are never selected; a group with no other run has a row without a temperature.

    Args:
        runs: what `gather_summaries` returns.

    Returns:
        One row a group: the selected run's temperature, best epoch, epochs run, validation and test losses;
        ``at_grid_edge``, whether that temperature is the lowest or the highest of those run, so that the best one may
        lie outside; and the numbers of runs and of diverged runs.
    """
    rows = []
    for coordinates, group in runs.groupby(GROUP, sort=False):
        finite = group[~group["diverged"]]
        chosen = finite.loc[finite["validation_loss"].idxmin()] if len(finite) else None
        rows.append(
            dict(zip(GROUP, coordinates, strict=True))
            | _outcome(chosen)
            | {
                "at_grid_edge": chosen is not None and _at_edge(chosen["temperature"], group["temperature"]),
                "runs": len(group),
                "diverged_runs": int(group["diverged"].sum()),
            }
        )
    return pd.DataFrame(rows)


def _outcome(chosen: pd.Series | None) -> dict[str, float]:
    losses = [f"{split}_{part}" for split in ("validation", "test") for part in ("loss", "reconstruction", "kl")]
    columns = ("temperature", "best_epoch", "epochs_run", *losses)
    return {column: np.nan if chosen is None else chosen[column] for column in columns}


def _at_edge(temperature: float, temperatures: Sequence[float]) -> bool:
    return temperature in (min(temperatures), max(temperatures))


def selected_cells(selection: pd.DataFrame) -> list[Cell]:
    """List the cells of a selection, less the groups of which every run diverged."""
    return [Cell.of(row) for row in selection.dropna(subset="temperature").to_dict("records")]


def models_of_law(summaries: Sequence[str], models: Sequence[str], perturbation: str) -> dict[Cell, str]:
    """Return by cell the model files of a noise law, given summary.json and model.pt of the same runs."""
    cells = [Cell.of(json.loads(Path(path).read_text(encoding="utf-8"))) for path in summaries]
    return {cell: model for cell, model in zip(cells, models, strict=True) if cell.perturbation == perturbation}


def at_nearest_temperature(table: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Return the rows of each dataset at that of its temperatures that is nearest to the wanted one."""
    available = table[["dataset", "temperature"]].drop_duplicates(ignore_index=True)
    distance = (available["temperature"] - temperature).abs()
    nearest = available.loc[distance.groupby(available["dataset"]).idxmin()]
    return table.merge(nearest, on=["dataset", "temperature"])


def diverged_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """List the runs whose loss stopped being finite, with the epoch."""
    return runs.loc[runs["diverged"], [*AXES, "diverged_epoch"]].astype({"diverged_epoch": int})
