"""How far the trainings of a command are: what it plans, and a line after each training."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from discrete_vae.errors import InputError, OutputError
from discrete_vae.files import write_json
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.groups import by_group, is_finished, is_whole

PLANNED = "planned.json"  # in the logs of a study


def record_plan(logs: Path, planned: Iterable[Mapping[str, Any]]) -> None:
    """Record when a command begins, and the coordinates of the cells that it trains."""
    with suppress(OutputError):  # a full disk is no reason to fail
        write_json(logs / PLANNED, {"began": time.time(), "cells": list(planned)})


def announce_progress(study: Path, asked: Sequence[Cell], *, log: Path) -> None:
    """Tell how many cells are finished, on the terminal and in a line of logs/{study}/progress.txt.

    Args:
        study: its folder.
        asked: the cells of the grid, which count where no plan is recorded, as in a module.
        log: of the job, such as logs/{study}/train_cells/{name}.
    """
    cells, seconds = asked, None
    with suppress(OSError, ValueError, KeyError, TypeError):
        plan = json.loads((log.parents[1] / PLANNED).read_text(encoding="utf-8"))
        cells, seconds = [Cell.of(coordinates) for coordinates in plan["cells"]], time.time() - plan["began"]
    try:
        finished = _finished(study, cells)
    except InputError:  # another group's files are being copied: no reason to fail a finished training
        return
    line = f"{datetime.now():%Y-%m-%d %H:%M:%S} cells finished: {finished} of {len(cells)}"
    if seconds and 0 < finished < len(cells):
        left = timedelta(seconds=round((len(cells) - finished) * seconds / finished))
        line += f", {_rounded(3600 * finished / seconds)} an hour, {left} left"
    # A full disk or a closed terminal is no reason to fail.
    with suppress(OSError):
        print(line, file=sys.stderr)
    with suppress(OSError), (log.parents[1] / "progress.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _rounded(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _finished(study: Path, asked: Iterable[Cell]) -> int:
    finished = 0
    for group, cells in by_group(asked).items():
        finished += len(cells) if is_whole(study, group, cells) else sum(is_finished(study, cell) for cell in cells)
    return finished
