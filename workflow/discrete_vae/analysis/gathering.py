"""Gather the runs of a group: summaries, histories, and the temperature selected for each noise law."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from discrete_vae.analysis.selection import select_temperatures
from discrete_vae.files import read_table, write_csv
from discrete_vae.grid.alike import check_alike
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.groups import recorded_runs


def gather_group(folder: Path, run_folders: Sequence[Path]) -> None:
    """Write the tables of a group, in its folder, that come from its runs.

    Raises:
        InputError: runs that must not be compared.
    """
    rows = recorded_runs(run_folders)
    check_alike(rows)
    runs = pd.DataFrame(rows)
    # The evaluation of a former selection is void. A kill from here on must not leave a group that looks whole.
    for name in ("bounds.csv", "models.pt"):
        (folder / name).unlink(missing_ok=True)
    write_csv(folder / "histories.csv.gz", gather_histories(run_folders, runs))
    write_csv(folder / "selection.csv", select_temperatures(runs))
    write_csv(folder / "summaries.csv", runs)


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
