"""Which groups of a study are there, and which are to be made.

A group is whole when its files are there and hold every cell asked for. A whole group is never made again, with or
without its runs. A group never shrinks: it is made of the cells asked for and of all runs that are there.
"""

import csv
import functools
import gzip
import io
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discrete_vae.config.configuration import asked_cells, result_options, with_defaults
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import CELL_DIRECTORY, CELL_FILES, WILDCARD_PATTERNS, Cell, Group, values_of

# Of a group's label; a copy such as seed1.bak is none.
GROUP_PATTERN = f"[^/]+/K(?:{WILDCARD_PATTERNS['K']})/seed(?:{WILDCARD_PATTERNS['seed']})"
# Pictures and costs may be missing: results that are older than they are have none.
WHOLE_GROUP_FILES = ("summaries.csv", "histories.csv.gz", "selection.csv", "bounds.csv", "image_losses.npz")
# What runs of one dataset, or of one noise law, must have in common, as columns of summaries.csv and bounds.csv.
ALIKE = {
    "data_sha256": "dataset",
    "law": "perturbation",
    "model": "dataset",
    "training": "dataset",
    "evaluation": "dataset",
    "samples": "dataset",
}


def recorded_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file as texts, none where there is no file; ``.gz`` is decompressed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.DictReader(io.StringIO(text)))


@dataclass(frozen=True)
class GroupsOnDisk:
    """The groups of a study, by what is to be done about them.

    Attributes:
        whole: groups that are never made again.
        to_make: groups asked for that are not whole.
        unfinished: groups on disk that are neither.
    """

    whole: list[Group]
    to_make: list[Group]
    unfinished: list[Group]

    def shown(self, datasets: Sequence[str]) -> list[Group]:
        """List the groups that tables and figures are drawn from, by dataset in the given order, K and seed."""
        names = [*datasets, *sorted({group.dataset for group in self.whole} - set(datasets))]
        groups = [*self.whole, *self.to_make]
        return sorted(groups, key=lambda group: (names.index(group.dataset), group.K, group.seed))


def find_groups(study: Path, config: Mapping[str, Any]) -> GroupsOnDisk:
    """Find out which groups are whole, and which of those asked for are not.

    Args:
        study: its folder.
        config: the complete configuration.

    Raises:
        InputError: groups that must not be compared, or a group that lacks a cell that is asked for and whose runs are
            gone.
    """
    asked = asked_cells(config)
    asked_of = by_group(asked)
    rows: list[dict[str, str]] = []
    whole, to_make, unfinished = [], [], []
    labels = ("/".join(path.parts[-4:-1]) for path in study.glob("groups/*/K*/seed*/summaries.csv"))
    on_disk = {Group.of(label) for label in labels if re.fullmatch(GROUP_PATTERN, label)}
    for group in sorted(asked_of.keys() | on_disk, key=lambda group: (group.dataset, group.K, group.seed)):
        folder = study / "groups" / str(group)
        summaries = recorded_rows(folder / "summaries.csv")
        recorded = {Cell.of(row) for row in summaries}
        absent = absent_files(folder)
        if not absent and asked_of.get(group, set()) <= recorded:
            whole.append(group)
            rows += [*summaries, *recorded_rows(folder / "bounds.csv")]
        elif group in asked_of:
            _check_runs(study, folder, recorded, lacking=" and ".join(absent) or "cells that are asked for")
            to_make.append(group)
        else:
            unfinished.append(group)
    one_of_each = {(cell.dataset, cell.perturbation): cell for cell in asked}
    check_alike([*rows, *(_options_row(config, cell) for cell in one_of_each.values())])
    return GroupsOnDisk(whole, to_make, unfinished)


def _options_row(config: Mapping[str, Any], cell: Cell) -> dict[str, Any]:
    """Return what summaries.csv says of the options of a cell that is asked for."""
    options = {"law": config["perturbations"][cell.perturbation], **result_options(config, cell.dataset)}
    return {**cell.coordinates(), **{section: json.dumps(values) for section, values in options.items()}}


