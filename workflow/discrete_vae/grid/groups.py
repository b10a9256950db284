"""Which groups of a study are there, and which are to be made.

A group is whole when its files are there and hold every cell asked for. A whole group is never made again, with or
without its runs. A group never shrinks: it is made of the cells asked for and of all runs that are there.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discrete_vae.config.options import RESULT_SECTIONS
from discrete_vae.errors import InputError, reading
from discrete_vae.files import RESTORE
from discrete_vae.grid.alike import check_alike, option_rows
from discrete_vae.grid.cells import CELL_DIRECTORY, CELL_FILES, WILDCARD_PATTERNS, Cell, Group, asked_cells

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration

# Of a group's label.
GROUP_PATTERN = f"[^/]+/K(?:{WILDCARD_PATTERNS['K']})/seed(?:{WILDCARD_PATTERNS['seed']})"
WHOLE_GROUP_FILES = (
    *("summaries.csv", "histories.csv.gz", "selection.csv"),
    *("bounds.csv", "image_losses.npz", "costs.csv"),
)
# Pictures may be missing: older results have none.
GROUP_FILES = (*WHOLE_GROUP_FILES, "pictures.npz")


def recorded_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file as texts, none where there is no file; ``.gz`` is decompressed.

    Raises:
        InputError: a file that is damaged or cannot be read.
    """
    with reading(path, "a table as it was written", RESTORE):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        if any(None in (*row, *row.values()) for row in rows):
            raise ValueError("rows of different lengths")
    return rows


