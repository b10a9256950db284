"""A stack of models in training: weights, Adam, random streams, and one optimization step at a time.

On a GPU a step waits only for what it copies from the host: the order of the images, at the first step of an epoch, and
a temperature that has changed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from discrete_vae.config.definitions import Law
from discrete_vae.config.options import Annealing, Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.discrete_loss import discrete_loss
from discrete_vae.grid.cells import Cell, values_of
from discrete_vae.model import network
from discrete_vae.model.code_probabilities import CodesKLWithGradient
from discrete_vae.model.network import Architecture, Weights, softmax_kl_with_gradient
from discrete_vae.model.noise import NoiseStream, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.adam_weights import adam_weights
from discrete_vae.training.captured_step import StepGraph
from discrete_vae.training.minibatches import CellNoise, Minibatches, for_members

STATEFUL = ("optimized", "minibatches", "noise_stream")
Parts = tuple[list[float], list[float]]  # reconstruction and KL part of a loss in nats, of each model


def annealed_temperature(temperature: float, step: int, annealing: Annealing | None) -> float:
    """Return the temperature at an optimization step, counted from 0.

    Annealing is max(temperature * exp(-rate * step), minimum), held for ``interval`` steps (arXiv 1611.01144). As in
    the paper's script, the first of them have the initial temperature, also one below the minimum.
    """
    if annealing is None or step < annealing.interval:
        return temperature
    held_step = step - step % annealing.interval
    return max(temperature * math.exp(-annealing.rate * held_step), annealing.minimum)


class StackTrainer:
    """The models of one training job side by side, one for each of its S cells, which share their dataset and K.

    Attributes:
        weights: the present ones by name, each with a first dimension S.
        step_graph: takes the steps on full minibatches.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        dataset: BinarizedDataset,
        *,
        laws: Mapping[str, Law],
        model: Model,
        training: Training,
        device: torch.device,
    ) -> None:
        images, self.validation_images = (
            torch.from_numpy(dataset.splits[split]).flatten(1).to(device) for split in ("train", "validation")
        )
        sizes = self.architecture = Architecture(images.shape[1], model.hidden, model.variables, cells[0].K)
        self.minibatches = Minibatches(images, [cell.seed for cell in cells], training.batch_size)
        self.noise = CellNoise(cells, laws, device)
        noise_shape = (sizes.variables, sizes.categories, self.minibatches.size)
        self.noise_stream = NoiseStream(self.noise.sources("training noise"), noise_shape)
        initial = network.stack([network.initial_weights(sizes, generator(cell.seed, "weights")) for cell in cells])
        on_device = {name: values.to(device) for name, values in initial.items()}
        self.optimized = adam_weights(on_device, training)
        self.weights = self.optimized.by_name
        in_double = {name: distribution(laws[name], torch.float64, device) for name in values_of(cells, "perturbation")}
        self.code_laws = [in_double[cell.perturbation] for cell in cells]
        self.kl_with_gradient = softmax_kl_with_gradient
        self.kl_is_of_codes = training.kl == "codes"
        if self.kl_is_of_codes:
            self.kl_with_gradient = CodesKLWithGradient(self.code_laws, sizes.categories, device)
        self.annealing, self.initial_temperatures = training.annealing, [cell.temperature for cell in cells]
        self.steps = 0
        self.temperature = torch.tensor(self.temperatures, device=device).view(-1, 1, 1, 1)
        self.sums = torch.zeros(2, len(cells), dtype=torch.float64, device=device)  # of losses in the epoch so far
        self.step_graph = StepGraph(capture=training.cuda_graph and device.type == "cuda")

    @property
    def temperatures(self) -> list[float]:
        """The temperature of each model at the last step taken; before any, at the first step."""
        last_step = max(self.steps - 1, 0)
        return [annealed_temperature(initial, last_step, self.annealing) for initial in self.initial_temperatures]

    @torch.inference_mode()
    def step(self) -> bool:
        """Take the next optimization step. Return False after the last step of an epoch."""
        count = self.minibatches.advance()
        self.noise_stream.advance()
        self.steps += 1
        if self.annealing and (self.steps - 1) % self.annealing.interval == 0:
            self._set_temperature()
        if count == self.minibatches.size:
            self.step_graph.take(self._descend)
        else:
            self._descend(count)
        return not self.minibatches.epoch_has_ended

    def _descend(self, count: int | None = None) -> None:
        """Take the step on the first images of the minibatch, by default all."""
        parts = network.loss_and_gradient(
            self.weights,
            self.optimized.gradient,
            self.minibatches.images(count),
            for_members(self.noise_stream.noise[..., :count], self.noise.source_on_device),
            self.temperature,
            self.kl_with_gradient,
            **self.optimized.kernels,
        )
        self.sums += torch.stack(parts)
        self.optimized.step()

    def _set_temperature(self) -> None:
        self.temperature.copy_(torch.tensor(self.temperatures).view_as(self.temperature))

    def end_epoch(self) -> Parts:
        """Return the parts of each model's training loss, averaged over the epoch."""
        reconstruction, kl = (self.sums / self.minibatches.images_in_epoch).tolist()
        self.sums.zero_()
        return reconstruction, kl

    def evaluate(self, weights: Weights, samples: int, purpose: str) -> Parts:
        """Return the parts of each model's discrete loss on the validation set.

        The noise depends on ``purpose`` and the cell's seed, so it is the same at every call.
        """
        reconstruction, kl = (part.mean(1).tolist() for part in self.losses_of_images(weights, samples, purpose))
        return reconstruction, kl

    def losses_of_images(self, weights: Weights, samples: int, purpose: str) -> tuple[Tensor, Tensor]:
        """Return what `evaluate` averages, S x images, without waiting for the device."""
        return discrete_loss(
            weights,
            self.validation_images,
            variables=self.architecture.variables,
            samples=samples,
            noise_sources=self.noise.sources(f"{purpose} noise"),
            source_of=self.noise.source_of,
            code_laws=self.code_laws if self.kl_is_of_codes else None,
        )

    def state(self) -> dict[str, Any]:
        """Return everything that the next steps depend on."""
        parts = {name: getattr(self, name).state() for name in STATEFUL}
        return {**parts, "steps": self.steps, "sums": self.sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, to the same bits."""
        for name in STATEFUL:
            getattr(self, name).restore(state[name])
        self.steps = state["steps"]
        self.sums.copy_(state["sums"])
        self._set_temperature()
