"""Which groups the tables and figures of a study were drawn from.

Snakemake draws again what is older than its input. But a group from an archive or another machine keeps its old date,
and a group that was removed has none. So tables/groups.csv lists the groups that a command found or made, and the next
command compares.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from discrete_vae.errors import InputError, OutputError, reading
from discrete_vae.files import RESTORE, write_text
from discrete_vae.grid.groups import GROUP_FILES, absent_files, groups_on_disk, recorded_rows

OUTDATED = 1  # the date of an outdated table or figure, in seconds since 1970


def complete_groups(study: Path) -> list[Path]:
    """List the folders of the groups that lack no file, whatever the grid asks for."""
    folders = (study / group.directory for group in groups_on_disk(study))
    return [folder for folder in folders if not absent_files(folder)]


def outdate_drawings(study: Path, folders: Iterable[Path]) -> None:
    """Let Snakemake draw everything again if tables/groups.csv does not list the groups that are there.

    All tables and figures get the oldest date, so that each is outdated until it is drawn, whatever date a group has
    by then. The groups get the present date, as theirs may be older still.

    Args:
        study: its folder. Nothing is done if it has neither tables nor figures.
        folders: of the groups that lack no file.

    Raises:
        InputError: a file of a group cannot be read.
        OutputError: the date of a file cannot be set.
    """
    table = study / "tables/groups.csv"
    drawings = list(_drawings(study))
    if not drawings or _listed(table) == _rows_of(folders):
        return
    try:
        for path in drawings:
            os.utime(path, (OUTDATED, OUTDATED))
        for path in (file for folder in folders for file in _files_of(folder)):
            os.utime(path)
    except OSError as error:
        raise OutputError(
            f"{error.filename} cannot get a new date ({error.strerror}), expected a file of yours, as {table} lists"
            " other groups than are there; change its permissions"
        ) from error


def list_groups(table: Path, folders: Iterable[Path]) -> None:
    """Write tables/groups.csv unless it lists these groups: each one's label and the checksum of its files.

    Raises:
        InputError: a file of a group cannot be read.
        OutputError: the list cannot be written.
    """
    rows = _rows_of(folders)
    if _listed(table) != rows:
        lines = (f"{label},{checksum}\n" for label, checksum in [("group", "sha256"), *rows])
        write_text(table, "".join(lines))


def _listed(table: Path) -> list[tuple[str, str]]:
    """Return the groups of a list; a missing or damaged one lists none."""
    with suppress(InputError, KeyError):
        return [(row["group"], row["sha256"]) for row in recorded_rows(table)]
    return []


def _rows_of(folders: Iterable[Path]) -> list[tuple[str, str]]:
    return [("/".join(folder.parts[-3:]), _sum_of(folder)) for folder in sorted(folders)]


def _sum_of(folder: Path) -> str:
    """Return what ``sha256sum * | sha256sum`` prints in the folder of a group that has no other files."""
    lines = ""
    for path in sorted(_files_of(folder)):
        with reading(path, "a file of a group as it was written", RESTORE):
            lines += f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    return hashlib.sha256(lines.encode()).hexdigest()


def _files_of(folder: Path) -> list[Path]:
    return [folder / name for name in GROUP_FILES if (folder / name).exists()]


def _drawings(study: Path) -> Iterator[Path]:
    """Yield the tables and figures of a study that are drawn from groups."""
    files = (path for folder in ("tables", "figures") for path in (study / folder).rglob("*") if path.is_file())
    yield from (path for path in files if "fitting" not in (path.stem, path.parent.name))
