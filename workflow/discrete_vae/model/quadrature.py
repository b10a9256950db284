"""Quadrature of the integral that gives the probabilities of codes, under any law of the noise.

For a smooth density the trapezoidal rule converges exponentially. Between jumps or kinks of the density the
Gauss-Legendre rule is used. For an unbounded density these probabilities may not sum to one. Then steps of the
distribution function are summed, over intervals that are halved until the result settles.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace

from discrete_vae.errors import InputError
from discrete_vae.model.noise import spell

TAIL = 1e-13  # probability of a single noise value beyond either end of the quadrature
INTERVALS, GAUSS_POINTS = (32, 128, 512), (16, 32, 64)  # of the trapezoidal rule, and between two kinks
MOST_INTERVALS = 32_768
SUM_TOLERANCE = 1e-8  # of the sum of the probabilities from one, for either rule
TOLERANCE, COARSE_SUM_TOLERANCE = 5e-7, 1e-3  # between two numbers of intervals; of their sum from one
SEARCH_ROUNDS, SEARCH_PARTS = 7, 1_000  # of the search for a quantile
# Numbers computed in one go: what fits the caches of a CPU core, and what fills a GPU.
NUMBERS_AT_ONCE = {"cpu": 2**17, "cuda": 8_000_000}


@dataclass(frozen=True)
class Quadrature:
    """Fixed nodes of a quadrature.

    Attributes:
        ends: the range of the noise.
        kinks: where the density of the noise is not smooth.
        count: intervals between even nodes or, if there are kinks, Gauss-Legendre nodes between two kinks.
        device: of the logits.
        over_steps: whether the steps of the distribution function are summed, in place of the density.
    """

    ends: tuple[float, float]
    kinks: tuple[float, ...]
    count: int
    device: torch.device
    over_steps: bool = False

    def __call__(self, rows: Tensor, law: Distribution) -> Tensor:
        """Return the probabilities of rows of logits, float64 of rows x K."""
        return torch.cat([self.of_part(part, law) for part in self.split(rows)])

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Split rows into parts that are computed in one go."""
        categories = rows.shape[1]
        nodes = self.count * (categories * len(self.kinks) + 1 if self.kinks else 1)
        return rows.split(max(1, NUMBERS_AT_ONCE[self.device.type] // (nodes * categories)))

    def of_part(self, rows: Tensor, law: Distribution) -> Tensor:
        """Return the probabilities of one part of `split`, float64 of its shape, in one go."""
        return self._between_kinks(rows, law) if self.kinks else self._at_even_nodes(rows, law)

    @functools.cached_property
    def _gauss_legendre(self) -> tuple[Tensor, Tensor]:
        """Nodes and weights between -1 and 1; kept, as a captured step may copy nothing to a GPU."""
        nodes, weights = (torch.from_numpy(of).to(self.device) for of in np.polynomial.legendre.leggauss(self.count))
        return nodes, weights

    def _at_even_nodes(self, rows: Tensor, law: Distribution) -> Tensor:
        # The maximum of theta + gamma lies within the range of the noise around the largest theta.
        nodes = torch.linspace(*self.ends, self.count + 1, dtype=torch.float64, device=self.device)
        noise = rows.detach().amax(-1, keepdim=True).unsqueeze(-1) + nodes - rows.unsqueeze(-1)
        density, distribution_function, others = _factors(noise, law, self.ends)
        if self.over_steps:
            return (distribution_function.diff(dim=-1) * (others[..., 1:] + others[..., :-1]) / 2).sum(-1)
        return (self.ends[1] - self.ends[0]) / self.count * (density * others).sum(-1)

    def _between_kinks(self, rows: Tensor, law: Distribution) -> Tensor:
        nodes, weights = self._gauss_legendre
        lowest, highest = (rows.amax(-1, keepdim=True) + end for end in self.ends)
        # The kinks move with the logits, and the derivative follows them.
        places = torch.cat([rows + kink for kink in self.kinks], dim=1).clamp(lowest, highest)
        places = torch.cat((lowest, highest, places), dim=1).sort(-1).values
        halves = places.diff(dim=-1).unsqueeze(-1) / 2
        z = (places[:, :-1].unsqueeze(-1) + halves * (1 + nodes)).flatten(1)
        density, _, others = _factors(z.unsqueeze(1) - rows.unsqueeze(-1), law, self.ends)
        return (density * others * (halves * weights).flatten(1).unsqueeze(1)).sum(-1)


def resolve(rows: Tensor, law: Distribution) -> tuple[Quadrature, Tensor]:
    """Return the first quadrature that is fine enough for rows of logits, and their probabilities.

    Args:
        rows: float64, rows x K.
        law: of the noise, in float64 on the device of the rows.

    Raises:
        InputError: a law without distribution function, or with tails too heavy for quadrature.
    """
    ends, kinks = noise_range(law, rows.device), _kinks(law)
    for count in GAUSS_POINTS if kinks else INTERVALS:
        quadrature = Quadrature(ends, kinks, count, rows.device)
        probabilities = quadrature(rows, law)
        if (probabilities.detach().sum(-1) - 1).abs().max() < SUM_TOLERANCE:
            return quadrature, probabilities
    count = INTERVALS[-1]
    while count < MOST_INTERVALS:
        former, count = probabilities.detach(), 2 * count
        quadrature = Quadrature(ends, (), count, rows.device, over_steps=True)
        probabilities = quadrature(rows, law)
        error = (probabilities.detach() - former).abs().max()
        if error < TOLERANCE and (probabilities.detach().sum(-1) - 1).abs().max() < COARSE_SUM_TOLERANCE:
            return quadrature, probabilities
    raise InputError(
        f"the law {spell(law)} has tails that quadrature does not resolve to {TOLERANCE}, expected lighter ones,"
        " or a narrower law; choose another law"
    )


def _factors(noise: Tensor, law: Distribution, ends: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Return f, F and the product of the other categories' F at noise values of rows x K x nodes."""
    within = noise.clamp(*ends)
    distribution_function = law.cdf(within)
    log_distribution = distribution_function.clamp(min=TAIL).log()
    others = (log_distribution.sum(-2, keepdim=True) - log_distribution).exp()
    return torch.where(noise == within, law.log_prob(within).exp(), 0), distribution_function, others


def _kinks(law: Distribution) -> tuple[float, ...]:
    """List where the density is not smooth: at the ends of the support, and at the peak of a Laplace law."""
    ends = [float(getattr(law.support, end)) for end in ("lower_bound", "upper_bound") if hasattr(law.support, end)]
    return (*ends, law.loc.item()) if isinstance(law, Laplace) else tuple(ends)


@functools.lru_cache(maxsize=64)
def noise_range(law: Distribution, device: torch.device | str = "cpu") -> tuple[float, float]:
    """Return the quantiles of TAIL and 1 - TAIL of a law on a device, by a search of its distribution function.

    Raises:
        InputError: a law without distribution function in torch.
    """
    try:
        return _quantile(law, TAIL, device), _quantile(law, 1 - TAIL, device)
    except (NotImplementedError, RuntimeError):  # some torch functions fail in float64
        raise InputError(
            f"the law {spell(law)} has no distribution function in float64 in torch.distributions, expected one to"
            " compute the probabilities of codes with; choose another law"
        ) from None


def _quantile(law: Distribution, probability: float, device: torch.device | str) -> float:
    low, high = float(getattr(law.support, "lower_bound", -1e6)), float(getattr(law.support, "upper_bound", 1e6))
    # Every round waits for a GPU: seven rounds of a thousand parts take less than two hundred of two parts.
    parts = torch.arange(SEARCH_PARTS + 1, device=device)
    for _ in range(SEARCH_ROUNDS):
        points = torch.linspace(low, high, len(parts), dtype=torch.float64, device=device)
        last_below = int(torch.where(law.cdf(points) < probability, parts, 0)[:-1].max())
        low, high = points[last_below : last_below + 2].tolist()
    return high
