"""The selected models of a group."""

import json
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.config.definitions import law_of
from discrete_vae.errors import InputError
from discrete_vae.evaluation.selected import SelectedModel, selected_models
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS

CELLS = [Cell("digits", 10, law, temperature, 1) for law in ("normal", "gumbel") for temperature in (0.5, 1.0)]
RUNS = pd.DataFrame(
    {
        **cell.coordinates(),
        "law": json.dumps(PAPER_LAWS[cell.perturbation]),
        "model": json.dumps({"variables": 7, "hidden": 300}),
        "data_sha256": "a",
    }
    for cell in CELLS
)


def test_the_selected_models_are_those_of_the_selection_in_its_order():
    gumbel, normal = CELLS[2], CELLS[1]
    none = {**CELLS[0].coordinates(), "perturbation": "logistic", "temperature": None}  # every run diverged
    selection = pd.DataFrame([gumbel.coordinates(), none, normal.coordinates()])
    assert selected_models(RUNS, selection, study=Path("mine"), data_sha256="a") == [
        SelectedModel(cell, law_of(PAPER_LAWS[cell.perturbation]), 7, Path("mine", cell.directory, "model.pt"))
        for cell in (gumbel, normal)
    ]


def test_other_images_than_those_of_the_runs_are_refused():
    selection = pd.DataFrame([CELLS[0].coordinates()])
    with pytest.raises(InputError, match=r"digits.npz has the sum b, expected a as the images of the runs; put those"):
        selected_models(RUNS, selection, study=Path("mine"), data_sha256="b")
