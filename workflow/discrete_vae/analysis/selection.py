"""Select the temperature of each noise law, and read groups."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.files import read_table
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.grid.measures import BOUNDS

MODEL_AXES = ["dataset", "K", "perturbation", "seed"]
# What a temperature is selected by: the paper's criterion, and a true bound.
VALIDATION_LOSS, NEGATIVE_ELBO = "validation loss", "negative ELBO"
LOSSES = ("validation_loss", "validation_reconstruction", "validation_kl", "validation_kl_of_codes")
OUTCOME = ("temperature", "best_epoch", "epochs_run", "stopped_early", *LOSSES)  # of the selected run


def read_bounds(paths: Sequence[str]) -> pd.DataFrame:
    """Read the bounds of some groups; a table is empty where every run diverged. Older ones lack some columns."""
    types = dict.fromkeys(BOUNDS, float) | {"dataset": str, "K": int, "perturbation": str, "seed": int}
    return pd.concat([read_table(path).reindex(columns=BOUNDS).astype(types) for path in paths])


def law_definitions(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the definition of each noise law of some runs."""
    first = runs.drop_duplicates("perturbation")
    return {name: json.loads(law) for name, law in zip(first["perturbation"], first["law"], strict=True)}


def places_stopped_early(runs: pd.DataFrame) -> list[tuple[str, int]]:
    """List each dataset and K with a run that stopped early, as ``training.patience`` says."""
    places = runs.loc[runs["stopped_early"], ["dataset", "K"]].drop_duplicates()
    return list(places.itertuples(index=False, name=None))


def say_not_judged(what: str, places: Iterable[tuple[str, int]]) -> list[str]:
    """Say that something is not judged at some `places_stopped_early`."""
    return [
        f"{what} is not judged on {dataset} at K = {K}: a run stopped early, as training.patience says"
        for dataset, K in places
    ]


def is_annealed(runs: pd.DataFrame) -> bool:
    """Tell whether the temperature fell during the training of any of some runs. A cell's temperature is its start."""
    return any(json.loads(options).get("annealing") for options in runs["training"].unique())


def select_temperatures(runs: pd.DataFrame, by: str = VALIDATION_LOSS) -> pd.DataFrame:
    """Select, for each dataset, K, perturbation and seed, the temperature with the lowest validation loss.

    The loss is the paper's or, ``by`` NEGATIVE_ELBO, the true bound, which older results lack. Diverged runs are never
    selected. If the loss of any other run is not known, the noise law has no temperature.

    Returns:
        One row a model: temperature, best epoch, epochs run, whether the run stopped early, and validation losses;
        ``at_grid_edge``, whether the temperature is the lowest or the highest of those run, so that the best one may
        lie outside; and the numbers of runs and of diverged runs.
    """
    runs = runs.reset_index(drop=True)
    losses = runs["validation_loss"]
    if by == NEGATIVE_ELBO:
        losses = runs["validation_reconstruction"] + runs.get("validation_kl_of_codes", np.nan)
    rows = []
    for coordinates, group in runs.groupby(MODEL_AXES, sort=False):
        finite = losses[group.index][~group["diverged"]]
        chosen = group.loc[finite.idxmin()] if len(finite) and finite.notna().all() else pd.Series()
        edges = (group["temperature"].min(), group["temperature"].max())
        rows.append(
            dict(zip(MODEL_AXES, coordinates, strict=True))
            | {column: chosen.get(column, np.nan) for column in OUTCOME}
            | {
                "at_grid_edge": chosen.get("temperature") in edges,
                "runs": len(group),
                "diverged_runs": int(group["diverged"].sum()),
            }
        )
    return pd.DataFrame(rows)


def selections_of(runs: pd.DataFrame, selection: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the models that each loss selects, by its name; ``selection`` are those of the validation loss."""
    return {VALIDATION_LOSS: selection, NEGATIVE_ELBO: select_temperatures(runs, by=NEGATIVE_ELBO)}


def selected_cells(selection: pd.DataFrame) -> list[Cell]:
    """List the cells of a selection. A noise law has none if all its runs diverged."""
    return [Cell.of(row) for row in selection.dropna(subset="temperature").to_dict("records")]


def at_nearest_temperature(table: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Return the rows of each dataset and K at one temperature: of those where two noise laws were run, the nearest.

    Where no temperature has two laws, it is the nearest of all.
    """
    place = ["dataset", "K"]
    laws = table.groupby([*place, "temperature"], as_index=False)["perturbation"].nunique()
    comparable = laws["perturbation"].clip(upper=2)
    laws = laws[comparable == comparable.groupby([laws[axis] for axis in place]).transform("max")]
    distance = (laws["temperature"] - temperature).abs()
    nearest = laws.loc[distance.groupby([laws[axis] for axis in place]).idxmin(), [*place, "temperature"]]
    return table.merge(nearest, on=[*place, "temperature"])


def diverged_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """List the runs whose loss stopped being finite, with the epoch."""
    return runs.loc[runs["diverged"], [*AXES, "diverged_epoch"]].astype({"diverged_epoch": int})
