"""Which groups of a study are there, and which are to be made.

A group is whole when its files are there and hold every cell asked for. A whole group is never made again, with or
without its runs. A group never shrinks: it is made of the cells asked for and of all runs that are there.
"""

import csv
import functools
import gzip
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discrete_vae.config.options import Evaluation, Model, Training
from discrete_vae.errors import InputError, reading
from discrete_vae.files import RESTORE
from discrete_vae.grid.cells import CELL_FILES, WILDCARD_PATTERNS, Cell, Group, asked_cells

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration

# Of a group's label.
GROUP_PATTERN = f"[^/]+/K(?:{WILDCARD_PATTERNS['K']})/seed(?:{WILDCARD_PATTERNS['seed']})"
# Pictures may be missing: older results have none.
WHOLE_GROUP_FILES = (
    *("summaries.csv", "histories.csv.gz", "selection.csv"),
    *("bounds.csv", "image_losses.npz", "costs.csv"),
)
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
    """Read the rows of a CSV file as texts, none where there is no file; ``.gz`` is decompressed.

    Raises:
        InputError: a damaged file.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    with reading(path, "a table as it was written", RESTORE):
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        return list(csv.DictReader(io.StringIO(text), strict=True))


def groups_on_disk(study: Path) -> list[Group]:
    """List the groups of a study that have summaries, finished or not. A copy such as seed1.bak is none."""
    labels = ("/".join(path.parts[-4:-1]) for path in study.glob("groups/*/K*/seed*/summaries.csv"))
    return sorted((Group.of(label) for label in labels if re.fullmatch(GROUP_PATTERN, label)), key=astuple)


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


def find_groups(study: Path, configuration: "Configuration") -> GroupsOnDisk:
    """Find out which groups of a study are whole, and which of those asked for are not.

    Raises:
        InputError: groups that must not be compared, or a group that lacks a cell that is asked for and whose runs are
            gone.
    """
    asked = asked_cells(configuration)
    asked_of = by_group(asked)
    rows: list[dict[str, str]] = []
    whole, to_make, unfinished = [], [], []
    for group in sorted(asked_of.keys() | set(groups_on_disk(study)), key=astuple):
        folder = study / group.directory
        summaries = recorded_rows(folder / "summaries.csv")
        recorded = _recorded_cells(folder, summaries, group)
        absent = absent_files(folder)
        if not absent and asked_of.get(group, set()) <= recorded:
            whole.append(group)
            rows += [*summaries, *recorded_rows(folder / "bounds.csv")]
        elif group in asked_of:
            _check_runs(study, folder, recorded, lacking=" and ".join(absent) or "cells that are asked for")
            _check_dates(study, folder, asked_of[group] - recorded)
            to_make.append(group)
        else:
            unfinished.append(group)
    laws = {name: asdict(law) for name, law in configuration.perturbations.items()}
    samples = {"samples": configuration.evaluation.importance_samples}
    options = {name: configuration.result_options(name) | samples for name in configuration.asked_datasets}
    check_alike([*rows, *option_rows(asked, laws=laws, options=options)])
    return GroupsOnDisk(whole, to_make, unfinished)


def _recorded_cells(folder: Path, summaries: Iterable[Mapping[str, str]], group: Group) -> set[Cell]:
    """Return the cells of a group's summaries. A group under the name of another one would count twice."""
    with reading(folder / "summaries.csv", "the summaries of a group", f"restore it, or remove {folder}"):
        recorded = {Cell.of(row) for row in summaries}
    for cell in recorded:
        if cell.group != group:
            raise InputError(f"{folder} holds {cell}, expected cells of {group}; move the folder to its own place")
    return recorded


def option_rows(
    cells: Iterable[Cell], *, laws: Mapping[str, Mapping[str, Any]], options: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the options of some cells as rows of summaries.csv and bounds.csv, one for each dataset and noise law.

    ``laws`` are definitions by name; ``options`` are what determines a result, by dataset and column.
    """
    rows = []
    for cell in {(cell.dataset, cell.perturbation): cell for cell in cells}.values():
        columns = {"law": laws[cell.perturbation], **options[cell.dataset]}
        rows.append({**cell.coordinates(), **{column: json.dumps(values) for column, values in columns.items()}})
    return rows


def check_alike(rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that rows of summaries.csv or bounds.csv are of equal images, noise laws, options and numbers of samples.

    An option that did not exist when a run was made counts as its default.

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
    complete = {
        "model": lambda: asdict(Model(**values)),
        "training": lambda: Training.of(values).result_options(),
        "evaluation": lambda: Evaluation(**values).result_options(),
    }
    options = complete[column]() if column in complete else values
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
            f"{folder} lacks {lacking}, expected the runs of all its cells in {study / 'runs'} to add them:"
            f" {len(gone)} are gone, such as {min(map(str, gone))}; ask only for cells that it has and restore its"
            f" missing files, or remove {folder} to train them all again"
        )


def _check_dates(study: Path, folder: Path, lacking: Set[Cell]) -> None:
    """Check that Snakemake, which compares dates, will gather the runs that a group lacks."""
    summaries = folder / "summaries.csv"
    if not summaries.exists() or not lacking or not all(is_finished(study, cell) for cell in lacking):
        return
    newest = max((study / cell.directory / "summary.json").stat().st_mtime for cell in lacking)
    if newest < summaries.stat().st_mtime:
        raise InputError(
            f"{folder} lacks {len(lacking)} cells whose runs are there, such as {min(map(str, lacking))}, and is dated"
            f" after them, expected an earlier date; remove {folder} to gather it again from its runs"
        )


def is_whole(study: Path, group: Group, asked: Set[Cell]) -> bool:
    """Tell whether a group's files are there and hold the cells that are asked for.

    Raises:
        InputError: its summaries are damaged, or of another group.
    """
    folder = study / group.directory
    summaries = recorded_rows(folder / "summaries.csv")
    return not absent_files(folder) and asked <= _recorded_cells(folder, summaries, group)


def absent_files(folder: Path, names: Iterable[str] = WHOLE_GROUP_FILES) -> list[str]:
    """List the files that are absent or empty in a folder, by default of a group's files."""
    paths = {name: folder / name for name in names}
    return [name for name, path in paths.items() if not path.exists() or not path.stat().st_size]


def is_finished(study: Path, cell: Cell) -> bool:
    """Tell whether all files of a cell's run are there."""
    return not absent_files(study / cell.directory, CELL_FILES)
