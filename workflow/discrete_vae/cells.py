"""The cell, the unit of result: one dataset x K x perturbation x temperature x seed."""

import csv
import itertools
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discrete_vae.errors import InputError

AXES = ("dataset", "K", "perturbation", "temperature", "seed")
CELL_DIRECTORY = "results/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}"
CELL_LABEL = "{dataset}-K{K}-{perturbation}-tau{temperature}-seed{seed}"
SELECTED_LABEL = "{dataset}-K{K}-{perturbation}-seed{seed}"  # of a selected model: its temperature is yet to be found
BOUNDS_FILE = "results/gathered/{dataset}/bounds-K{K}-{perturbation}-seed{seed}.csv"
BOUNDS_PER_IMAGE_FILE = "results/gathered/{dataset}/bounds-K{K}-{perturbation}-seed{seed}.npz"
IMAGES_FILE = "results/gathered/{dataset}/images-K{K}-{perturbation}.npz"
# Numbers are spelled as Python spells them (1.0, 0.67, 1e-05), so that a cell has one path only.
WILDCARD_PATTERNS = {
    "K": r"[2-9]|[1-9]\d+",
    "temperature": r"(?!0\.0(?!\d)|0\.0000)(0|[1-9]\d*)\.(0|\d*[1-9])|[1-9](\.\d*[1-9])?e-(0[5-9]|[1-9]\d+)",
    "seed": r"0|[1-9]\d*",
}


@dataclass(frozen=True)
class Cell:
    """Coordinates of one training run in the grid.

    Raises:
        InputError: fewer than two categories or a temperature that is not positive.
    """

    dataset: str
    K: int
    perturbation: str
    temperature: float
    seed: int

    def __post_init__(self) -> None:
        if self.K < 2:
            raise InputError(f"K of the cell {self} is {self.K}, expected at least 2; correct it")
        if not self.temperature > 0:
            raise InputError(f"temperature of the cell {self} is {self.temperature}, expected above 0; correct it")

    @classmethod
    def of(cls, coordinates: Mapping[str, Any]) -> "Cell":
        """Read a cell from Snakemake wildcards or any mapping of the five axes."""
        return cls(
            dataset=str(coordinates["dataset"]),
            K=int(coordinates["K"]),
            perturbation=str(coordinates["perturbation"]),
            temperature=float(coordinates["temperature"]),
            seed=int(coordinates["seed"]),
        )

    def coordinates(self) -> dict[str, Any]:
        """Return the five coordinates by axis, in the order of the paths."""
        return {axis: getattr(self, axis) for axis in AXES}

    def __str__(self) -> str:
        return CELL_LABEL.format(**self.coordinates())


def grid_cells(grid: Mapping[str, Any], **fixed: Any) -> list[Cell]:
    """List every cell of a grid, the last axis running fastest, of a dataset those in one of the parts under ``only``.

    Args:
        grid: the section of the configuration.
        fixed: axes with the one value that they are fixed to.
    """
    axes = {axis: [fixed[axis]] if axis in fixed else grid[axis] for axis in AXES}
    cells = [Cell.of(point) for point in _products(axes)]
    only = grid.get("only", {})
    return [cell for cell in cells if any(_is_in(cell, part) for part in only.get(cell.dataset, [{}]))]


def _is_in(cell: Cell, part: Mapping[str, Sequence[Any]]) -> bool:
    return all(getattr(cell, axis) in values for axis, values in part.items())


def axis_values(grid: Mapping[str, Any], axis: str, dataset: str) -> list[Any]:
    """List the values of an axis among the cells of one dataset of a grid."""
    return list(dict.fromkeys(getattr(cell, axis) for cell in grid_cells(grid, dataset=dataset)))


def first_seed(grid: Mapping[str, Any], dataset: str) -> int:
    """Return the seed whose models stand for a dataset of a grid in pictures."""
    return axis_values(grid, "seed", dataset)[0]


def cell_file(cell: Cell, name: str) -> str:
    """Return the path of a file of a cell."""
    return f"{CELL_DIRECTORY}/{name}".format(**cell.coordinates())


def grid_files(grid: Mapping[str, Any], pattern: str, **fixed: Any) -> list[str]:
    """List the paths that a pattern of axes has over a grid, each once, with some axes fixed to one value."""
    return list(dict.fromkeys(pattern.format(**cell.coordinates()) for cell in grid_cells(grid, **fixed)))


def cell_files(grid: Mapping[str, Any], name: str, **fixed: Any) -> list[str]:
    """List the paths of a file of every cell of a grid, with some axes fixed to one value."""
    return grid_files(grid, f"{CELL_DIRECTORY}/{name}", **fixed)


def selected_cell_files(selection: str | Path, name: str, **fixed: Any) -> list[str]:
    """List the paths of a file of the selected cells, with some axes fixed to one value; none where every run diverged.

    Args:
        selection: a CSV file of what `selection.select_temperatures` returns.
        name: of the file.
        fixed: axes with their value, or with its spelling in a path.

    Raises:
        InputError: the selection knows nothing of the cells.
    """
    with Path(selection).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if all(row[axis] == str(value) for axis, value in fixed.items())]
    if not rows:
        cells = ", ".join(f"{axis} {value}" for axis, value in fixed.items())
        raise InputError(f"{selection} has no row of {cells}, expected one for each model; remove it to make it anew")
    return [cell_file(Cell.of(row), name) for row in rows if row["temperature"]]


def stack_coordinates(wildcards: Mapping[str, str], stacked_axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List the coordinates of the cells that one training job trains: its wildcards times the stacked axes.

    The order is that of Snakemake's ``expand`` over the same axes.
    """
    points = ({**wildcards, **point} for point in _products(stacked_axes))
    return [Cell.of(point).coordinates() for point in points]


def perturbations_of(
    wildcards: Mapping[str, str], stacked_axes: Mapping[str, Sequence[Any]], definitions: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the definitions of the noise laws of one job, in the order of its outputs."""
    names = stacked_axes.get("perturbation") or [wildcards.get("perturbation")]
    return {name: definitions[name] for name in names}


def grid_perturbations(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definitions of the noise laws of the grid, in its order."""
    return {name: config["perturbations"][name] for name in config["grid"]["perturbation"]}


def job_path(pattern: str, stacked_axes: Container[str]) -> str:
    """Return a pattern of axes, of a job's log or benchmark, in which the stacked axes stand as ``all``."""
    return pattern.format(**{axis: "all" if axis in stacked_axes else f"{{{axis}}}" for axis in AXES})


def _products(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
