"""A stack of cells in training: parameters, optimizer, random streams, and one optimization step at a time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from discrete_vae.cells import Cell
from discrete_vae.code_probabilities import CodesKLWithGradient
from discrete_vae.datasets import BinarizedDataset
from discrete_vae.evaluation import discrete_loss
from discrete_vae.generators import generator
from discrete_vae.model import (
    Architecture,
    Parameters,
    initial_parameters,
    loss_and_gradient,
    softmax_kl_with_gradient,
    stack,
)
from discrete_vae.perturbations import NoiseSource, distribution


def annealed_temperature(temperature: float, step: int, annealing: Mapping[str, float] | None) -> float:
    """Return the temperature at an optimization step, counted from 0.

    Constant without annealing; otherwise max(temperature * exp(-rate * step), minimum), held for ``interval`` steps
    (the schedule of Jang et al., arXiv 1611.01144, as in the study's script).
    """
    if annealing is None:
        return temperature
    held_step = step - step % annealing["interval"]
    return max(temperature * math.exp(-annealing["rate"] * held_step), annealing["minimum"])


class StackTrainer:
    """The cells of one training job side by side; they share their dataset and K.

    Args:
        cells: the stack of S cells.
        dataset: their images.
        perturbations, model, training: sections of the configuration.
        device: where to train.
    """

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
        self.code_laws, self.kl_with_gradient = None, softmax_kl_with_gradient
        if training["kl"] == "codes":
            self.code_laws = [distribution(perturbations[cell.perturbation], torch.float64) for cell in cells]
            self.kl_with_gradient = CodesKLWithGradient(self.code_laws)
        self.training_noise = self._noise_sources("training noise")
        self.minibatch_generators = [generator(seed, "minibatches") for seed in self.seeds]

        initial = [initial_parameters(self.architecture, generator(cell.seed, "weights")) for cell in cells]
        self.parameters = {name: values.to(device) for name, values in stack(initial).items()}
        self.gradient = {name: torch.zeros_like(values) for name, values in self.parameters.items()}
        for name, values in self.parameters.items():
            values.grad = self.gradient[name]
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=training["learning_rate"], fused=True)
        self.steps = 0
        # The current epoch: the order of the images for each seed (None between epochs), the place in it, losses.
        self.orders: Tensor | None = None
        self.position = 0
        self.sums = torch.zeros(2, len(cells), dtype=torch.float64, device=device)

    @property
    def temperatures(self) -> list[float]:
        """The temperature of each model at the last step taken, or at the first one."""
        last_step = max(self.steps - 1, 0)
        return [annealed_temperature(cell.temperature, last_step, self.training["annealing"]) for cell in self.cells]

    def step(self) -> bool:
        """Take the next optimization step of the current epoch, beginning one if need be; False after its last."""
        images, batch_size = self.images["train"], self.training["batch_size"]
        if self.orders is None:
            self.orders = torch.stack([torch.randperm(len(images), generator=g) for g in self.minibatch_generators])
            self.orders = self.orders.to(self.device)
            self.sums = torch.zeros(2, len(self.cells), dtype=torch.float64, device=self.device)
            self.position = 0
        rows = self.orders[:, self.position : self.position + batch_size]
        minibatches = images.index_select(0, rows.flatten()).float().unflatten(0, rows.shape)
        self.sums += torch.stack(self._descend(self._for_members(minibatches, self.seed_of)))
        self.position += batch_size
        return self.position < len(images)

    def end_epoch(self) -> tuple[list[float], list[float]]:
        """Return the mean reconstruction and KL part of each model's training loss over the epoch."""
        self.orders = None
        reconstruction, kl = (self.sums / len(self.images["train"])).tolist()
        return reconstruction, kl

    def _descend(self, images: Tensor) -> tuple[Tensor, Tensor]:
        shape = (self.architecture.variables, self.architecture.categories, images.shape[1])
        noise = torch.stack([source.draw(shape) for source in self.training_noise])
        self.steps += 1
        temperature = torch.tensor(self.temperatures, device=self.device).view(-1, 1, 1, 1)
        parts = loss_and_gradient(
            self.parameters,
            self.gradient,
            images,
            self._for_members(noise, self.source_of),
            temperature,
            self.kl_with_gradient,
        )
        self.optimizer.step()
        return parts

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on."""
        return {
            "parameters": self.parameters,
            "optimizer": self.optimizer.state_dict(),
            "streams": [stream.get_state() for stream in self._streams()],
            "steps": self.steps,
            "orders": self.orders,
            "sums": self.sums,
            "position": self.position,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, to the same bits."""
        for name, values in self.parameters.items():
            values.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        for stream, stream_state in zip(self._streams(), state["streams"], strict=True):
            stream.set_state(stream_state)
        self.steps, self.position = state["steps"], state["position"]
        self.sums = state["sums"].to(self.device)
        self.orders = None if state["orders"] is None else state["orders"].to(self.device)

    def _streams(self) -> list[torch.Generator]:
        return [*self.minibatch_generators, *(source.generator for source in self.training_noise)]

    def _for_members(self, values: Tensor, index_of: Sequence[int]) -> Tensor:
        """Give every model of the stack its entry of the first dimension, without a copy where all share one."""
        return values.expand(len(self.cells), *values.shape[1:]) if len(values) == 1 else values[index_of]

    def evaluate(self, parameters: Parameters, split: str, samples: int, noise: str) -> tuple[list[float], list[float]]:
        """Return the mean reconstruction and KL part of each model's discrete loss; a name of noise gives it anew.

        The KL on the validation set is that of the training; on the test set it is always the study's.
        """
        reconstruction, kl = discrete_loss(
            parameters,
            self.images[split],
            variables=self.architecture.variables,
            samples=samples,
            noise_sources=self._noise_sources(f"{noise} noise"),
            source_of=self.source_of,
            code_laws=None if split == "test" else self.code_laws,
        )
        return reconstruction.mean(1).tolist(), kl.mean(1).tolist()

    def _noise_sources(self, purpose: str) -> list[NoiseSource]:
        return [NoiseSource(law, generator(seed, purpose, self.device)) for law, seed in self.laws]
