"""Train a stack of cells on shared minibatches, and keep each cell's best epoch."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch

from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell
from discrete_vae.model.network import Parameters, unstack
from discrete_vae.training.resume_point import Checkpoint
from discrete_vae.training.stack import StackTrainer

log = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 20

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
        parameters: the weights of the best epoch.
        final: validation losses of those weights with the samples that select, empty where the run diverged.
        seconds: wall time of the epochs of the job, over all its attempts.
    """

    cell: Cell
    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    diverged_epoch: int | None = None
    stopped_early: bool = False
    parameters: Parameters = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def lowest_validation_loss(self) -> float:
        """Validation loss of the best epoch so far; infinite before the first."""
        return self.history[self.best_epoch - 1]["validation_loss"] if self.best_epoch else math.inf

    @property
    def has_ended(self) -> bool:
        """Whether the cell trains no more, though others of its stack may."""
        return self.diverged_epoch is not None or self.stopped_early


def choose_device(name: str) -> torch.device:
    """Return the device that ``training: device`` names; ``auto`` is a GPU where there is one.

    Raises:
        InputError: ``cuda`` without a GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is 'cuda', expected a GPU and none is visible; set it to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def train(
    cells: Sequence[Cell],
    dataset: BinarizedDataset,
    *,
    perturbations: Mapping[str, Mapping[str, Any]],
    model: Mapping[str, int],
    training: Mapping[str, Any],
    evaluation: Mapping[str, int],
    device: torch.device,
    checkpoint: Checkpoint | None = None,
) -> list[Run]:
    """Train the cells of one job side by side; they share their dataset and K.

    Args:
        cells: the stack.
        dataset: their images.
        perturbations, model, training, evaluation: sections of the configuration.
        device: where to train.
        checkpoint: where to continue from and to save to. A continued training ends in the bits of an undisturbed one.

    Returns:
        One run for each cell, in their order.
    """
    trainer = StackTrainer(cells, dataset, perturbations, model, training, device)
    progress = _Progress.start(cells, trainer)
    saved = checkpoint.load() if checkpoint else None
    if saved:
        trainer.restore(saved["trainer"])
        progress.restore(saved["progress"])
    del saved  # as large as the trainer

    def save_if_due() -> None:
        if checkpoint and checkpoint.is_due():
            checkpoint.save({"trainer": trainer.state(), "progress": progress.state()})

    while progress.epoch < training["epochs"] and not progress.all_ended():
        while trainer.step():
            save_if_due()
        validation_parts = trainer.evaluate(trainer.parameters, evaluation["validation_samples"], "validation")
        progress.end_epoch(trainer, trainer.end_epoch(), validation_parts, patience=training["patience"])
        progress.report(training["epochs"])
        save_if_due()
    return progress.finished_runs(trainer, evaluation["selection_samples"])


@dataclass
class _Progress:
    """What has been reached so far: the runs, the best weights, and the clock."""

    runs: list[Run]
    best: Parameters
    epoch_started: float
    epoch: int = 0
    elapsed: float = 0.0
    restored_epoch: int = 0
    restored_elapsed: float = 0.0
    reported: float = -math.inf

    @classmethod
    def start(cls, cells: Sequence[Cell], trainer: StackTrainer) -> "_Progress":
        best = {name: values.clone() for name, values in trainer.parameters.items()}
        return cls([Run(cell) for cell in cells], best, time.monotonic())

    def state(self) -> dict[str, Any]:
        kept = ("history", "best_epoch", "diverged_epoch", "stopped_early")
        return {
            "runs": [{name: getattr(run, name) for name in kept} for run in self.runs],
            "best": self.best,
            "epoch": self.epoch,
            "elapsed": self.elapsed,
            "seconds_of_epoch": time.monotonic() - self.epoch_started,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.runs = [Run(run.cell, **saved) for run, saved in zip(self.runs, state["runs"], strict=True)]
        for name, values in self.best.items():
            values.copy_(state["best"][name])
        self.epoch, self.elapsed = state["epoch"], state["elapsed"]
        self.restored_epoch, self.restored_elapsed = self.epoch, self.elapsed
        self.epoch_started = time.monotonic() - state["seconds_of_epoch"]

    def all_ended(self) -> bool:
        return all(run.has_ended for run in self.runs)

    def end_epoch(
        self,
        trainer: StackTrainer,
        training_parts: tuple[list[float], list[float]],
        validation_parts: tuple[list[float], list[float]],
        *,
        patience: int | None,
    ) -> None:
        """Append to the histories, keep the weights of the models that improved, and note those that ended."""
        self.epoch += 1
        seconds = time.monotonic() - self.epoch_started
        self.epoch_started += seconds
        self.elapsed += seconds
        improved, temperatures = [], trainer.temperatures
        for member, run in enumerate(self.runs):
            if run.has_ended:
                continue
            row = {
                "epoch": self.epoch,
                **_losses("training", training_parts, member),
                **_losses("validation", validation_parts, member),
                "temperature": temperatures[member],
                "seconds": round(seconds, 4),
            }
            if not math.isfinite(row["training_loss"] + row["validation_loss"]):
                run.diverged_epoch = self.epoch
                log.warning("%s diverged in epoch %d", run.cell, self.epoch)
            elif row["validation_loss"] < run.lowest_validation_loss:
                run.best_epoch = self.epoch
                improved.append(member)
            elif patience and self.epoch - run.best_epoch >= patience:
                run.stopped_early = True
                log.info("%s stopped after epoch %d: its best is epoch %d", run.cell, self.epoch, run.best_epoch)
            run.history.append(row)
        members = torch.tensor(improved, dtype=torch.int64, device=trainer.device)
        for name, values in trainer.parameters.items():
            self.best[name][members] = values[members]

    def report(self, epochs: int) -> None:
        """Log the epoch, the losses, the speed of this attempt and the time left, every now and then."""
        rows = [run.history[-1] for run in self.runs if not run.has_ended]
        due = time.monotonic() - self.reported > SECONDS_BETWEEN_REPORTS or self.epoch == epochs
        if not rows or not due:
            return
        self.reported = time.monotonic()
        rate = (self.epoch - self.restored_epoch) / (self.elapsed - self.restored_elapsed)
        training, validation = (
            sum(row[f"{split}_loss"] for row in rows) / len(rows) for split in ("training", "validation")
        )
        log.info(
            "epoch %d/%d  %d%%  training %.2f  validation %.2f%s  %.3g epochs/s  %s left",
            self.epoch,
            epochs,
            100 * self.epoch // epochs,
            training,
            validation,
            f"  (means of {len(rows)} cells)" if len(self.runs) > 1 else "",
            rate,
            timedelta(seconds=round((epochs - self.epoch) / rate)),
        )

    def finished_runs(self, trainer: StackTrainer, samples: int) -> list[Run]:
        """Evaluate the best weights once more on the validation set and hand over the runs."""
        parts = trainer.evaluate(self.best, samples, "final validation")
        for member, run in enumerate(self.runs):
            run.parameters = unstack(self.best, member)
            run.seconds = self.elapsed
            if run.diverged_epoch is None:
                run.final = _losses("validation", parts, member)
        return self.runs


def _losses(split: str, parts: tuple[list[float], list[float]], member: int) -> dict[str, float]:
    reconstruction, kl = parts[0][member], parts[1][member]
    return {f"{split}_loss": reconstruction + kl, f"{split}_reconstruction": reconstruction, f"{split}_kl": kl}
