"""Cells and their paths."""

import re
from typing import Any

import pytest
from discrete_vae.config.reading import read
from discrete_vae.grid.cells import (
    CELL_DIRECTORY,
    WILDCARD_PATTERNS,
    Cell,
    Group,
    all_but,
    asked_cells,
    job_path,
    stack_coordinates,
    values_of,
    wildcard_patterns,
)
from snakemake.io import expand

GRID = {
    "dataset": ["digits"],
    "K": [3, 5],
    "perturbation": ["normal", "gumbel"],
    "temperature": [0.01, 1e-05, 1.0],
    "seed": [1, 2],
    "blocks": [],
}


def grid_cells(grid: dict[str, Any]) -> list[Cell]:
    """List the cells of a grid whose dataset may be any of two."""
    datasets = {name: {"source": "sklearn"} for name in ("digits", "fashion")}
    return asked_cells(read({"grid": grid, "datasets": datasets}))


def test_a_grid_has_one_cell_for_every_combination():
    cells = grid_cells(GRID)
    assert len(cells) == len(set(cells)) == 24
    assert cells[0] == Cell("digits", 3, "normal", 0.01, 1)


def test_paths_spell_the_cell_and_can_be_read_back():
    pattern = CELL_DIRECTORY
    for axis, regex in {"perturbation": "[^/]+", **wildcard_patterns(["digits"])}.items():
        pattern = pattern.replace(f"{{{axis}}}", f"(?P<{axis}>{regex})")
    for cell in grid_cells(GRID):
        assert Cell.of(re.fullmatch(pattern, cell.directory).groupdict()) == cell


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


def test_a_group_is_named_and_read_back():
    cell = Cell("fashion-mnist", 10, "normal", 0.5, 775)
    assert str(cell.group) == "fashion-mnist/K10/seed775"
    assert Group.of(str(cell.group)) == cell.group
    assert values_of([cell, Cell("mnist", 5, "normal", 0.5, 775), cell], "K") == [10, 5]


@pytest.mark.parametrize("stack", [[], ["temperature"], ["temperature", "perturbation"], ["seed", "temperature"]])
def test_a_stack_lists_its_cells_in_the_order_of_its_output_files(stack):
    stacked_axes = {axis: GRID[axis] for axis in stack}
    wildcards = {"dataset": "digits", "K": "3", "perturbation": "gumbel", "temperature": "0.01", "seed": "2"}
    kept = {axis: value for axis, value in wildcards.items() if axis not in stack}
    outputs = expand(expand(CELL_DIRECTORY, **stacked_axes, allow_missing=True), **kept)
    coordinates = stack_coordinates(kept, stacked_axes)
    assert [CELL_DIRECTORY.format(**point) for point in coordinates] == outputs


def test_the_log_of_a_stack_names_the_stacked_axes_all():
    assert job_path("K{K}-tau{temperature}-seed{seed}.log", {"temperature": [1.0]}) == "K{K}-tauall-seed{seed}.log"


def test_blocks_are_united_and_inherit_the_axes_that_they_leave_out():
    blocks = [{"K": [5], "perturbation": ["normal"]}, {"temperature": [1.0], "perturbation": ["normal"]}]
    everything = grid_cells(GRID)
    cells = grid_cells({**GRID, "blocks": blocks})
    assert len(cells) == len(set(cells))
    assert set(cells) == {
        cell for cell in everything if cell.perturbation == "normal" and (cell.K == 5 or cell.temperature == 1.0)
    }
    assert set(grid_cells({**GRID, "blocks": [*blocks, {}]})) == set(everything)
    outside = grid_cells({**GRID, "blocks": [{"dataset": ["fashion"], "seed": [9]}]})
    assert {(cell.dataset, cell.seed) for cell in outside} == {("fashion", 9)}
    assert grid_cells({**GRID, "dataset": []}) == []


GROUPS = ["mnist/K1/seed7", "mnist/K10/seed775", "mnist/K10/seed7", "fashion-mnist/K10/seed775", "a.b/K30/seed0"]


def matched(labels: list[str], pattern: str, file: str) -> list[str]:
    """List the groups of which a rule makes a file, as Snakemake finds out."""
    return [label for label in labels if re.fullmatch(f"(?P<group>{pattern})/{file}", f"{label}/{file}")]


def test_a_group_pattern_matches_the_groups_of_known_datasets():
    pattern = wildcard_patterns(["mnist", "fashion-mnist", "a.b"])["group"]
    assert matched(GROUPS, pattern, "bounds.csv") == GROUPS[1:], "a single category is no K"
    wrong = ["digits/K10/seed7", "axb/K10/seed7", "mnist/K10/seed07", "mnist/K10", "x/mnist/K10/seed7"]
    assert matched(wrong, pattern, "bounds.csv") == []


@pytest.mark.parametrize("excluded", GROUPS)
def test_only_the_groups_that_are_finished_are_excluded(excluded):
    """Though the name of one may begin with another's: mnist/K10/seed7 and mnist/K10/seed775."""
    pattern = all_but([excluded], wildcard_patterns(["mnist", "fashion-mnist", "a.b"])["group"])
    assert matched(GROUPS, pattern, "bounds.csv") == [label for label in GROUPS[1:] if label != excluded]


@pytest.mark.parametrize(
    ("wildcard", "suffix", "labels"),
    [
        ("fit", ".csv.gz", ["poisson/gumbel", "poisson/gumbel-narrow", "poisson/gumbel.1", "poisson/normal"]),
        ("gradients", ".csv", ["mnist/seed7", "mnist/seed775", "mnist.small/seed7"]),
        ("gradients", ".csv", ["mnist.small/seed7", "mnist-small/seed7"]),
    ],
)
def test_a_finished_table_is_excluded_and_none_whose_name_it_begins(wildcard, suffix, labels):
    pattern = all_but(labels[:1], wildcard_patterns(["mnist", "mnist.small", "mnist-small"])[wildcard])
    assert [label for label in labels if re.fullmatch(f"({pattern}){re.escape(suffix)}", label + suffix)] == labels[1:]


def test_a_finished_run_is_excluded_by_its_whole_folder():
    cells = grid_cells({**GRID, "seed": [1, 12], "temperature": [1.0, 1.05]})
    patterns = {"perturbation": "[^/]+", **wildcard_patterns(["digits"])}
    patterns["dataset"] = all_but([cells[0].directory.removeprefix("runs/")], patterns["dataset"])
    pattern = f"{CELL_DIRECTORY}/model.pt"
    for axis, regex in patterns.items():
        pattern = pattern.replace(f"{{{axis}}}", f"(?:{regex})")
    assert [cell for cell in cells if re.fullmatch(pattern, f"{cell.directory}/model.pt")] == cells[1:]


def test_what_is_not_finished_is_not_excluded():
    assert all_but([], "any") == "any"
