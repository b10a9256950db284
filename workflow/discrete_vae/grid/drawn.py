"""Which groups the tables and figures of a study were drawn from.

Snakemake draws again what is older than its input. But a group from an archive or another machine keeps its old date,
and a group that was removed has none.
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from discrete_vae.errors import InputError, OutputError, reading
from discrete_vae.files import RESTORE
from discrete_vae.grid.groups import GROUP_FILES, recorded_rows


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


def date_anew(table: Path, folders: Iterable[Path]) -> None:
    """Give all files of the groups the present date unless the table lists the same groups, so that they are drawn.

    Args:
        table: tables/groups.csv of the study. A damaged one lists none. Without one, no date changes.
        folders: of the whole groups that are there.

    Raises:
        InputError: a file of a group cannot be read.
        OutputError: the date of a file cannot be set.
    """
    if not table.exists():
        return
    folders = sorted(folders)
    drawn: list[dict[str, str]] = []
    with suppress(InputError):
        drawn = recorded_rows(table)
    if sorted(drawn, key=str) == sorted(rows_of_groups(folders), key=str):
        return
    for path in (file for folder in folders for file in _files_of(folder)):
        try:
            os.utime(path)
        except OSError as error:
            raise OutputError(
                f"{path} cannot get a new date ({error.strerror}), expected a file of yours, as {table} lists other"
                " groups than are there; change its permissions"
            ) from error
