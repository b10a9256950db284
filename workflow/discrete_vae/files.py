"""Outputs that are whole or absent: write beside, then rename."""

import errno
import fcntl
import gzip
import json
import os
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from discrete_vae.errors import OutputError, reading

CANNOT_WRITE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),  # no place for a file
)
NODE = f"{zlib.crc32(os.uname().nodename.encode()):08x}"  # of this machine; short, as names of files have a limit
WEEK = 7 * 24 * 3600  # seconds
RESTORE = "restore it, or remove its folder to make it again"


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it to ``path`` on success.

    It has the suffix of ``path``, as savers choose a format by it. Two processes do not mix: the last file stays.

    Raises:
        OutputError: the disk is full or the folder is read-only.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.part-{NODE}-{uuid.uuid4().hex[:16]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        with _open_locked(temporary) as file:
            yield temporary
            os.fsync(file.fileno())  # else a power cut may leave an empty file under the name
            temporary.replace(path)
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise OutputError(
            f"{path} cannot be written ({error}), expected a writable folder with space left; make room or change the"
            " permissions, then run the same command again"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _open_locked(path: Path) -> BinaryIO:
    """Open a new file and lock it. Before the lock another process may take it for abandoned: then open it again."""
    while True:
        file = path.open("wb")
        # The system drops the lock when the process ends, killed or not. Some file systems have no locks.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return file
        file.close()


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files beside ``path`` whose process was killed.

    On some file systems of clusters, the locks of one machine are not seen by another. Its files must be a week old.
    """
    for temporary in path.parent.glob(f".{path.stem}.part-*{path.suffix}"):
        with suppress(OSError), temporary.open("r+b") as file:
            is_here = temporary.name.startswith(f".{path.stem}.part-{NODE}-")
            if is_here or time.time() - temporary.stat().st_mtime > WEEK:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails if its process still runs
                temporary.unlink()


def check_writable(paths: Iterable[Path | str]) -> None:
    """Check the current folder and, for each file to write, the nearest folder that exists.

    Raises:
        OutputError: one is read-only, a file, or a link to a folder that does not exist.
    """
    parents = {Path(path).parent for path in paths}
    for folder in sorted({Path(), *map(_nearest_folder, parents)}):
        if not folder.is_dir():
            raise OutputError(f"{folder} is a file, expected a folder to write to; move the file")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"{folder.resolve()} is read-only, expected a folder to write to; change its permissions or choose"
                " another with --directory"
            )


def _nearest_folder(folder: Path) -> Path:
    while not folder.exists():
        if folder.is_symlink():
            raise OutputError(
                f"{folder} is a link to {folder.readlink()}, expected an existing folder; mount or make it, or remove"
                " the link"
            )
        folder = folder.parent
    return folder


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole. NaN is refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table whole as CSV. A path that ends in .gz is compressed: equal tables give equal bits."""
    content = table.to_csv(index=False).encode()
    write_bytes(path, gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a CSV file.

    Raises:
        InputError: a damaged file.
    """
    with reading(path, "a table as it was written", RESTORE):
        return pd.read_csv(path)


def read_tables(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read CSV files of the same columns into one table. Raises what `read_table` raises."""
    return pd.concat(map(read_table, paths), ignore_index=True)


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz whole."""
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(paths: Iterable[Path | str]) -> dict[str, np.ndarray]:
    """Read the arrays of several .npz files into one mapping.

    Raises:
        InputError: a damaged file.
    """
    arrays: dict[str, np.ndarray] = {}
    for path in paths:
        with reading(path, "arrays as they were written", RESTORE), np.load(path) as file:
            arrays.update(file)
    return arrays
