"""What the models of a stack see at a step: images and noise, shared by models of one seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from discrete_vae.config.definitions import Law
from discrete_vae.grid.cells import Cell
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator


class Minibatches:
    """The images of one step after the other. Each seed has its own order of the images, a new one every epoch.

    Args:
        images: of the training set, images x pixels.
        seeds: of the S models.
        batch_size: the last minibatch of an epoch may be shorter.
    """

    def __init__(self, images: Tensor, seeds: Sequence[int], batch_size: int) -> None:
        distinct = sorted(set(seeds))
        self._images, self.images_in_epoch = images, len(images)
        self.size = min(batch_size, len(images))
        self._generators = [generator(seed, "minibatches") for seed in distinct]
        # On the device: an index on the host makes a GPU wait.
        self._seed_of = torch.tensor([distinct.index(seed) for seed in seeds], device=images.device)
        # A captured step reads the same memory again, so this tensor stays where it is.
        self._rows = torch.zeros(len(distinct), self.size, dtype=torch.int64, device=images.device)
        self._orders: Tensor | None = None  # seeds x images; None between epochs
        self._position = 0

    @property
    def epoch_has_ended(self) -> bool:
        """Whether the next minibatch is the first one of an epoch."""
        return self._orders is None

    def advance(self) -> int:
        """Go to the next minibatch and return its number of images."""
        if self._orders is None:
            orders = [torch.randperm(self.images_in_epoch, generator=of_seed) for of_seed in self._generators]
            self._orders, self._position = torch.stack(orders).to(self._images.device), 0
        rows = self._orders[:, self._position : self._position + self.size]
        self._rows[:, : rows.shape[1]] = rows
        self._position += self.size
        if self._position >= self.images_in_epoch:
            self._orders = None
        return rows.shape[1]

    def images(self, count: int | None) -> Tensor:
        """Return the first images of the minibatch for each model, None for all, float, S x count x pixels."""
        rows = self._rows[:, :count]
        images = self._images.index_select(0, rows.flatten()).float().unflatten(0, rows.shape)
        return for_members(images, self._seed_of)

    def state(self) -> dict[str, Any]:
        """Return what `restore` continues from, to the same bits."""
        generators = [of_seed.get_state() for of_seed in self._generators]
        return {"generators": generators, "orders": self._orders, "position": self._position}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        for own, saved in zip(self._generators, state["generators"], strict=True):
            own.set_state(saved)
        self._orders = None if state["orders"] is None else state["orders"].to(self._images.device)
        self._position = state["position"]


class CellNoise:
    """One source of noise for each noise law and seed of some cells; ``source_of`` has the index of each cell's."""

    def __init__(self, cells: Sequence[Cell], laws: Mapping[str, Law], device: torch.device) -> None:
        pairs = [(cell.perturbation, cell.seed) for cell in cells]
        distinct = sorted(set(pairs))
        self.source_of = [distinct.index(pair) for pair in pairs]
        self.source_on_device = torch.tensor(self.source_of, device=device)
        self._sources, self._device = [(distribution(laws[name]), seed) for name, seed in distinct], device

    def sources(self, purpose: str) -> list[NoiseSource]:
        """Return the sources for a purpose such as ``"training noise"``, each at its beginning."""
        return [NoiseSource(law, generator(seed, purpose, self._device)) for law, seed in self._sources]


def for_members(values: Tensor, index: Tensor) -> Tensor:
    """Give every model its entry of the first dimension, without a copy where all share one."""
    return values.expand(len(index), *values.shape[1:]) if len(values) == 1 else values[index]
