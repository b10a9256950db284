"""What the runs of a dataset, or of a noise law, must have in common, so that they can be compared."""

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from discrete_vae.config.options import RESULT_SECTIONS, completed
from discrete_vae.errors import InputError, reading
from discrete_vae.grid.cells import Cell

UPDATE = "update the project, or restore their summaries.csv"
# Columns of summaries.csv and bounds.csv. Each has one value for all runs of a dataset, or of a noise law.
ALIKE = {
    "data_sha256": "dataset",
    "law": "perturbation",
    "model": "dataset",
    "training": "dataset",
    "evaluation": "dataset",
    "samples": "dataset",
}


def option_rows(
    cells: Iterable[Cell], *, laws: Mapping[str, Mapping[str, Any]], options: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the options of some cells as rows of summaries.csv and bounds.csv, one for each dataset and noise law.

    ``laws`` are definitions by name; ``options`` are, for each dataset, what determines a result, by column. Values
    become JSON texts.
    """
    rows = []
    for cell in {(cell.dataset, cell.perturbation): cell for cell in cells}.values():
        columns = {"law": laws[cell.perturbation], **options[cell.dataset]}
        rows.append({**cell.coordinates(), **{column: json.dumps(values) for column, values in columns.items()}})
    return rows


def check_alike(rows: Iterable[Mapping[str, Any]]) -> None:
    """Check that rows of summaries.csv or bounds.csv are of equal images, noise laws, options and numbers of samples.

    An option that did not exist when a run was made counts as its default.

    Raises:
        InputError: two runs of one dataset that differ, or two noise laws of one name.
    """
    first: dict[tuple[str, str], tuple[str, Cell]] = {}
    for row in rows:
        for column, axis in ALIKE.items():
            if column not in row:
                continue
            value, cell = first.setdefault((column, row[axis]), (row[column], Cell.of(row)))
            if value == row[column]:
                continue
            with reading(f"{column} of {cell.group} or {Cell.of(row).group}", "options of this version", UPDATE):
                expected, given = _options(column, value), _options(column, row[column])
            for key in {**expected, **given}:
                if expected.get(key) != given.get(key):
                    raise InputError(
                        f"groups of {row[axis]} have {key} {expected.get(key)} ({cell.group}) and {given.get(key)}"
                        f" ({Cell.of(row).group}), expected the same; use another study for one of them"
                    )


@functools.cache
def _options(column: str, text: str) -> dict[str, Any]:
    """Return what a column of a run's summary says, by option."""
    if not text.startswith("{"):
        return {column: text}
    values = json.loads(text)
    options = completed(column, values) if column in RESULT_SECTIONS else values
    return {f"{column}.{key}": value for key, value in options.items()}
