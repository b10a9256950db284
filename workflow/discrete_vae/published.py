"""Published values to set beside ours: a CSV file with the columns dataset, K, perturbation, measure and nats."""

import csv
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from discrete_vae.errors import InputError
from discrete_vae.measures import MEASURES

COLUMNS = ("dataset", "K", "perturbation", "measure", "nats")


def read_published(path: str | Path, datasets: Collection[str], perturbations: Collection[str]) -> list[dict[str, Any]]:
    """Read a file of published values.

    Args:
        path: of the file.
        datasets, perturbations: the names that are defined; a value of another one would silently stay out of the
            table.

    Returns:
        One mapping a row, of dataset, K, perturbation, measure (a name in MEASURES) and nats per image.

    Raises:
        InputError: no such file, other columns, a value that cannot be what its column says, or one given twice.
    """
    if not Path(path).is_file():
        raise InputError(f"published is {str(path)!r}, expected an existing CSV file or null; correct the path")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # spreadsheets put a byte order mark first
    except UnicodeDecodeError as error:
        raise InputError(
            f"published: {path} is not UTF-8 text ({error}), expected a CSV file; save it as UTF-8"
        ) from None
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(
            f"published: {path} has the columns {', '.join(reader.fieldnames or ['none'])}, expected"
            f" {', '.join(COLUMNS)}; correct its first line"
        )
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in reader:
        where = f"published: {path}, line {reader.line_num}"
        if None in line:
            raise InputError(
                f"{where} has {len(COLUMNS) + len(line[None])} values, expected {len(COLUMNS)}; write numbers with a"
                " decimal point"
            )
        row = _parsed(line, where, datasets, perturbations)
        place = tuple(row[column] for column in COLUMNS[:-1])
        if place in rows:
            raise InputError(
                f"{where} has {', '.join(map(str, place))} again, expected it once; remove one of the lines"
            )
        rows[place] = row
    if not rows:
        raise InputError(f"published: {path} has no values, expected one a line; add them or set published to null")
    return list(rows.values())


def _parsed(
    row: Mapping[str, str | None], where: str, datasets: Collection[str], perturbations: Collection[str]
) -> dict[str, Any]:
    K = row["K"] or ""
    if not K.isdecimal():
        raise InputError(f"{where} has K {K!r}, expected a whole number; correct it")
    names = {"dataset": datasets, "perturbation": perturbations, "measure": MEASURES.values()}
    for column, known in names.items():
        if row[column] not in known:
            raise InputError(f"{where} has {column} {row[column]!r}, expected one of {', '.join(known)}; correct it")
    try:
        nats = float(row["nats"])
    except (TypeError, ValueError):
        nats = math.nan
    if not math.isfinite(nats):
        raise InputError(f"{where} has nats {row['nats']!r}, expected a finite number; correct it")
    return {**row, "K": int(K), "nats": nats}
