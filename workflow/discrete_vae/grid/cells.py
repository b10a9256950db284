"""The cell, the unit of training, and the group, the unit of evidence: all cells of one dataset x K x seed."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from discrete_vae.config.options import AXES

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration

CELL_DIRECTORY = "runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}"  # in the study's folder
CELL_LABEL = "{dataset}-K{K}-{perturbation}-tau{temperature}-seed{seed}"
CELL_FILES = ("history.csv", "summary.json", "model.pt")
GROUP_LABEL = "{dataset}/K{K}/seed{seed}"
# Numbers are spelled as Python spells them (1.0, 0.67, 1e-05), so that a cell has one path only.
WILDCARD_PATTERNS = {
    "K": r"[2-9]|[1-9]\d+",
    "temperature": r"(?!0\.0(?!\d)|0\.0000)(0|[1-9]\d*)\.(0|\d*[1-9])|[1-9](\.\d*[1-9])?e-(0[5-9]|[1-9]\d+)",
    "seed": r"0|[1-9]\d*",
}


@dataclass(frozen=True)
class Group:
    """Coordinates of a group: all noise laws and temperatures of one dataset, K and seed."""

    dataset: str
    K: int
    seed: int

    @classmethod
    def of(cls, label: str) -> "Group":
        """Read a group from its label, such as ``mnist/K10/seed775``."""
        dataset, K, seed = label.split("/")
        return cls(dataset, int(K.removeprefix("K")), int(seed.removeprefix("seed")))

    @property
    def directory(self) -> str:
        """The folder of the group's files in the folder of its study."""
        return f"groups/{self}"

    def __str__(self) -> str:
        return GROUP_LABEL.format(**vars(self))


@dataclass(frozen=True)
class Cell:
    """Coordinates of one training run in the grid."""

    dataset: str
    K: int
    perturbation: str
    temperature: float
    seed: int

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

    @property
    def group(self) -> Group:
        """The group that the cell belongs to."""
        return Group(self.dataset, self.K, self.seed)

    @property
    def directory(self) -> str:
        """The folder of the cell's files in the folder of its study."""
        return CELL_DIRECTORY.format(**self.coordinates())

    def coordinates(self) -> dict[str, Any]:
        """Return the five coordinates by axis, in the order of the paths."""
        return {axis: getattr(self, axis) for axis in AXES}

    def __str__(self) -> str:
        return CELL_LABEL.format(**self.coordinates())


def asked_cells(configuration: "Configuration") -> list[Cell]:
    """List the cells that a configuration asks for; none where it only draws what is there."""
    if configuration.draw_only:
        return []
    points = (point for part in configuration.grid.parts() for point in products(part))
    return list(dict.fromkeys(Cell.of(point) for point in points))


def values_of(cells: Iterable[Cell | Group], axis: str) -> list[Any]:
    """List the values of an axis among some cells or groups, each once, in their order."""
    return list(dict.fromkeys(getattr(cell, axis) for cell in cells))


def stack_coordinates(wildcards: Mapping[str, str], stacked_axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """List the coordinates of the cells that one training job trains: its wildcards times the stacked axes.

    They have the order of Snakemake's ``expand`` over the same axes.
    """
    points = ({**wildcards, **point} for point in products(stacked_axes))
    return [Cell.of(point).coordinates() for point in points]


def wildcard_patterns(**names: Iterable[str]) -> dict[str, str]:
    """Return the pattern of each wildcard of the rules, given all names of datasets, noise laws and so on."""
    named = {wildcard: f"(?:{'|'.join(map(re.escape, known))})" for wildcard, known in names.items()}
    return {**WILDCARD_PATTERNS, **named}


def all_but(finished: Iterable[str], pattern: str) -> str:
    """Return a pattern that excludes what is finished, so that no rule makes it again.

    Args:
        finished: paths to exclude from the wildcard on, such as mnist/K10/seed775 for ``{dataset}``.
        pattern: of the wildcard.
    """
    excluded = "|".join(map(re.escape, finished))
    return rf"(?!(?:{excluded})(?:/|\.csv$|\.csv\.gz$|\.npz$)){pattern}" if excluded else pattern


def products(axes: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield each combination of the values of some axes."""
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))
