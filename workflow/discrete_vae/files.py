"""Outputs that are whole or absent: write beside, then rename."""

import errno
import gzip
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.errors import InputError, OutputError

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def scratch_file(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``, of this process alone, and remove what was written there in the end.

    The suffix stays that of ``path``, as savers choose a format by it.

    Raises:
        OutputError: the disk is full or the folder is read-only.
    """
    path = Path(path)
    temporary = path.with_name(f"{_beginning(path)}{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        yield temporary
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise OutputError(
            f"{path} cannot be written ({error}), expected a writable folder with space left;"
            " make room or change the permissions, then run the same command again"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files beside ``path`` whose process on this machine was killed."""
    for temporary in path.parent.glob(f"{_beginning(path)}*{path.suffix}"):
        process = temporary.name.removeprefix(_beginning(path)).removesuffix(path.suffix)
        if process.isdigit() and not _is_running(int(process)):
            temporary.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    """Return how the name of a temporary file begins; the number of its process follows, and the suffix."""
    return f".{path.stem}.{socket.gethostname()}-"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # as another user
    with suppress(OSError):  # only Linux has this file
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()  # a zombie writes no more
    return True


def check_writable(*folders: str) -> None:
    """Check that files can be made in some folders, where they exist, and in the current one.

    Raises:
        OutputError: one is read-only, or a link to a folder that does not exist.
    """
    for folder in (".", *folders):
        if Path(folder).is_symlink() and not Path(folder).exists():
            raise OutputError(
                f"{folder} is a link to {Path(folder).readlink()}, expected an existing folder; mount or make it, or"
                " remove the link"
            )
        if Path(folder).exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"the folder {Path(folder).resolve()} is read-only, expected one to write to;"
                " change its permissions or choose another with --directory"
            )


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it to ``path`` on success (see `scratch_file`).

    Two processes that write the same path do not mix: the last one's file stays.
    """
    with scratch_file(path) as temporary:
        yield temporary
        temporary.replace(path)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole; NaN is refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table whole as CSV, compressed where the path ends in .gz, with no date and no name inside."""
    content = table.to_csv(index=False).encode()
    write_bytes(path, gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


def read_tables(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read CSV files of the same columns into one table."""
    return pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz whole."""
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(paths: Iterable[Path | str]) -> dict[str, np.ndarray]:
    """Read the arrays of several .npz files into one mapping; arrays of one name must be equal.

    Raises:
        InputError: they differ, as files of two configurations may.
    """
    arrays: dict[str, np.ndarray] = {}
    for path in paths:
        with np.load(path) as file:
            for name, array in file.items():
                if not np.array_equal(arrays.setdefault(name, array), array, equal_nan=True):
                    raise InputError(
                        f"{path} has another array {name!r} than the files beside it, expected files of one"
                        " configuration; remove them to make them anew"
                    )
    return arrays
