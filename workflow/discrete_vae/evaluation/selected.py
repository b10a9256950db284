"""The selected models of a group, read from its tables."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from discrete_vae.config.definitions import Law, law_of
from discrete_vae.grid.cells import Cell


@dataclass(frozen=True)
class SelectedModel:
    """A selected model: its cell, its noise law, N, and the path of its model.pt."""

    cell: Cell
    law: Law
    variables: int
    path: Path


def selected_cells(selection: pd.DataFrame) -> list[Cell]:
    """List the cells of a selection. A noise law has none if all its runs diverged."""
    return [Cell.of(row) for row in selection.dropna(subset="temperature").to_dict("records")]


def selected_models(runs: pd.DataFrame, selection: pd.DataFrame, *, study: Path) -> list[SelectedModel]:
    """List the selected models of a group, given its tables and the folder with its runs."""
    of_cell = {Cell.of(run): run for run in runs.to_dict("records")}
    selected = [(cell, of_cell[cell]) for cell in selected_cells(selection)]
    return [
        SelectedModel(
            cell,
            law_of(json.loads(run["law"])),
            json.loads(run["model"])["variables"],
            study / cell.directory / "model.pt",
        )
        for cell, run in selected
    ]
