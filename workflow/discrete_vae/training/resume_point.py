"""The resume point of a training job: a file that the job's next attempt continues from.

It lies outside the declared outputs, which Snakemake deletes when a job fails.
"""

import itertools
import logging
import pickle
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from discrete_vae.errors import OutputError
from discrete_vae.files import remove_abandoned
from discrete_vae.grid.cells import Cell
from discrete_vae.source import source_sum
from discrete_vae.training.device import kind_of
from discrete_vae.training.run_files import write_weights

log = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 180
UNREADABLE = (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError)
# Ctrl-C, a closed terminal, what schedulers send before a time limit or a preemption, and the end of a set time.
SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM)


def heeded_signals() -> list[int]:
    """List the signals that ask a job to end. Under nohup a closed terminal is ignored, and stays so."""
    ignored = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else []
    return [number for number in SIGNALS if number not in ignored]


def identity_of(
    cells: Sequence[Cell],
    *,
    laws: Mapping[str, Any],
    data_sha256: str,
    device: torch.device,
    options: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return everything that determines the bits of a training. A resume point of other values is not used.

    ``laws`` and ``options`` are as JSON has them.
    """
    return {
        "cells": [cell.coordinates() for cell in cells],
        "laws": dict(laws),
        "data_sha256": data_sha256,
        "device": kind_of(device),
        "torch": str(torch.__version__),
        "source": source_sum(),
        **options,
    }


def begun_cells(path: Path) -> list[Cell]:
    """List the cells whose training a resume point continues, none where there is no file or a torn one."""
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu", mmap=True)  # without reading the weights
        return [Cell.of(cell) for cell in saved["identity"]["cells"]]
    except UNREADABLE:
        return []


class ResumePoint:
    """The resume point of one training job. As a context, it holds back signals that ask the job to end.

    Args:
        path: its file.
        identity: see `identity_of`; only a state with an equal one is continued.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path, self.identity = path, dict(identity)
        self._saved_at = time.monotonic()
        self.asked_to_end: int | None = None  # the number of a signal that came
        self._former_handlers: dict[int, Any] = {}

    def __enter__(self) -> "ResumePoint":
        self._former_handlers = {number: signal.signal(number, self._note) for number in heeded_signals()}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former_handlers.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_end = number

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None. A torn file, or one of another identity, is set aside with a warning."""
        try:
            saved = torch.load(self.path, weights_only=True, map_location="cpu")
            differing = sorted(key for key in self.identity if saved["identity"].get(key) != self.identity[key])
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            self._set_aside(f"it cannot be read ({' '.join(str(error).split())[:200]})")
            return None
        if differing:
            self._set_aside(f"it differs in {', '.join(differing)}")
            return None
        log.info("continuing from %s", self.path)
        return saved["state"]

    def _set_aside(self, reason: str) -> None:
        names = (f"{self.path.name}.{number}.unused" for number in itertools.count(1))
        aside = next(path for name in names if not (path := self.path.with_name(name)).exists())
        self.path.replace(aside)
        log.warning("%s is not used, as %s; it is now %s and training starts again", self.path, reason, aside.name)

    def is_due(self) -> bool:
        """Whether to save now: a signal came, or the last save is three minutes ago."""
        return self.asked_to_end is not None or time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES

    def save(self, state: Mapping[str, Any]) -> None:
        """Save a state, then end the job if a signal asked for it. A full disk only logs a warning.

        Raises:
            SystemExit: after a signal, with 128 plus its number, as a shell reports it.
        """
        try:
            write_weights(self.path, {"identity": self.identity, "state": state})
        except OutputError as error:
            log.warning("%s; the training goes on", error)
        else:
            log.info("saved %s", self.path)
        self._saved_at = time.monotonic()
        if self.asked_to_end is not None:
            log.warning("ending on %s", signal.Signals(self.asked_to_end).name)
            raise SystemExit(128 + self.asked_to_end)

    def finish(self) -> None:
        """Remove the file: the job's outputs are whole."""
        self.path.unlink(missing_ok=True)
        remove_abandoned(self.path)
