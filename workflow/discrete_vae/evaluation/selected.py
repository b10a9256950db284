"""The selected models of a group, read from its tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from discrete_vae.config.definitions import Law, law_of
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell


@dataclass(frozen=True)
class SelectedModel:
    """A selected model: its cell, its noise law, N, and the path of its model.pt."""

    cell: Cell
    law: Law
    variables: int
    path: str | Path


def selected_cells(selection: pd.DataFrame) -> list[Cell]:
    """List the cells of a selection. A noise law has none if all its runs diverged."""
    return [Cell.of(row) for row in selection.dropna(subset="temperature").to_dict("records")]


def selected_models(
    runs: pd.DataFrame, selection: pd.DataFrame, models: Sequence[str | Path], *, data_sha256: str
) -> list[SelectedModel]:
    """List the selected models of a group.

    Args:
        runs, selection: its tables.
        models: model.pt of the runs, in their order.
        data_sha256: sum of the images that are there.

    Raises:
        InputError: the runs used other images.
    """
    expected = runs["data_sha256"].iloc[0]
    if data_sha256 != expected:
        raise InputError(
            f"data/{runs['dataset'].iloc[0]}.npz has the sum {data_sha256}, expected {expected} as the images of the"
            " runs; put those images back, or remove the runs"
        )
    of_cell = {Cell.of(run): (run, path) for run, path in zip(runs.to_dict("records"), models, strict=True)}
    return [
        SelectedModel(cell, law_of(json.loads(run["law"])), json.loads(run["model"])["variables"], path)
        for cell in selected_cells(selection)
        for run, path in [of_cell[cell]]
    ]
