"""Train a stack of cells on shared minibatches, and keep each cell's best epoch."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from discrete_vae.cells import Cell
from discrete_vae.datasets import BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.evaluation import discrete_loss
from discrete_vae.generators import generator
from discrete_vae.model import Architecture, Parameters, initial_parameters, loss_and_gradient, stack, unstack
from discrete_vae.perturbations import NoiseSource, distribution

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
        parameters: the weights of the best epoch.
        final: losses of those weights on the validation and the test set with the full count of samples, empty where
            the run diverged.
    """

    cell: Cell
    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    diverged_epoch: int | None = None
    parameters: Parameters = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)

    @property
    def lowest_validation_loss(self) -> float:
        """Validation loss of the best epoch so far; infinite before the first."""
        return self.history[self.best_epoch - 1]["validation_loss"] if self.best_epoch else math.inf


def choose_device(name: str) -> torch.device:
    """Return the device that ``training: device`` names; ``auto`` is a GPU where there is one.

    Raises:
        InputError: ``cuda`` without a GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is 'cuda', expected a GPU and none is visible; set it to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def annealed_temperature(temperature: float, step: int, annealing: Mapping[str, float] | None) -> float:
    """Return the temperature at an optimization step, counted from 0.

    Constant without annealing; otherwise max(temperature * exp(-rate * step), minimum), held for ``interval`` steps
    (the schedule of Jang et al., arXiv 1611.01144, as in the study's script).
    """
    if annealing is None:
        return temperature
    held_step = step - step % annealing["interval"]
    return max(temperature * math.exp(-annealing["rate"] * held_step), annealing["minimum"])


def train(
    cells: Sequence[Cell],
    dataset: BinarizedDataset,
    *,
    perturbations: Mapping[str, Mapping[str, Any]],
    model: Mapping[str, int],
    training: Mapping[str, Any],
    evaluation: Mapping[str, int],
    device: torch.device,
) -> list[Run]:
    """Train the cells of one job side by side; they share their dataset and K.

    Args:
        cells: the stack.
        dataset: their images.
        perturbations, model, training, evaluation: sections of the configuration.
        device: where to train.

    Returns:
        One run for each cell, in their order.
    """
    trainer = _StackTrainer(cells, dataset, perturbations, model, training, device)
    runs = [Run(cell) for cell in cells]
    best = {name: values.clone() for name, values in trainer.parameters.items()}
    reported = started = time.monotonic()
    for epoch in range(1, training["epochs"] + 1):
        epoch_started = time.monotonic()
        training_parts = trainer.train_epoch()
        validation_parts = trainer.evaluate(
            trainer.parameters, "validation", evaluation["validation_samples"], "validation"
        )
        seconds = time.monotonic() - epoch_started
        improved = []
        for member, run in enumerate(runs):
            if run.diverged_epoch is not None:
                continue
            row = _row(epoch, training_parts, validation_parts, trainer.temperatures, member, seconds)
            run.history.append(row)
            if not math.isfinite(row["training_loss"] + row["validation_loss"]):
                run.diverged_epoch = epoch
                log.warning("%s diverged in epoch %d", run.cell, epoch)
            elif row["validation_loss"] < run.lowest_validation_loss:
                run.best_epoch = epoch
                improved.append(member)
        for name, values in trainer.parameters.items():
            best[name][improved] = values[improved]
        if all(run.diverged_epoch is not None for run in runs):
            break
        if time.monotonic() - reported > SECONDS_BETWEEN_REPORTS or epoch in (1, training["epochs"]):
            reported = time.monotonic()
            _report(runs, epoch, training["epochs"], reported - started)
    _evaluate_best(trainer, best, runs, evaluation["test_samples"])
    return runs


def _evaluate_best(trainer: "_StackTrainer", best: Parameters, runs: Sequence[Run], samples: int) -> None:
    parts = {split: trainer.evaluate(best, split, samples, f"final {split}") for split in ("validation", "test")}
    for member, run in enumerate(runs):
        run.parameters = unstack(best, member)
        if run.diverged_epoch is None:
            for split, split_parts in parts.items():
                run.final |= _losses(split, split_parts, member)


def _row(
    epoch: int,
    training_parts: tuple[list[float], list[float]],
    validation_parts: tuple[list[float], list[float]],
    temperatures: Sequence[float],
    member: int,
    seconds: float,
) -> Row:
    return {
        "epoch": epoch,
        **_losses("training", training_parts, member),
        **_losses("validation", validation_parts, member),
        "temperature": temperatures[member],
        "seconds": round(seconds, 4),
    }


def _losses(split: str, parts: tuple[list[float], list[float]], member: int) -> dict[str, float]:
    reconstruction, kl = parts[0][member], parts[1][member]
    return {
        f"{split}_loss": reconstruction + kl,
        f"{split}_reconstruction": reconstruction,
        f"{split}_kl": kl,
    }


def _report(runs: Sequence[Run], epoch: int, epochs: int, elapsed: float) -> None:
    rows = [run.history[-1] for run in runs if run.diverged_epoch is None]
    training, validation = (
        sum(row[f"{split}_loss"] for row in rows) / len(rows) for split in ("training", "validation")
    )
    mean = " (mean of the stack)" if len(runs) > 1 else ""
    log.info(
        "epoch %d of %d: training loss %.2f, validation loss %.2f%s; %.2f s an epoch, %.1f min left",
        epoch,
        epochs,
        training,
        validation,
        mean,
        elapsed / epoch,
        elapsed / epoch * (epochs - epoch) / 60,
    )


class _StackTrainer:
    """The state of a stack in training: parameters, optimizer, random streams and the number of steps taken."""

    def __init__(
        self,
        cells: Sequence[Cell],
        dataset: BinarizedDataset,
        perturbations: Mapping[str, Mapping[str, Any]],
        model: Mapping[str, int],
        training: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self.cells, self.training, self.device = cells, training, device
        self.images = {
            split: torch.from_numpy(images).flatten(1).to(device) for split, images in dataset.splits.items()
        }
        self.architecture = Architecture(
            pixels=self.images["train"].shape[1],
            hidden=model["hidden"],
            variables=model["variables"],
            categories=cells[0].K,
        )
        self.seeds = sorted({cell.seed for cell in cells})
        self.seed_of = [self.seeds.index(cell.seed) for cell in cells]
        pairs = sorted({(cell.perturbation, cell.seed) for cell in cells})
        self.source_of = [pairs.index((cell.perturbation, cell.seed)) for cell in cells]
        self.laws = [(distribution(perturbations[name]), seed) for name, seed in pairs]
        self.training_noise = self._noise_sources("training noise")
        self.minibatch_generators = [generator(seed, "minibatches") for seed in self.seeds]

        initial = [initial_parameters(self.architecture, generator(cell.seed, "weights")) for cell in cells]
        self.parameters = {name: values.to(device) for name, values in stack(initial).items()}
        self.gradient = {name: torch.zeros_like(values) for name, values in self.parameters.items()}
        for name, values in self.parameters.items():
            values.grad = self.gradient[name]
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=training["learning_rate"], fused=True)
        self.steps = 0

    @property
    def temperatures(self) -> list[float]:
        """The temperature of each model at the last step taken, or at the first one."""
        last_step = max(self.steps - 1, 0)
        return [annealed_temperature(cell.temperature, last_step, self.training["annealing"]) for cell in self.cells]

    def train_epoch(self) -> tuple[list[float], list[float]]:
        """Pass once over the training set; return the mean reconstruction and KL part of each model's training loss."""
        images, batch_size = self.images["train"], self.training["batch_size"]
        orders = torch.stack([torch.randperm(len(images), generator=g) for g in self.minibatch_generators])
        orders = orders.to(self.device)
        sums = torch.zeros(2, len(self.cells), dtype=torch.float64, device=self.device)
        for start in range(0, len(images), batch_size):
            rows = orders[:, start : start + batch_size]
            minibatches = images.index_select(0, rows.flatten()).float().unflatten(0, rows.shape)
            sums += torch.stack(self._step(self._for_members(minibatches, self.seed_of)))
        reconstruction, kl = (sums / len(images)).tolist()
        return reconstruction, kl

    def _step(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.steps += 1
        shape = (self.architecture.variables, self.architecture.categories, images.shape[1])
        noise = torch.stack([source.draw(shape) for source in self.training_noise])
        temperature = torch.tensor(self.temperatures, device=self.device).view(-1, 1, 1, 1)
        parts = loss_and_gradient(
            self.parameters, self.gradient, images, self._for_members(noise, self.source_of), temperature
        )
        self.optimizer.step()
        return parts

    def _for_members(self, values: Tensor, index_of: Sequence[int]) -> Tensor:
        """Give every model of the stack its entry of the first dimension, without a copy where all share one."""
        return values.expand(len(self.cells), *values.shape[1:]) if len(values) == 1 else values[index_of]

    def evaluate(self, parameters: Parameters, split: str, samples: int, noise: str) -> tuple[list[float], list[float]]:
        """Return the mean reconstruction and KL part of each model's discrete loss; a name of noise gives it anew."""
        reconstruction, kl = discrete_loss(
            parameters,
            self.images[split],
            variables=self.architecture.variables,
            samples=samples,
            noise_sources=self._noise_sources(f"{noise} noise"),
            source_of=self.source_of,
        )
        return reconstruction.mean(1).tolist(), kl.mean(1).tolist()

    def _noise_sources(self, purpose: str) -> list[NoiseSource]:
        return [NoiseSource(law, generator(seed, purpose, self.device)) for law, seed in self.laws]
