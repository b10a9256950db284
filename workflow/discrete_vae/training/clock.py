"""The clock of a training job: epochs, their wall time over all attempts, and the log of its progress."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

log = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 20


class Clock:
    """Counts the epochs of a job and their wall seconds. The time between two attempts does not count."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.epoch, self.seconds = epochs, 0, 0.0
        self._epoch_started = time.monotonic()
        # Epochs and seconds up to the first epoch that this attempt began itself; None until it begins.
        self._before: tuple[int, float] | None = (0, 0.0)
        self._reported = -math.inf

    def end_epoch(self) -> float:
        """Count an epoch and return its seconds."""
        seconds = time.monotonic() - self._epoch_started
        self._epoch_started += seconds
        self.epoch += 1
        self.seconds += seconds
        if self._before is None:
            self._before = self.epoch, self.seconds
        return seconds

    def report(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log mean losses, the speed of this attempt's whole epochs and the time left, every 20 seconds and at the end.

        Args:
            rows: of the epoch, from the runs that go on.
        """
        now = time.monotonic()
        epochs, seconds = self.epoch - self._before[0], self.seconds - self._before[1]
        is_due = now - self._reported > SECONDS_BETWEEN_REPORTS or self.epoch == self.epochs
        if not (rows and epochs and is_due):
            return
        self._reported = now
        rate = epochs / seconds
        log.info(
            "epoch %d/%d  %d%%  training %.2f  validation %.2f%s  %.3g epochs/s  %s left",
            self.epoch,
            self.epochs,
            100 * self.epoch // self.epochs,
            *(sum(row[f"{split}_loss"] for row in rows) / len(rows) for split in ("training", "validation")),
            f"  (means of {len(rows)} cells)" if len(rows) > 1 else "",
            rate,
            timedelta(seconds=round((self.epochs - self.epoch) / rate)),
        )

    def state(self) -> dict[str, float]:
        """Return what `restore` continues from."""
        seconds_of_epoch = time.monotonic() - self._epoch_started
        return {"epoch": self.epoch, "seconds": self.seconds, "seconds_of_epoch": seconds_of_epoch}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from a state."""
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self._before = None
        self._epoch_started = time.monotonic() - state["seconds_of_epoch"]
