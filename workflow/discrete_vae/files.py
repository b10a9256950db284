"""Outputs that are whole or absent: write beside, then rename."""

import errno
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.errors import OutputError

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def scratch_file(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``, of this process alone, and remove what was written there in the end.

    The suffix stays that of ``path``, as savers choose a format by it.

    Raises:
        OutputError: the disk is full or the folder is read-only.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{socket.gethostname()}-{os.getpid()}{path.suffix}")
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
    for temporary in path.parent.glob(f".{path.stem}.{socket.gethostname()}-*{path.suffix}"):
        process = temporary.stem.rpartition("-")[2]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            temporary.unlink(missing_ok=True)
        except PermissionError:
            pass  # it runs, as another user


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
    """Write a table whole as CSV, compressed (with no date inside) where the path ends in .gz."""
    compression = {"method": "gzip", "mtime": 0} if str(path).endswith(".gz") else None
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, compression=compression)


def write_arrays(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz whole."""
    with written_whole(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_arrays(paths: Iterable[Path | str]) -> dict[str, np.ndarray]:
    """Read the arrays of several .npz files, whose names differ, into one mapping."""
    arrays = {}
    for path in paths:
        with np.load(path) as file:
            arrays.update(file)
    return arrays
