"""The reverse of gathering: the files of published runs from the gathered tables, all but the weights."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pandas as pd

from discrete_vae.cells import AXES, Cell, cell_file
from discrete_vae.consistency import difference_from_configuration, summary_of
from discrete_vae.errors import InputError
from discrete_vae.files import write_csv, write_json


def unpack_runs(
    cells: Set[Cell],
    directory: Path,
    runs: pd.DataFrame,
    histories: pd.DataFrame,
    *,
    config: Mapping[str, Any],
    data_sha256: str,
) -> int:
    """Write history.csv and summary.json of those cells of a dataset that were run and have none.

    Args:
        cells: of the grid; the runs of others are left out.
        directory: where the pipeline's files are.
        runs: what `selection.gather_summaries` returned.
        histories: what `selection.gather_histories` returned.
        config: the complete configuration.
        data_sha256: sum of the images that are there.

    Returns:
        The number of runs written.

    Raises:
        InputError: a run that is of other images or other options, before anything is written.
    """
    summaries = {cell: summary_of(row) for row in runs.to_dict("records") if (cell := Cell.of(row)) in cells}
    for cell, summary in summaries.items():
        if difference := difference_from_configuration(summary, config, data_sha256=data_sha256):
            raise InputError(
                f"the published run {cell} has {difference}; unpack it with the configuration that it was made with"
            )
    by_cell = {Cell.of(rows.iloc[0]): rows.drop(columns=list(AXES)) for _, rows in histories.groupby(list(AXES))}
    missing = {
        cell: summary
        for cell, summary in summaries.items()
        if not (directory / cell_file(cell, "summary.json")).exists()
    }
    for cell, summary in missing.items():
        write_csv(directory / cell_file(cell, "history.csv"), by_cell[cell])
        write_json(directory / cell_file(cell, "summary.json"), summary)
    return len(missing)
