"""The reverse of gathering: the files of published runs from the gathered tables, all but the weights."""

import json
import math
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pandas as pd

from discrete_vae.cells import AXES, Cell, cell_file
from discrete_vae.configuration import with_defaults
from discrete_vae.errors import InputError
from discrete_vae.files import write_csv, write_json
from discrete_vae.selection import NESTED


def unpack_runs(
    cells: Set[Cell],
    runs: pd.DataFrame,
    histories: pd.DataFrame,
    *,
    data_sha256: str,
    perturbations: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Mapping[str, Any]],
) -> int:
    """Write history.csv and summary.json of those cells of a dataset that were run and have none.

    Args:
        cells: of the grid; the runs of others are left out.
        runs: what `selection.gather_summaries` returned.
        histories: what `selection.gather_histories` returned.
        data_sha256: sum of the images that are there.
        perturbations: the definitions of the noise laws.
        options: the sections ``model``, ``training`` and ``evaluation``, as far as they determine the result.

    Returns:
        The number of runs written.

    Raises:
        InputError: a run that is of other images or other options, before anything is written.
    """
    summaries = {cell: _summary(row) for row in runs.to_dict("records") if (cell := Cell.of(row)) in cells}
    for cell, summary in summaries.items():
        expected = {"data_sha256": data_sha256, "law": perturbations[cell.perturbation], **options}
        # A run of before an option was introduced is one with its default.
        published = _flat({**summary, "training": with_defaults("training", summary["training"])})
        for key, configured in _flat(expected).items():
            if published.get(key) != configured:
                raise InputError(
                    f"the published run {cell} has {key} {published.get(key)!r}, expected {configured!r} as configured;"
                    " unpack it with the configuration that it was made with"
                )
    by_cell = {Cell.of(rows.iloc[0]): rows.drop(columns=list(AXES)) for _, rows in histories.groupby(list(AXES))}
    missing = {
        cell: summary for cell, summary in summaries.items() if not Path(cell_file(cell, "summary.json")).exists()
    }
    for cell, summary in missing.items():
        write_csv(cell_file(cell, "history.csv"), by_cell[cell])
        write_json(cell_file(cell, "summary.json"), summary)
    return len(missing)


def _summary(row: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
    return known | {key: json.loads(known[key]) for key in NESTED}


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the options in a record's sections as ``training.epochs``."""
    flat = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{option}": setting for option, setting in value.items()}
        else:
            flat[key] = value
    return flat
