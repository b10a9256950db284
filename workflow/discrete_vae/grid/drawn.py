"""Which groups the tables and figures of a study were drawn from.

Snakemake draws again what is older than its input. But a group from an archive or another machine keeps its old date,
and a group that was removed has none.
"""

import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from discrete_vae.errors import InputError, OutputError, reading
from discrete_vae.files import RESTORE
from discrete_vae.grid.groups import GROUP_FILES, recorded_rows

OUTDATED = 1  # the date of an outdated list, in seconds since 1970


def rows_of_groups(folders: Iterable[Path]) -> list[dict[str, str]]:
    """Return the rows of tables/groups.csv: each group's label and the checksum of its files, given its folder.

    Raises:
        InputError: a file cannot be read.
    """
    return [{"group": "/".join(folder.parts[-3:]), "sha256": _sum_of(folder)} for folder in folders]


def _sum_of(folder: Path) -> str:
    """Return what ``sha256sum * | sha256sum`` prints in the folder of a group that has no other files."""
    lines = ""
    for path in sorted(_files_of(folder)):
        with reading(path, "a file of a group as it was written", RESTORE):
            lines += f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    return hashlib.sha256(lines.encode()).hexdigest()


def _files_of(folder: Path) -> list[Path]:
    return [folder / name for name in GROUP_FILES if (folder / name).exists()]


def outdate_drawings(study: Path, folders: Collection[Path]) -> None:
    """Let Snakemake draw everything again unless tables/groups.csv lists the groups that are there.

    The files of the groups get the present date. The list gets the oldest one, by which it stays outdated until it is
    written again, even if the groups of before come back. A study without a list and results was not drawn as a whole:
    nothing is done.

    Args:
        study: its folder.
        folders: of the whole groups that are there.

    Raises:
        InputError: a file of a group cannot be read.
        OutputError: the date of a file cannot be set.
    """
    table, results = study / "tables/groups.csv", study / "tables/results.csv"
    if not (table.exists() or results.exists()) or _is_current(table, folders):
        return
    try:
        if table.exists():
            os.utime(table, (OUTDATED, OUTDATED))
        for path in (file for folder in folders for file in _files_of(folder)):
            os.utime(path)
    except OSError as error:
        raise OutputError(
            f"{error.filename} cannot get a new date ({error.strerror}), expected a file of yours, as {table} lists"
            " other groups than are there; change its permissions"
        ) from error


def _is_current(table: Path, folders: Iterable[Path]) -> bool:
    """Tell whether a list of groups is of those that are there. A missing or damaged one lists none."""
    listed: list[dict[str, str]] = []
    with suppress(InputError):
        listed = recorded_rows(table)
    outdated = table.exists() and table.stat().st_mtime == OUTDATED
    return not outdated and sorted(listed, key=str) == sorted(rows_of_groups(folders), key=str)
