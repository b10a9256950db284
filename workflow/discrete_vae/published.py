"""Published values to set beside ours: a CSV file with the columns dataset, K, perturbation, measure and nats."""

import csv
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from discrete_vae.errors import InputError
from discrete_vae.measures import MEASURES

COLUMNS = ("dataset", "K", "perturbation", "measure", "nats")


def read_published(path: str | Path, perturbations: Collection[str]) -> list[dict[str, Any]]:
    """Read a file of published values.

    Args:
        path: of the file.
        perturbations: the names that are defined; a value of another one would silently stay out of the table.

    Returns:
        One mapping a row, of dataset, K, perturbation, measure (a name in MEASURES) and nats per image.

    Raises:
        InputError: no such file, other columns, or a value that cannot be what its column says.
    """
    if not Path(path).is_file():
        raise InputError(f"published is {str(path)!r}, expected an existing CSV file or null; correct the path")
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(
                f"published: {path} has the columns {', '.join(reader.fieldnames or ['none'])}, expected"
                f" {', '.join(COLUMNS)}; correct its first line"
            )
        return [_parsed(row, f"published: {path}, line {reader.line_num}", perturbations) for row in reader]


def _parsed(row: dict[str, str], where: str, perturbations: Collection[str]) -> dict[str, Any]:
    if not row["K"].isdigit():
        raise InputError(f"{where} has K {row['K']!r}, expected a whole number; correct it")
    for column, known in (("perturbation", perturbations), ("measure", MEASURES.values())):
        if row[column] not in known:
            raise InputError(f"{where} has {column} {row[column]!r}, expected one of {', '.join(known)}; correct it")
    try:
        nats = float(row["nats"])
    except (TypeError, ValueError):
        nats = math.nan
    if not math.isfinite(nats):
        raise InputError(f"{where} has nats {row['nats']!r}, expected a finite number; correct it")
    return {**row, "K": int(row["K"]), "nats": nats}
