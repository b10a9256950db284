"""What is yet to be made of a study: cells to train, groups to gather, tables to measure.

``study`` is a study's folder, ``to_make`` the groups that are to be made, ``asked`` the cells of the configured grid
and ``stack`` the axes of ``training: stack``.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discrete_vae.errors import InputError, reading
from discrete_vae.files import RESTORE
from discrete_vae.grid.cells import CELL_FILES, Cell, Group, products, values_of
from discrete_vae.grid.groups import (
    WHOLE_GROUP_FILES,
    finished_cells,
    groups_on_disk,
    is_finished,
    recorded_rows,
)

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration


def cells_to_group(study: Path, group: Group, asked: Iterable[Cell], laws: Sequence[str]) -> list[Cell]:
    """List the cells that a group is made of: those asked for, and all whose runs are there.

    They are sorted by noise law and temperature. ``laws`` gives the order of the laws; others come last.

    Raises:
        InputError: there is none.
    """
    cells = {*asked, *finished_cells(study, group)}
    if not cells:
        raise InputError(
            f"{study / group.directory} is asked for, expected a group of the grid or one with runs; add it to the grid"
        )
    order = {law: place for place, law in enumerate(laws)}
    return sorted(
        cells, key=lambda cell: (order.get(cell.perturbation, len(order)), cell.perturbation, cell.temperature)
    )


Points = dict[str, list[dict[str, Any]]]


def asked_gradients(configuration: "Configuration", asked: Iterable[Cell]) -> Points:
    """List the points that each table of the control's gradients is asked to hold, by its label ``dataset/seed``."""
    control = configuration.control
    points: Points = {}
    if not control.enabled:
        return points
    for cell in asked:
        if control.datasets is None or cell.dataset in control.datasets:
            point = {"perturbation": cell.perturbation, "temperature": cell.temperature}
            of_table = points.setdefault(f"{cell.dataset}/seed{cell.seed}", [])
            if point not in of_table:
                of_table.append(point)
    return points


def asked_fits(configuration: "Configuration") -> Points:
    """List the points that each table of fits is asked to hold, by its label ``target/perturbation``."""
    if configuration.draw_only:
        return {}
    grid = configuration.grid
    axes = itertools.product(grid.values("temperature"), grid.values("seed"))
    points = [{"temperature": temperature, "seed": seed} for temperature, seed in axes]
    labels = itertools.product(configuration.fitting.targets, grid.values("perturbation"))
    return {f"{target}/{law}": points for target, law in labels}


def find_tables(folder: Path, suffix: str, asked: Points, *, name: str = "[^.].*") -> list[str]:
    """List the labels of the tables in a folder. They are never made again.

    Args:
        folder: gradients/ or fits/ of a study.
        suffix: of the tables' files.
        asked: the points that each is asked to hold.
        name: pattern of the files' names without the suffix. What a killed job had begun to write begins with a dot.

    Raises:
        InputError: a table lacks a point that is asked for.
    """
    files = ((path, path.name.removesuffix(suffix)) for path in sorted(folder.glob(f"*/*{suffix}")))
    tables = {f"{path.parent.name}/{stem}": path for path, stem in files if re.fullmatch(name, stem)}
    for label, path in tables.items():
        points = asked.get(label, [])
        with reading(path, "a table as it was written", RESTORE):
            held = {tuple(row[axis] for axis in points[0]) for row in recorded_rows(path)} if points else set()
        missing = [point for point in points if tuple(map(str, point.values())) not in held]
        if missing:
            point = ", ".join(f"{axis} {value}" for axis, value in missing[0].items())
            raise InputError(
                f"{path} has no values at {point}, expected all that the grid asks for; take this out of the grid, or"
                f" remove {folder} to make all its tables again"
            )
    return list(tables)


def is_outdated(study: Path, path: Path, to_make: Collection[Group]) -> bool:
    """Tell whether a table or figure shows groups that are yet to be made."""
    if path.is_relative_to(study / "tables"):
        return bool(to_make) and path.stem != "fitting"
    if path.parent == study / "figures":
        return bool(to_make)
    names = {name for group in to_make for name in (group.dataset, f"{group.dataset}-K{group.K}")}
    return path.is_relative_to(study / "figures") and path.parent.name != "fitting" and path.stem in names


def missing_files(study: Path, to_make: Iterable[Group], asked: Iterable[Cell]) -> list[str]:
    """List the files that are missing in the study's folder: those of groups, and runs of groups that have bounds.

    Snakemake does not make a missing file if the files made from it exist and are newer. So the targets ask for these
    files. If the bounds are missing, their rule asks for the runs.
    """
    evaluated = (group for group in to_make if (study / group.directory / "bounds.csv").exists())
    runs = (f"{cell.directory}/{name}" for cell in cells_to_train(study, evaluated, asked) for name in CELL_FILES)
    of_groups = (f"{group.directory}/{name}" for group in to_make for name in WHOLE_GROUP_FILES)
    return [path for path in (*runs, *of_groups) if not (study / path).exists()]


def cells_to_train(study: Path, to_make: Iterable[Group], asked: Iterable[Cell]) -> list[Cell]:
    """List the cells asked for whose runs the groups that are to be made still lack."""
    groups = set(to_make)
    return [cell for cell in asked if cell.group in groups and not is_finished(study, cell)]


def stacked_axes(
    study: Path, to_make: Collection[Group], asked: Sequence[Cell], stack: Sequence[str]
) -> dict[str, list[Any]]:
    """List the values that one training job stacks along each axis, for the cells that are yet to be trained.

    All jobs stack the same values, and Snakemake deletes all outputs of a job before it starts. So an axis is left out
    where a job would delete runs that a group is made of already.
    """
    if not stack or not asked:
        return {}
    stacked = cells_to_train(study, to_make, asked) or asked
    tables = (recorded_rows(study / group.directory / "summaries.csv") for group in groups_on_disk(study))
    recorded = {Cell.of(row) for rows in tables for row in rows}
    for count in range(len(stack), 0, -1):
        for axes in itertools.combinations(stack, count):
            values = {axis: values_of(stacked, axis) for axis in axes}
            points = list(products(values))
            if recorded.isdisjoint(replace(cell, **point) for cell in stacked for point in points):
                return values
    return {}