def check_alike(rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that runs that are compared are of the same images, noise laws, options and numbers of samples.

    An option that did not exist when a run was made counts as its default.

    Args:
        rows: of summaries.csv or bounds.csv of some groups.

    Raises:
        InputError: two runs of one dataset that differ, or two noise laws of one name.
    """
    first: dict[tuple[str, str], tuple[str, Cell]] = {}
    for row in rows:
        for column, axis in ALIKE.items():
            if column not in row:
                continue
            value, cell = first.setdefault((column, row[axis]), (row[column], Cell.of(row)))
            if value == row[column]:
                continue
            expected, given = _options(column, value), _options(column, row[column])
            for key in {**expected, **given}:
                if expected.get(key) != given.get(key):
                    raise InputError(
                        f"groups of {row[axis]} have {key} {expected.get(key)} ({cell.group}) and {given.get(key)}"
                        f" ({Cell.of(row).group}), expected one; use another study for one of them"
                    )


@functools.cache
def _options(column: str, text: str) -> dict[str, Any]:
    """Return what a column of a run's summary says, by option."""
    if not text.startswith("{"):
        return {column: text}
    values = json.loads(text)
    options = values if column == "law" else with_defaults(column, values)
    return {f"{column}.{key}": value for key, value in options.items()}


def by_group(cells: Iterable[Cell]) -> dict[Group, set[Cell]]:
    """Return the cells of each group."""
    of_group: dict[Group, set[Cell]] = {}
    for cell in cells:
        of_group.setdefault(cell.group, set()).add(cell)
    return of_group


def _check_runs(study: Path, folder: Path, recorded: Iterable[Cell], *, lacking: str) -> None:
    """Check that the runs are there that a group must be made of again."""
    gone = [cell for cell in recorded if not is_finished(study, cell)]
    if gone:
        raise InputError(
            f"{folder} lacks {lacking}, and to add them the runs of all its cells are expected in {study / 'runs'}:"
            f" {len(gone)} are gone, such as {min(map(str, gone))}; ask for the cells and keep the files that"
            f" it had, or remove {folder} to train them all again"
        )


def is_whole(study: Path, group: Group, asked: Set[Cell]) -> bool:
    """Tell whether a group's files are there and hold the cells that are asked for."""
    folder = study / "groups" / str(group)
    return not absent_files(folder) and asked <= set(map(Cell.of, recorded_rows(folder / "summaries.csv")))


def absent_files(folder: Path) -> list[str]:
    """List the files that a group must have and has not."""
    return [name for name in WHOLE_GROUP_FILES if not (folder / name).exists()]


def is_finished(study: Path, cell: Cell) -> bool:
    """Tell whether all files of a cell's run are there."""
    return all((study / cell.directory / name).exists() for name in CELL_FILES)


def finished_cells(study: Path, group: Group) -> list[Cell]:
    """List the cells of a group whose runs are there."""
    pattern = CELL_DIRECTORY.format(**vars(group), perturbation="*", temperature="*")
    parts = [path.relative_to(study).parts for path in study.glob(f"{pattern}/summary.json")]
    names = [(perturbation, tau.removeprefix("tau")) for _, _, _, perturbation, tau, _, _ in parts]
    cells = [
        Cell(group.dataset, group.K, perturbation, float(temperature), group.seed)
        for perturbation, temperature in names
        if re.fullmatch(WILDCARD_PATTERNS["temperature"], temperature)
    ]
    return sorted((cell for cell in cells if is_finished(study, cell)), key=str)


def runs_of_other_stacks(study: Path, to_make: Iterable[Group], stack: Sequence[str]) -> list[str]:
    """List the finished runs that Snakemake would make again, as their jobs trained other cells than one would now.

    Args:
        study: its folder.
        to_make: the groups that are to be made.
        stack: axes, ``training: stack`` of the configuration.

    Returns:
        Their folders in runs/.
    """
    runs = (study / cell.directory for group in to_make for cell in finished_cells(study, group))
    return [
        str(run.relative_to(study / "runs"))
        for run in runs
        if stack or json.loads((run / "summary.json").read_text(encoding="utf-8"))["cells_in_job"] > 1
    ]


def cells_to_group(study: Path, group: Group, asked: Iterable[Cell], laws: Sequence[str]) -> list[Cell]:
    """List the cells that a group is made of: those asked for, and all whose runs are there.

    Args:
        study: its folder.
        group: the group.
        asked: the cells of the group in the configured grid.
        laws: names of the noise laws in their order; others come last.

    Returns:
        The cells by noise law and temperature.

    Raises:
        InputError: there is none.
    """
    cells = {*asked, *finished_cells(study, group)}
    if not cells:
        raise InputError(
            f"{study / 'groups' / str(group)} is asked for, expected a group of the grid or one with runs; add it to"
            " the grid"
        )
    order = {law: place for place, law in enumerate(laws)}
    return sorted(
        cells, key=lambda cell: (order.get(cell.perturbation, len(order)), cell.perturbation, cell.temperature)
    )


Points = dict[str, list[dict[str, Any]]]


def asked_gradients(config: Mapping[str, Any], asked: Iterable[Cell]) -> Points:
    """List the points that each table of the control's gradients is asked to hold, by its label ``dataset/seed``."""
    control = config["control"]
    points: Points = {}
    for cell in asked:
        if control["enabled"] and (control["datasets"] is None or cell.dataset in control["datasets"]):
            point = {"perturbation": cell.perturbation, "temperature": cell.temperature}
            of_table = points.setdefault(f"{cell.dataset}/seed{cell.seed}", [])
            if point not in of_table:
                of_table.append(point)
    return points


def asked_fits(config: Mapping[str, Any]) -> Points:
    """List the points that each table of fits is asked to hold, by its label ``target/perturbation``."""
    if config["draw_only"]:
        return {}
    grid = config["grid"]
    axes = itertools.product(grid["temperature"], grid["seed"])
    points = [{"temperature": temperature, "seed": seed} for temperature, seed in axes]
    return {f"{target}/{law}": points for target in config["fitting"]["targets"] for law in grid["perturbation"]}


def find_tables(folder: Path, suffix: str, asked: Points) -> list[str]:
    """List the labels of the tables in a folder, none of which is ever made again.

    Args:
        folder: gradients/ or fits/ of a study.
        suffix: of the tables' files.
        asked: the points that each is asked to hold.

    Raises:
        InputError: a table lacks a point that is asked for.
    """
    paths = sorted(folder.glob(f"*/*{suffix}"))
    labels = [f"{path.parent.name}/{path.name.removesuffix(suffix)}" for path in paths]
    for label, path in zip(labels, paths, strict=True):
        points = asked.get(label, [])
        held = {tuple(row[axis] for axis in points[0]) for row in recorded_rows(path)} if points else set()
        missing = [point for point in points if tuple(map(str, point.values())) not in held]
        if missing:
            point = ", ".join(f"{axis} {value}" for axis, value in missing[0].items())
            raise InputError(
                f"{path} has no values at {point}, which the grid asks for; ask for what it has, or remove {folder} to"
                " measure everything again"
            )
    return labels


def is_outdated(study: Path, path: Path, to_make: Iterable[Group]) -> bool:
    """Tell whether a path is that of a table or figure that shows groups that are yet to be made."""
    if path.is_relative_to(study / "tables"):
        return bool(to_make) and path.stem != "fitting"
    names = {name for group in to_make for name in (group.dataset, f"{group.dataset}-K{group.K}")}
    return path.is_relative_to(study / "figures") and path.parent.name != "fitting" and path.stem in names


def missing_files(study: Path, to_make: Iterable[Group], asked: Iterable[Cell]) -> list[str]:
    """List what is missing of the groups that are to be made: weights of their cells, and bounds.

    Without Snakemake's records, as in a clone, files between those that are there would not be made.

    Args:
        study: its folder.
        to_make: the groups that are to be made.
        asked: the cells of the configured grid.

    Returns:
        Paths in the study's folder.
    """
    runs = (f"{cell.directory}/{name}" for cell in cells_to_train(study, to_make, asked) for name in CELL_FILES)
    bounds = (f"groups/{group}/bounds.csv" for group in to_make)
    return [path for path in (*runs, *bounds) if not (study / path).exists()]


def cells_to_train(study: Path, to_make: Iterable[Group], asked: Iterable[Cell]) -> list[Cell]:
    """List the cells asked for whose runs the groups that are to be made still lack."""
    groups = set(to_make)
    return [cell for cell in asked if cell.group in groups and not is_finished(study, cell)]


def stacked_axes(
    study: Path, to_make: Iterable[Group], asked: Sequence[Cell], stack: Sequence[str]
) -> dict[str, list[Any]]:
    """List the values that one training job stacks along each axis: those of the cells that are yet to be trained.

    Args:
        study: its folder.
        to_make: the groups that are to be made.
        asked: the cells of the configured grid.
        stack: axes, ``training: stack`` of the configuration.
    """
    if not stack or not asked:
        return {}
    stacked = cells_to_train(study, to_make, asked) or asked
    return {axis: values_of(stacked, axis) for axis in stack}
