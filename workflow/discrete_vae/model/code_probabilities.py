"""Probabilities of the codes argmax(theta + gamma) under any law of the noise gamma, and their KL.

With the density f and the distribution function F of the noise, the codes are drawn from

    q(k) = P(argmax_j (theta_j + gamma_j) = k) = integral of f(z - theta_k) * product over j != k of F(z - theta_j) dz.

Only for standard Gumbel noise is this softmax(theta).
"""

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Gumbel, Laplace

from discrete_vae.errors import InputError

log = logging.getLogger(__name__)

TAIL = 1e-13  # probability of a single noise value beyond either end of the quadrature
INTERVALS, GAUSS_POINTS = (32, 128, 512), (16, 32, 64)  # of the trapezoidal rule, and between two kinks
MOST_INTERVALS = 32_768
SUM_TOLERANCE = 1e-8  # of the sum of the probabilities from one, for either rule
TOLERANCE = 5e-7  # between two numbers of intervals
SEARCH_ROUNDS, SEARCH_PARTS = 7, 1_000  # of the search for a quantile
# Numbers computed in one go: what fits the caches of a CPU core, and what fills a GPU.
NUMBERS_AT_ONCE = {"cpu": 2**17, "cuda": 8_000_000}


def argmax_probabilities(logits: Tensor, law: Distribution) -> Tensor:
    """Return the probability of each category to have the largest logit plus noise; differentiable in the logits.

    Gumbel noise has a closed form. For a smooth density the trapezoidal rule converges exponentially. Between jumps or
    kinks of the density the Gauss-Legendre rule is used. If the probabilities then do not sum to one, as for an
    unbounded density, the steps of the distribution function are summed, and halved until the result settles.

    Args:
        logits: theta, ... x K.
        law: of the noise, independent for each logit; in float64 on the device of the logits.

    Returns:
        float64, of the shape of the logits.

    Raises:
        InputError: a law without distribution function, or with tails too heavy for quadrature.
    """
    logits = logits.double()
    if isinstance(law, Gumbel):
        return F.softmax(logits / law.scale, dim=-1)
    return _resolve(logits.reshape(-1, logits.shape[-1]), law)[1].view_as(logits)


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
        """Do the same in one go."""
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


def _resolve(rows: Tensor, law: Distribution) -> tuple[Quadrature, Tensor]:
    """Return the first quadrature that is fine enough for rows of logits, and their probabilities."""
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
        if (probabilities.detach() - former).abs().max() < TOLERANCE:
            return quadrature, probabilities
    raise InputError(
        f"the law {law} has tails that quadrature does not resolve to {TOLERANCE}, expected lighter ones;"
        " choose another law"
    )


def check_quadrature(law: Distribution, device: torch.device | str = "cpu") -> None:
    """Try a law on four logits, before hours are spent on many. Raises what `argmax_probabilities` raises."""
    argmax_probabilities(torch.linspace(0, 1, 4, device=device), law)


def known_probabilities(logits: Tensor, law: Distribution) -> Tensor:
    """Do what `argmax_probabilities` does, but return NaN for a law that it cannot serve."""
    if _is_served(law, logits.device):
        return argmax_probabilities(logits, law)
    return torch.full_like(logits, math.nan, dtype=torch.float64)


@functools.lru_cache(maxsize=64)
def _is_served(law: Distribution, device: torch.device) -> bool:
    try:
        check_quadrature(law, device)
    except InputError as error:
        log.warning("the probabilities of codes are not known: %s", error)
        return False
    return True


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
            f"the law {law} has no distribution function in torch.distributions, expected one to compute the"
            " probabilities of codes with; choose another law"
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


def kl_of_codes(probabilities: Tensor) -> Tensor:
    """Return KL(q || uniform) over the last dimension, in nats."""
    return torch.xlogy(probabilities, probabilities).sum(-1) + math.log(probabilities.shape[-1])


class CodesKLWithGradient:
    """KL(q || uniform) of the codes of a stack, with its gradient: the KL part of the true bound.

    The nodes of the quadrature are fixed, so a call waits for nothing on the device.

    Args:
        laws: the noise law of each model, in float64 on the device.
        categories: K.
        device: of the logits.

    Raises:
        InputError: a law that quadrature cannot serve.
    """

    def __init__(self, laws: Sequence[Distribution], categories: int, device: torch.device | str = "cpu") -> None:
        # Equal logits are the hardest: their largest sum with noise is spread least.
        spreads, places = (torch.linspace(0, end, n, dtype=torch.float64) for end, n in ((30, 4), (1, categories)))
        trials = (spreads.unsqueeze(1) * places).to(device)
        self._of_law = []
        for law in dict.fromkeys(laws):
            members = torch.tensor([member for member, other in enumerate(laws) if other is law], device=device)
            quadrature = None if isinstance(law, Gumbel) else _resolve(trials, law)[0]
            self._of_law.append((members, law, quadrature))

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Do for the KL of the codes what `softmax_kl_with_gradient` does. The KL of a diverged model is NaN."""
        kl, gradient = logits.new_empty(len(logits)), torch.empty_like(logits)
        for members, law, quadrature in self._of_law:
            theta = logits[members].mT.double()
            rows = theta.flatten(0, -2)
            split = quadrature.split(rows) if quadrature else (rows,)
            parts = [_kl_with_gradient(part, law, quadrature) for part in split]
            of_rows, of_logits = (torch.cat(part) for part in zip(*parts, strict=True))
            kl[members] = of_rows.view(len(members), -1).sum(1).to(logits.dtype)
            gradient[members] = of_logits.view_as(theta).mT.to(logits.dtype)
        return kl, gradient


def _kl_with_gradient(rows: Tensor, law: Distribution, quadrature: Quadrature | None) -> tuple[Tensor, Tensor]:
    """Return the KL of the codes of each row of logits, and its gradient; Gumbel noise needs no quadrature."""
    with torch.inference_mode(False), torch.enable_grad():
        theta = rows.clone().requires_grad_()
        kl = kl_of_codes(quadrature.of_part(theta, law) if quadrature else F.softmax(theta / law.scale, dim=-1))
        (gradient,) = torch.autograd.grad(kl.sum(), theta)
    return kl.detach(), gradient
