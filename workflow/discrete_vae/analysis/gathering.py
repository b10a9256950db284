"""Gather the runs of a group: summaries, histories, and the temperature selected for each noise law."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from discrete_vae.analysis.selection import select_temperatures
from discrete_vae.config.options import RESULT_SECTIONS
from discrete_vae.errors import InputError, reading
from discrete_vae.files import RESTORE, read_table, write_csv
from discrete_vae.grid.alike import check_alike
from discrete_vae.grid.cells import AXES, Cell

NESTED = ("law", *RESULT_SECTIONS)


def gather_group(folder: Path, run_folders: Sequence[Path]) -> None:
    """Write the tables of a group, in its folder, that come from its runs.

    Raises:
        InputError: runs that must not be compared.
    """
    runs = gather_summaries(run_folders)
    check_alike(runs.to_dict("records"))
    # The evaluation of a former selection is void. A kill from here on must not leave a group that looks whole.
    for name in ("bounds.csv", "models.pt"):
        (folder / name).unlink(missing_ok=True)
    write_csv(folder / "histories.csv.gz", gather_histories(run_folders, runs))
    write_csv(folder / "selection.csv", select_temperatures(runs))
    write_csv(folder / "summaries.csv", runs)


def gather_summaries(run_folders: Iterable[Path]) -> pd.DataFrame:
    """Read the summary.json of many runs: one row a cell; the options of the configuration become JSON texts.

    Raises:
        InputError: a damaged summary, or one in the folder of another cell, as in a copy.
    """
    rows = []
    for folder in run_folders:
        path = folder / "summary.json"
        with reading(path, "the summary of a run", RESTORE):
            row = json.loads(path.read_text(encoding="utf-8"))
            rows.append({**row, **{key: json.dumps(row[key]) for key in NESTED}})
            cell = Cell.of(row)
        if not folder.as_posix().endswith(cell.directory):
            raise InputError(f"{path} is of {cell}, expected the cell of its folder; move the folder out of runs/")
    return pd.DataFrame(rows)


def gather_histories(run_folders: Iterable[Path], runs: pd.DataFrame) -> pd.DataFrame:
    """Read the history.csv of many runs: one row for each cell and epoch, with the cell's coordinates first.

    ``runs`` are their summaries, in the same order.
    """
    histories = []
    for folder, run in zip(run_folders, runs.to_dict("records"), strict=True):
        # The cell's temperature takes the place of the annealed one.
        histories.append(read_table(folder / "history.csv").assign(**{axis: run[axis] for axis in AXES}))
    gathered = pd.concat(histories, ignore_index=True)
    return gathered[[*AXES, *gathered.columns.difference(AXES, sort=False)]]
