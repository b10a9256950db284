"""Noise laws of Perturb-Softmax: any univariate law of torch.distributions, drawn from an explicit generator."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Distribution,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
    constraints,
)

from discrete_vae.config.definitions import Law, spell_law

# Half the spacing of the uniform numbers: the quantile of 0 itself may be infinite.
SMALLEST_UNIFORM = 2.0**-25
# Half laws have the quantile (u + 1) / 2 of the whole law, which must not round to 1.
LARGEST_UNIFORM_OF_HALVES = 1 - 2.0**-23
# Numbers that a stream draws at once: what fits the caches of a CPU core, and what fills a GPU.
NUMBERS_AT_ONCE = {"cpu": 2**17, "cuda": 2**24}


class Logistic(TransformedDistribution):
    """The logistic law, F(x) = 1 / (1 + exp(-(x - loc) / scale)), which torch.distributions lacks."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Tensor, scale: Tensor, *, validate_args: bool | None = None) -> None:
        base = Uniform(torch.zeros_like(loc), torch.ones_like(loc), validate_args=validate_args)
        transforms = [SigmoidTransform().inv, AffineTransform(loc, scale)]
        super().__init__(base, transforms, validate_args=validate_args)
        self.loc, self.scale = loc, scale

    def cdf(self, value: Tensor) -> Tensor:
        """Return F; the transforms would take six times as long, and ten times for the density."""
        return ((value - self.loc) / self.scale).sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of F (1 - F) / scale."""
        z = ((value - self.loc) / self.scale).abs()
        return -z - 2 * (-z).exp().log1p() - self.scale.log()

    @property
    def variance(self) -> Tensor:
        """The square of the scale times pi^2 / 3."""
        return self.scale**2 * (math.pi**2 / 3)


def distribution(law: Law, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Distribution:
    """Build the torch distribution of a law, computing in a given type.

    A law on the CPU draws from generators on any device. Its cdf and log_prob need a law on the device of their values.
    """
    kind = Logistic if law.distribution == "Logistic" else getattr(torch.distributions, law.distribution)
    numbers = {name: value for name, value in vars(law).items() if name != "distribution"}
    parameters = {name: torch.tensor(value, dtype=dtype, device=device) for name, value in numbers.items()}
    return kind(**parameters, validate_args=False)  # the configuration has been checked; torch's checks stall a GPU


def spell(law: Distribution) -> str:
    """Spell a torch distribution as `spell_law` does."""
    return spell_law(type(law).__name__, {name: getattr(law, name).item() for name in law.arg_constraints})


def uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw float32 uniform numbers of the open interval (0, 1)."""
    return torch.rand(shape, generator=generator, device=generator.device).clamp_(min=SMALLEST_UNIFORM)


def _own_sampler(law: Distribution, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    seed = torch.randint(2**62, (), generator=generator, device=generator.device).item()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return law.sample(tuple(shape)).to(generator.device, torch.float32)


@dataclass(frozen=True)
class NoiseSource:
    """A noise law and the generator it is drawn from."""

    law: Distribution
    generator: torch.Generator

    def draw(self, shape: Sequence[int]) -> Tensor:
        """Draw float32 noise of the given shape on the generator's device, and advance the generator.

        A law with a quantile function is drawn by inversion, so two laws share their uniform numbers if their
        generators are equal. Another law is drawn by its own sampler, seeded from the generator; torch's global state
        stays as it is.
        """
        numbers = uniform(shape, self.generator)
        if isinstance(self.law, torch.distributions.HalfNormal | torch.distributions.HalfCauchy):
            numbers.clamp_(max=LARGEST_UNIFORM_OF_HALVES)
        try:
            return self.law.icdf(numbers).float()
        except NotImplementedError:
            return _own_sampler(self.law, shape, self.generator)


class NoiseStream:
    """The noise of one training step after the other, from several independent sources, drawn for many steps at once.

    Args:
        sources: drawing advances their generators.
        shape: of the noise of a step from one source.

    Attributes:
        noise: of the present step, float32 of sources x shape; one tensor, which `advance` overwrites.
    """

    def __init__(self, sources: Sequence[NoiseSource], shape: Sequence[int]) -> None:
        self.sources, self.shape = sources, tuple(shape)
        device = sources[0].generator.device
        self.noise = torch.zeros(len(sources), *shape, device=device)
        self.steps_at_once = max(1, NUMBERS_AT_ONCE[device.type] // math.prod(shape))
        self._generators_at_start = self._generator_states()
        self._block: Tensor | None = None
        self._taken = 0

    def advance(self) -> Tensor:
        """Go to the next step and return its noise."""
        if self._block is None or self._taken == self.steps_at_once:
            self._draw()
        self._taken += 1
        return self.noise.copy_(self._block[self._taken - 1])

    def _draw(self) -> None:
        self._generators_at_start = self._generator_states()
        self._block = torch.stack([source.draw((self.steps_at_once, *self.shape)) for source in self.sources], dim=1)
        self._taken = 0

    def _generator_states(self) -> list[Tensor]:
        return [source.generator.get_state() for source in self.sources]

    def state(self) -> dict[str, Any]:
        """Return the generators before the present block, and the steps taken of it, for `restore`."""
        return {"generators": self._generators_at_start, "taken": self._taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, to the same bits."""
        for source, generator_state in zip(self.sources, state["generators"], strict=True):
            source.generator.set_state(generator_state)
        self._draw()
        self._taken = state["taken"]