def recorded_runs(run_folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Read the summary.json of many runs, as rows of summaries.csv: definitions and options become JSON texts.

    Raises:
        InputError: a damaged summary, or one in the folder of another cell, as in a copy.
    """
    rows = []
    for folder in run_folders:
        with reading_summary(folder) as row:
            rows.append({**row, **{key: json.dumps(row[key]) for key in ("law", *RESULT_SECTIONS)}})
            cell = Cell.of(row)
        if not folder.as_posix().endswith(cell.directory):
            raise InputError(
                f"{folder / 'summary.json'} is of {cell}, expected the cell of its folder; move the folder out of runs/"
            )
    return rows


@contextmanager
def reading_summary(run_folder: Path) -> Iterator[dict[str, Any]]:
    """Read the summary.json of a run, to be used in this context.

    Raises:
        InputError: a damaged summary, or one that lacks what the context asks for.
    """
    path = run_folder / "summary.json"
    with reading(path, "the summary of a run", RESTORE):
        yield json.loads(path.read_text(encoding="utf-8"))


def groups_on_disk(study: Path) -> list[Group]:
    """List the groups of a study that have summaries, finished or not. A copy such as seed1.bak is none."""
    labels = ("/".join(path.parts[-4:-1]) for path in study.glob("groups/*/K*/seed*/summaries.csv"))
    return sorted((Group.of(label) for label in labels if re.fullmatch(GROUP_PATTERN, label)), key=astuple)


@dataclass(frozen=True)
class FoundGroups:
    """The groups of a study, by what is to be done about them.

    Attributes:
        whole: groups that are never made again.
        to_make: groups asked for that are not whole.
        unfinished: groups on disk that lack a file, and that the grid does not ask for.
    """

    whole: list[Group] = field(default_factory=list)
    to_make: list[Group] = field(default_factory=list)
    unfinished: list[Group] = field(default_factory=list)

    def shown(self, datasets: Sequence[str]) -> list[Group]:
        """List the groups that tables and figures are drawn from, by dataset in the given order, K and seed."""
        names = [*datasets, *sorted({group.dataset for group in self.whole} - set(datasets))]
        groups = [*self.whole, *self.to_make]
        return sorted(groups, key=lambda group: (names.index(group.dataset), group.K, group.seed))


def find_groups(study: Path, configuration: "Configuration") -> FoundGroups:
    """Find out which groups of a study are whole, and which of those asked for are not.

    Raises:
        InputError: groups or runs must not be compared, a group lacks what is asked for and its runs are gone, or a
            file is empty.
    """
    asked = asked_cells(configuration)
    asked_of = by_group(asked)
    rows: list[dict[str, Any]] = []
    whole, to_make, unfinished = [], [], []
    for group in sorted(asked_of.keys() | set(groups_on_disk(study)), key=astuple):
        folder = study / group.directory
        summaries = recorded_rows(folder / "summaries.csv")
        recorded = _recorded_cells(folder / "summaries.csv", summaries, group)
        absent = absent_files(folder)
        if not absent and asked_of.get(group, set()) <= recorded:
            whole.append(group)
            rows += [*summaries, *recorded_rows(folder / "bounds.csv")]
        elif group in asked_of:
            evaluated = _recorded_cells(bounds := folder / "bounds.csv", recorded_rows(bounds), group)
            check_runs(study, folder, recorded | evaluated, lacking=" and ".join(absent) or "cells that are asked for")
            _check_none_is_empty([folder, *(study / cell.directory for cell in asked_of[group])])
            rows += recorded_runs(study / cell.directory for cell in finished_cells(study, group))
            _check_dates(study, folder, asked_of[group] - recorded)
            to_make.append(group)
        else:
            unfinished.append(group)
    laws = {name: asdict(law) for name, law in configuration.perturbations.items()}
    samples = {"samples": configuration.evaluation.importance_samples}
    options = {name: configuration.result_options(name) | samples for name in configuration.asked_datasets}
    check_alike([*rows, *option_rows(asked, laws=laws, options=options)])
    return FoundGroups(whole, to_make, unfinished)


def _recorded_cells(table: Path, rows: Iterable[Mapping[str, str]], group: Group) -> set[Cell]:
    """Return the cells of a group's table. A group under the name of another one would count twice."""
    with reading(table, "a table of a group", f"restore it, or remove {table.parent}"):
        recorded = {Cell.of(row) for row in rows}
    for cell in recorded:
        if cell.group != group:
            raise InputError(f"{table.parent} holds {cell}, expected cells of {group}; move it to its own place")
    return recorded


def _check_none_is_empty(folders: Iterable[Path]) -> None:
    """Check that no file of groups and runs is empty, as after a power cut: Snakemake would take it for made."""
    for path in (folder / name for folder in folders for name in (*WHOLE_GROUP_FILES, *CELL_FILES)):
        if path.exists() and not _size(path):
            raise InputError(f"{path} is empty, expected a file as it was written; remove it to make it again")


def by_group(cells: Iterable[Cell]) -> dict[Group, set[Cell]]:
    """Return the cells of each group."""
    of_group: dict[Group, set[Cell]] = {}
    for cell in cells:
        of_group.setdefault(cell.group, set()).add(cell)
    return of_group


def check_runs(study: Path, folder: Path, recorded: Iterable[Cell], *, lacking: str) -> None:
    """Check that the runs of all recorded cells are there, as the group is made of them again.

    Args:
        study: the folder with the runs.
        folder: of the group.
        recorded: the cells of its summaries.csv.
        lacking: what it lacks, for the message.

    Raises:
        InputError: a run is gone.
    """
    gone = [cell for cell in recorded if not is_finished(study, cell)]
    if gone:
        raise InputError(
            f"{folder} lacks {lacking}, and {len(gone)} of its runs are gone, such as {min(map(str, gone))}, expected"
            f" all of them in {study / 'runs'}; ask only for cells that it has and restore its missing files, or remove"
            f" {folder} to train all its cells again"
        )


def _check_dates(study: Path, folder: Path, lacking: Set[Cell]) -> None:
    """Check that Snakemake, which compares dates, will gather the runs that a group lacks."""
    summaries = folder / "summaries.csv"
    if not summaries.exists() or not lacking or not all(is_finished(study, cell) for cell in lacking):
        return
    newest = max((study / cell.directory / "summary.json").stat().st_mtime for cell in lacking)
    if newest < summaries.stat().st_mtime:
        raise InputError(
            f"{folder} lacks {len(lacking)} cells whose runs are there, such as {min(map(str, lacking))}, but its"
            f" summaries.csv is newer than these runs, expected an older file; remove {folder} to gather it again from"
            " its runs"
        )


def is_whole(study: Path, group: Group, asked: Set[Cell]) -> bool:
    """Tell whether a group's files are there and hold the cells that are asked for.

    Raises:
        InputError: its summaries are damaged, or of another group.
    """
    summaries = study / group.directory / "summaries.csv"
    return not absent_files(summaries.parent) and asked <= _recorded_cells(summaries, recorded_rows(summaries), group)


def absent_files(folder: Path, names: Iterable[str] = WHOLE_GROUP_FILES) -> list[str]:
    """List the files that are absent or empty in a folder, by default of a group's files."""
    return [name for name in names if not _size(folder / name)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def finished_cells(study: Path, group: Group) -> list[Cell]:
    """List the cells of a group whose runs are there."""
    pattern = CELL_DIRECTORY.format(**vars(group), perturbation="*", temperature="*")
    parts = (path.relative_to(study).parts for path in study.glob(f"{pattern}/summary.json"))
    cells = [
        Cell(group.dataset, group.K, perturbation, float(temperature), group.seed)
        for perturbation, temperature in ((part[3], part[4].removeprefix("tau")) for part in parts)
        if re.fullmatch(WILDCARD_PATTERNS["temperature"], temperature)
    ]
    return sorted((cell for cell in cells if is_finished(study, cell)), key=str)


def finished_runs(study: Path) -> list[str]:
    """List the folders in runs/ of all finished runs, also of cells beyond the grid."""
    pattern = CELL_DIRECTORY.format(dataset="*", K="*", perturbation="*", temperature="*", seed="*")
    folders = (path.parent for path in sorted(study.glob(f"{pattern}/summary.json")))
    return [str(folder.relative_to(study / "runs")) for folder in folders if not absent_files(folder, CELL_FILES)]


def is_finished(study: Path, cell: Cell) -> bool:
    """Tell whether all files of a cell's run are there."""
    return not absent_files(study / cell.directory, CELL_FILES)
