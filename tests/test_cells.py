"""Cells and their paths."""

import re

import pytest
from discrete_vae.cells import (
    CELL_DIRECTORY,
    WILDCARD_PATTERNS,
    Cell,
    axis_values,
    cell_files,
    grid_cells,
    grid_files,
    job_path,
    perturbations_of,
    selected_cell_files,
    stack_coordinates,
)
from discrete_vae.errors import InputError
from snakemake.io import expand

GRID = {
    "dataset": ["digits"],
    "K": [3, 5],
    "perturbation": ["normal", "gumbel"],
    "temperature": [0.01, 1e-05, 1.0],
    "seed": [1, 2],
}


def test_a_grid_has_one_cell_for_every_combination():
    cells = grid_cells(GRID)
    assert len(cells) == len(set(cells)) == 24
    assert cells[0] == Cell("digits", 3, "normal", 0.01, 1)


def test_paths_spell_the_cell_and_can_be_read_back():
    for path, cell in zip(cell_files(GRID, "summary.json"), grid_cells(GRID), strict=True):
        pattern = CELL_DIRECTORY + "/summary.json"
        for axis in ("dataset", "perturbation"):
            pattern = pattern.replace(f"{{{axis}}}", f"(?P<{axis}>[^/]+)")
        for axis, regex in WILDCARD_PATTERNS.items():
            pattern = pattern.replace(f"{{{axis}}}", f"(?P<{axis}>{regex})")
        assert Cell.of(re.fullmatch(pattern, path).groupdict()) == cell


@pytest.mark.parametrize(
    "spelling",
    [
        *("1", ".5", "one", "1.00", "0.50", "00.5", "0.0", "1e16"),
        *("1e-5x", "1.0e-05", "1e-5", "1e-005", "0.00001", "0.000015", "5e-4", "1e-1", "1e-04"),
    ],
)
def test_a_temperature_has_one_spelling_in_paths(spelling):
    assert not re.fullmatch(WILDCARD_PATTERNS["temperature"], spelling)


@pytest.mark.parametrize("temperature", [1e-07, 1.5e-05, 0.0001, 0.01, 0.05, 0.67, 1.0, 10.0, 100.25, 1e6])
def test_every_temperature_is_found_in_paths(temperature):
    assert re.fullmatch(WILDCARD_PATTERNS["temperature"], str(temperature))


@pytest.mark.parametrize(("axis", "spelling"), [("K", "1"), ("K", "05"), ("seed", "0775")])
def test_numbers_have_one_spelling_in_paths(axis, spelling):
    assert not re.fullmatch(WILDCARD_PATTERNS[axis], spelling)


@pytest.mark.parametrize(("K", "temperature"), [(1, 1.0), (3, 0.0), (3, float("nan"))])
def test_a_cell_that_cannot_be_trained_is_refused(K, temperature):
    with pytest.raises(InputError, match="expected"):
        Cell("digits", K, "normal", temperature, 1)


def test_files_of_some_cells_have_fixed_axes():
    files = cell_files(GRID, "model.pt", K="3", seed=2)
    assert len(files) == 6
    assert all("/K3/" in path and "/seed2/" in path for path in files)


@pytest.mark.parametrize("stack", [[], ["temperature"], ["temperature", "perturbation"], ["seed", "temperature"]])
def test_a_stack_lists_its_cells_in_the_order_of_its_output_files(stack):
    stacked_axes = {axis: GRID[axis] for axis in stack}
    wildcards = {"dataset": "digits", "K": "3", "perturbation": "gumbel", "temperature": "0.01", "seed": "2"}
    kept = {axis: value for axis, value in wildcards.items() if axis not in stack}
    outputs = expand(expand(CELL_DIRECTORY, **stacked_axes, allow_missing=True), **kept)
    coordinates = stack_coordinates(kept, stacked_axes)
    assert [CELL_DIRECTORY.format(**point) for point in coordinates] == outputs


def test_a_job_of_a_stack_needs_the_laws_of_its_cells_only():
    definitions = {"normal": {"a": 1}, "gumbel": {"b": 2}, "laplace": {"c": 3}}
    wildcards = {"dataset": "digits", "K": "3", "perturbation": "gumbel", "temperature": "1.0", "seed": "2"}
    assert perturbations_of(wildcards, {}, definitions) == {"gumbel": {"b": 2}}
    del wildcards["perturbation"]
    stacked = perturbations_of(wildcards, {"perturbation": ["normal", "gumbel"]}, definitions)
    assert list(stacked.items()) == [("normal", {"a": 1}), ("gumbel", {"b": 2})]


def test_only_the_files_of_selected_cells_are_listed(tmp_path):
    selection = tmp_path / "selection.csv"
    selection.write_text(
        "dataset,K,perturbation,seed,temperature\ndigits,3,normal,1,1e-05\ndigits,3,gumbel,1,\ndigits,3,normal,2,1.0\n"
    )
    of_one = selected_cell_files(selection, "model.pt", dataset="digits", K="3", perturbation="normal", seed=1)
    assert of_one == ["results/runs/digits/K3/normal/tau1e-05/seed1/model.pt"]
    assert len(selected_cell_files(selection, "model.pt", dataset="digits", K="3")) == 2
    assert selected_cell_files(selection, "model.pt", perturbation="gumbel") == [], "every run diverged"
    with pytest.raises(InputError, match="has no row of K 5, seed 1, expected one"):
        selected_cell_files(selection, "model.pt", K=5, seed=1)


def test_the_log_of_a_stack_names_the_stacked_axes_all():
    path = job_path("logs/K{K}-tau{temperature}-seed{seed}.log", {"temperature": [1.0]})
    assert path == "logs/K{K}-tauall-seed{seed}.log"


def test_a_dataset_may_be_run_with_some_values_only():
    only = {"fashion": [{"K": [5], "temperature": [1.0]}]}
    grid = {**GRID, "dataset": ["digits", "fashion"], "only": only}
    by_dataset = {name: [cell for cell in grid_cells(grid) if cell.dataset == name] for name in grid["dataset"]}
    assert by_dataset["digits"] == grid_cells(GRID)
    assert {(cell.K, cell.temperature) for cell in by_dataset["fashion"]} == {(5, 1.0)}
    assert len(by_dataset["fashion"]) == 4
    assert cell_files(grid, "model.pt", dataset="fashion", K="3") == []
    assert axis_values(grid, "temperature", "fashion") == [1.0]
    assert grid_files(grid, "{dataset}-K{K}") == ["digits-K3", "digits-K5", "fashion-K5"]


def test_a_dataset_may_be_run_with_several_parts_of_the_grid():
    parts = [{"K": [5], "perturbation": ["normal"]}, {"temperature": [1.0], "perturbation": ["normal"]}]
    everything = grid_cells(GRID)
    assert grid_cells({**GRID, "only": {"digits": parts}}) == [
        cell for cell in everything if cell.perturbation == "normal" and (cell.K == 5 or cell.temperature == 1.0)
    ]
    assert grid_cells({**GRID, "only": {"digits": [*parts, {}]}}) == everything
