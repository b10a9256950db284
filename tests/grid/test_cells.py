"""Cells and their paths."""

import re
from typing import Any

import pytest
from discrete_vae.config.reading import read
from discrete_vae.grid.cells import (
    CELL_DIRECTORY,
    GROUP_LABEL,
    WILDCARD_PATTERNS,
    Cell,
    Group,
    all_but,
    asked_cells,
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


PATTERNS = wildcard_patterns(
    dataset=["mnist", "fashion-mnist", "a.b", "mnist.small", "mnist-small", "digits"],
    perturbation=["gumbel", "gumbel-narrow", "gumbel.1", "normal"],
    target=["poisson"],
)


def match(path: str, file: str, **constraints: str) -> re.Match | None:
    """Match a file with a path of wildcards in braces, as Snakemake does."""
    patterns = {**PATTERNS, **constraints}
    named = re.sub(r"\{(\w+)\}", lambda wildcard: f"(?P<{wildcard[1]}>{patterns[wildcard[1]]})", path)
    return re.fullmatch(named, file)


def matched(labels: list[str], path: str, suffix: str, **constraints: str) -> list[str]:
    """List the labels of which a rule makes a file."""
    return [label for label in labels if match(path + re.escape(suffix), label + suffix, **constraints)]


def test_paths_spell_the_cell_and_can_be_read_back():
    for cell in grid_cells(GRID):
        assert Cell.of(match(CELL_DIRECTORY, cell.directory).groupdict()) == cell


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


def test_a_group_path_matches_the_groups_of_known_datasets():
    assert matched(GROUPS, GROUP_LABEL, "/bounds.csv") == GROUPS[1:], "a single category is no K"
    wrong = ["mist/K10/seed7", "axb/K10/seed7", "mnist/K10/seed07", "mnist/K10", "x/mnist/K10/seed7"]
    assert matched(wrong, GROUP_LABEL, "/bounds.csv") == []


@pytest.mark.parametrize("excluded", GROUPS)
def test_only_the_groups_that_are_finished_are_excluded(excluded):
    """Though the name of one may begin with another's: mnist/K10/seed7 and mnist/K10/seed775."""
    dataset = all_but([excluded], PATTERNS["dataset"])
    left = [label for label in GROUPS[1:] if label != excluded]
    assert matched(GROUPS, GROUP_LABEL, "/bounds.csv", dataset=dataset) == left


@pytest.mark.parametrize(
    ("path", "suffix", "labels"),
    [
        (
            "{target}/{perturbation}",
            ".csv.gz",
            ["poisson/gumbel", "poisson/gumbel-narrow", "poisson/gumbel.1", "poisson/normal"],
        ),
        ("{dataset}/seed{seed}", ".csv", ["mnist/seed7", "mnist/seed775", "mnist.small/seed7"]),
        ("{dataset}/seed{seed}", ".csv", ["mnist.small/seed7", "mnist-small/seed7"]),
        ("{dataset}", ".npz", ["mnist", "mnist.small", "mnist-small"]),
    ],
)
def test_a_finished_file_is_excluded_and_none_whose_name_it_begins(path, suffix, labels):
    first = re.match(r"\{(\w+)\}", path)[1]
    assert matched(labels, path, suffix) == labels
    assert matched(labels, path, suffix, **{first: all_but(labels[:1], PATTERNS[first])}) == labels[1:]


def test_a_finished_run_is_excluded_by_its_whole_folder():
    cells = grid_cells({**GRID, "seed": [1, 12], "temperature": [1.0, 1.05]})
    labels = [cell.directory for cell in cells]
    dataset = all_but([labels[0].removeprefix("runs/")], PATTERNS["dataset"])
    assert matched(labels, CELL_DIRECTORY, "/model.pt", dataset=dataset) == labels[1:]


def test_what_is_not_finished_is_not_excluded():
    assert all_but([], "any") == "any"
