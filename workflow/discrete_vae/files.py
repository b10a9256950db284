"""Outputs that are whole or absent: write beside, then rename."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it to ``path`` on success, remove it otherwise.

    The suffix stays that of ``path``, as savers choose a format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
