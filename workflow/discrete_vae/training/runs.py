"""The runs of a stack as they grow: histories, and the weights of each cell's best epoch."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from discrete_vae.grid.cells import Cell
from discrete_vae.model.network import Weights

log = logging.getLogger(__name__)

KEPT = ("history", "best_epoch", "diverged_epoch", "stopped_early")
Row = dict[str, float | int]


@dataclass
class Run:
    """What the training of a cell gave.

    Attributes:
        cell: the cell.
        history: one row an epoch: its number from 1; training and validation loss, each with its reconstruction and KL
            part, in nats per image; the temperature at its end; wall seconds of the job.
        best_epoch: number of the epoch with the lowest validation loss; 0 if none was finite.
        diverged_epoch: the epoch at which a loss stopped being finite, or None.
        stopped_early: whether the validation loss had not fallen for ``training: patience`` epochs.
        weights: of the best epoch.
        final: validation losses of those weights with the samples that select, and the KL of their codes; empty where
            the run diverged.
        seconds: wall time of the epochs of the job, over all its attempts.
    """

    cell: Cell
    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    diverged_epoch: int | None = None
    stopped_early: bool = False
    weights: Weights = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether the cell trains no more, though others of its stack may."""
        return self.diverged_epoch is not None or self.stopped_early

    def add(self, row: Row, patience: int | None) -> bool:
        """Append an epoch to the history, and return whether it is the best so far."""
        epoch = row["epoch"]
        lowest = self.history[self.best_epoch - 1]["validation_loss"] if self.best_epoch else math.inf
        self.history.append(row)
        if not math.isfinite(row["training_loss"] + row["validation_loss"]):
            self.diverged_epoch = epoch
            log.warning("%s diverged in epoch %d", self.cell, epoch)
        elif row["validation_loss"] < lowest:
            self.best_epoch = epoch
        elif patience and epoch - self.best_epoch >= patience:
            self.stopped_early = True
            log.info("%s stopped after epoch %d: its best is epoch %d", self.cell, epoch, self.best_epoch)
        return self.best_epoch == epoch


class BestWeights:
    """The runs of a stack, and the weights of each run's best epoch.

    A run ends after ``patience`` epochs without a lower validation loss. At first the initial weights are kept.
    """

    def __init__(self, cells: Sequence[Cell], weights: Weights, *, patience: int | None) -> None:
        self.runs = [Run(cell) for cell in cells]
        self.weights = {name: values.clone() for name, values in weights.items()}
        self.patience = patience

    @property
    def going_on(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self.runs if not run.has_ended]

    def add(self, rows: Sequence[Row], weights: Weights) -> None:
        """Add an epoch to each run that has not ended, and keep the weights of those that improved."""
        members = enumerate(zip(self.runs, rows, strict=True))
        improved = [member for member, (run, row) in members if not run.has_ended and run.add(row, self.patience)]
        device = next(iter(weights.values())).device
        index = torch.tensor(improved, dtype=torch.int64, device=device)
        for name, values in self.weights.items():
            values[index] = weights[name][index]

    def state(self) -> dict[str, Any]:
        """Return what `restore` continues from."""
        return {"runs": [{name: getattr(run, name) for name in KEPT} for run in self.runs], "weights": self.weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self.runs = [Run(run.cell, **saved) for run, saved in zip(self.runs, state["runs"], strict=True)]
        for name, values in self.weights.items():
            values.copy_(state["weights"][name])
