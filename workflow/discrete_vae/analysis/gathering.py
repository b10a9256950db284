"""Gather the runs of a group: summaries, histories, and the temperature selected for each noise law."""

from collections.abc import Sequence
from pathlib import Path

from discrete_vae.analysis.selection import gather_histories, gather_summaries, select_temperatures
from discrete_vae.files import write_csv
from discrete_vae.grid.groups import check_alike


def gather_group(folder: Path, *, summaries: Sequence[str | Path], histories: Sequence[str | Path]) -> None:
    """Write the tables of a group that come from its runs.

    Args:
        folder: of the group.
        summaries, histories: summary.json and history.csv of its runs, in the same order.

    Raises:
        InputError: runs that must not be compared.
    """
    runs = gather_summaries(summaries)
    check_alike(runs.to_dict("records"))
    # The evaluation of a former selection is void. A kill from here on must not leave a group that looks whole.
    for name in ("bounds.csv", "models.pt"):
        (folder / name).unlink(missing_ok=True)
    write_csv(folder / "histories.csv.gz", gather_histories(histories, runs))
    write_csv(folder / "selection.csv", select_temperatures(runs))
    write_csv(folder / "summaries.csv", runs)
