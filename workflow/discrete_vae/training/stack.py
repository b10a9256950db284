"""A stack of cells in training: parameters, optimizer, random streams, and one optimization step at a time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.discrete_loss import discrete_loss
from discrete_vae.grid.cells import Cell
from discrete_vae.model.code_probabilities import CodesKLWithGradient
from discrete_vae.model.network import (
    Architecture,
    Parameters,
    flatten,
    initial_parameters,
    loss_and_gradient,
    softmax_kl_with_gradient,
    stack,
)
from discrete_vae.model.noise import NoiseSource, NoiseStream, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.captured_step import StepGraph


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
            split: torch.from_numpy(dataset.splits[split]).flatten(1).to(device) for split in ("train", "validation")
        }
        self.architecture = Architecture(
            pixels=self.images["train"].shape[1],
            hidden=model["hidden"],
            variables=model["variables"],
            categories=cells[0].K,
        )
        seeds = sorted({cell.seed for cell in cells})
        pairs = sorted({(cell.perturbation, cell.seed) for cell in cells})
        self.source_of = [pairs.index((cell.perturbation, cell.seed)) for cell in cells]
        # On the device, as an index from the host would make it wait.
        self.sources_on_device = torch.tensor(self.source_of, device=device)
        self.seeds_on_device = torch.tensor([seeds.index(cell.seed) for cell in cells], device=device)
        self.laws = [(distribution(perturbations[name]), seed) for name, seed in pairs]
        self.code_laws, self.kl_with_gradient = None, softmax_kl_with_gradient
        if training["kl"] == "codes":
            laws = {name: distribution(perturbations[name], torch.float64, device) for name, _ in pairs}
            self.code_laws = [laws[cell.perturbation] for cell in cells]
            self.kl_with_gradient = CodesKLWithGradient(self.code_laws, device)
        self.minibatch_generators = [generator(seed, "minibatches") for seed in seeds]
        self.batch_size = min(training["batch_size"], len(self.images["train"]))
        noise_shape = (self.architecture.variables, self.architecture.categories, self.batch_size)
        self.noise_stream = NoiseStream(self._noise_sources("training noise"), noise_shape)

        initial = stack([initial_parameters(self.architecture, generator(cell.seed, "weights")) for cell in cells])
        self.flat_parameters, self.parameters = flatten({name: v.to(device) for name, v in initial.items()})
        self.flat_gradient, self.gradient = flatten({name: torch.zeros_like(v) for name, v in self.parameters.items()})
        self.adam_state = {name: torch.zeros_like(self.flat_parameters) for name in ("mean", "square")}
        self.adam_state["steps"] = torch.zeros((), device=device)
        self.steps = 0
        # The current epoch: the order of the images for each seed (None between epochs), the place in it, losses.
        self.orders: Tensor | None = None
        self.position = 0
        self.sums = torch.zeros(2, len(cells), dtype=torch.float64, device=device)
        # What a step reads; these tensors stay where they are, as a captured step reads the same memory again.
        self.rows = torch.zeros(len(seeds), self.batch_size, dtype=torch.int64, device=device)
        self.noise = torch.zeros(len(pairs), *noise_shape, device=device)
        self.temperature = torch.tensor(self.temperatures, device=device).view(-1, 1, 1, 1)
        # The KL of the codes waits for the device, which a captured step may not.
        self._step_graph = StepGraph(capture=device.type == "cuda" and training["kl"] == "softmax")

    @property
    def temperatures(self) -> list[float]:
        """The temperature of each model at the last step taken, or at the first one."""
        last_step = max(self.steps - 1, 0)
        return [annealed_temperature(cell.temperature, last_step, self.training["annealing"]) for cell in self.cells]

    @torch.inference_mode()
    def step(self) -> bool:
        """Take the next optimization step of the current epoch, beginning one if need be; False after its last."""
        images, batch_size = self.images["train"], self.batch_size
        if self.orders is None:
            orders = [torch.randperm(len(images), generator=g) for g in self.minibatch_generators]
            self.orders = torch.stack(orders).to(self.device)
            self.sums.zero_()
            self.position = 0
        rows = self.orders[:, self.position : self.position + batch_size]
        self.rows[:, : rows.shape[1]] = rows
        self.noise.copy_(self.noise_stream.next())
        self.steps += 1
        annealing = self.training["annealing"]
        if annealing and (self.steps - 1) % annealing["interval"] == 0:
            self._set_temperature()
        if rows.shape[1] == batch_size:
            self._step_graph.take(self._descend)
        else:
            self._descend(rows.shape[1])
        self.position += batch_size
        return self.position < len(images)

    def _descend(self, batch_size: int | None = None) -> None:
        """Take the step on the first images of the minibatch, by default all."""
        rows, noise = self.rows[:, :batch_size], self.noise[..., :batch_size]
        minibatches = self.images["train"].index_select(0, rows.flatten()).float().unflatten(0, rows.shape)
        parts = loss_and_gradient(
            self.parameters,
            self.gradient,
            self._for_members(minibatches, self.seeds_on_device),
            self._for_members(noise, self.sources_on_device),
            self.temperature,
            self.kl_with_gradient,
        )
        self.sums += torch.stack(parts)
        self._update()

    def _update(self) -> None:
        """Let Adam take its step, on all parameters at once; its functional form keeps its state in place."""
        adam(
            [self.flat_parameters],
            [self.flat_gradient],
            exp_avgs=[self.adam_state["mean"]],
            exp_avg_sqs=[self.adam_state["square"]],
            max_exp_avg_sqs=[],
            state_steps=[self.adam_state["steps"]],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.training["learning_rate"],
            weight_decay=0,
            eps=1e-8,
            maximize=False,
        )

    def _for_members(self, values: Tensor, index_of: Tensor) -> Tensor:
        """Give every model of the stack its entry of the first dimension, without a copy where all share one."""
        return values.expand(len(self.cells), *values.shape[1:]) if len(values) == 1 else values[index_of]

    def _set_temperature(self) -> None:
        self.temperature.copy_(torch.tensor(self.temperatures).view_as(self.temperature))

    def end_epoch(self) -> tuple[list[float], list[float]]:
        """Return the mean reconstruction and KL part of each model's training loss over the epoch."""
        self.orders = None
        reconstruction, kl = (self.sums / len(self.images["train"])).tolist()
        return reconstruction, kl

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on."""
        return {
            "parameters": self.flat_parameters,
            "adam": self.adam_state,
            "minibatch_generators": [generator.get_state() for generator in self.minibatch_generators],
            "noise_stream": self.noise_stream.state(),
            "steps": self.steps,
            "orders": self.orders,
            "sums": self.sums,
            "position": self.position,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, to the same bits."""
        self.flat_parameters.copy_(state["parameters"])
        self.sums.copy_(state["sums"])
        for name, values in self.adam_state.items():
            values.copy_(state["adam"][name])
        for minibatch_generator, generator_state in zip(
            self.minibatch_generators, state["minibatch_generators"], strict=True
        ):
            minibatch_generator.set_state(generator_state)
        self.noise_stream.restore(state["noise_stream"])
        self.steps, self.position = state["steps"], state["position"]
        self.orders = None if state["orders"] is None else state["orders"].to(self.device)
        self._set_temperature()

    def evaluate(self, parameters: Parameters, samples: int, purpose: str) -> tuple[list[float], list[float]]:
        """Return the mean reconstruction and KL part of each model's discrete loss on the validation set.

        The noise is derived from ``purpose`` and each cell's seed, so that it is the same at every call.
        """
        reconstruction, kl = discrete_loss(
            parameters,
            self.images["validation"],
            variables=self.architecture.variables,
            samples=samples,
            noise_sources=self._noise_sources(f"{purpose} noise"),
            source_of=self.source_of,
            code_laws=self.code_laws,
        )
        return reconstruction.mean(1).tolist(), kl.mean(1).tolist()

    def _noise_sources(self, purpose: str) -> list[NoiseSource]:
        return [NoiseSource(law, generator(seed, purpose, self.device)) for law, seed in self.laws]
