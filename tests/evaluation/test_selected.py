"""The selected models of a group."""

import json
from pathlib import Path

import pandas as pd
from discrete_vae.config.definitions import law_of
from discrete_vae.evaluation.selected import SelectedModel, selected_models
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS

CELLS = [Cell("digits", 10, law, temperature, 1) for law in ("normal", "gumbel") for temperature in (0.5, 1.0)]
RUNS = pd.DataFrame(
    {
        **cell.coordinates(),
        "law": json.dumps(PAPER_LAWS[cell.perturbation]),
        "model": json.dumps({"variables": 7, "hidden": 300}),
    }
    for cell in CELLS
)


def test_the_selected_models_are_those_of_the_selection_in_its_order():
    gumbel, normal = CELLS[2], CELLS[1]
    none = {**CELLS[0].coordinates(), "perturbation": "logistic", "temperature": None}  # every run diverged
    selection = pd.DataFrame([gumbel.coordinates(), none, normal.coordinates()])
    assert selected_models(RUNS, selection, study=Path("mine")) == [
        SelectedModel(cell, law_of(PAPER_LAWS[cell.perturbation]), 7, Path("mine", cell.directory, "model.pt"))
        for cell in (gumbel, normal)
    ]
