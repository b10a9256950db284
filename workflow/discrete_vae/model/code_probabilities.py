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
    lowest, highest = noise_range(law)
    rows = logits.reshape(-1, logits.shape[-1])
    kinks = _kinks(law)
    for intervals, points in zip(INTERVALS, GAUSS_POINTS, strict=True):
        if kinks:
            probabilities = _between_kinks(rows, law, lowest, highest, kinks, points)
        else:
            probabilities = _at_even_nodes(rows, law, lowest, highest, intervals)
        if (probabilities.detach().sum(-1) - 1).abs().max() < SUM_TOLERANCE:
            return probabilities.view_as(logits)
    intervals = INTERVALS[-1]
    while intervals < MOST_INTERVALS:
        former, intervals = probabilities.detach(), 2 * intervals
        probabilities = _at_even_nodes(rows, law, lowest, highest, intervals, over_steps=True)
        if (probabilities.detach() - former).abs().max() < TOLERANCE:
            return probabilities.view_as(logits)
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


def _at_even_nodes(
    rows: Tensor, law: Distribution, lowest: float, highest: float, intervals: int, *, over_steps: bool = False
) -> Tensor:
    """Sum over the density at evenly spaced nodes, or over the steps of the distribution function between them."""
    # The maximum of theta + gamma lies within the range of the noise around the largest theta.
    nodes = torch.linspace(lowest, highest, intervals + 1, dtype=torch.float64, device=rows.device)
    chunk = max(1, NUMBERS_AT_ONCE[rows.device.type] // (intervals * rows.shape[1]))
    parts = []
    for part in rows.split(chunk):
        noise = part.detach().amax(-1, keepdim=True).unsqueeze(-1) + nodes - part.unsqueeze(-1)
        density, distribution_function, others = _factors(noise, law, lowest, highest)
        if over_steps:
            parts.append((distribution_function.diff(dim=-1) * (others[..., 1:] + others[..., :-1]) / 2).sum(-1))
        else:
            parts.append((highest - lowest) / intervals * (density * others).sum(-1))
    return torch.cat(parts)


def _between_kinks(
    rows: Tensor, law: Distribution, lowest: float, highest: float, kinks: Sequence[float], points: int
) -> Tensor:
    nodes, weights = (torch.from_numpy(values).to(rows.device) for values in np.polynomial.legendre.leggauss(points))
    relative_kinks = torch.tensor(kinks, dtype=torch.float64, device=rows.device)
    categories = rows.shape[1]
    chunk = max(1, NUMBERS_AT_ONCE[rows.device.type] // (categories * (categories * len(kinks) + 1) * points))
    parts = []
    for part in rows.split(chunk):
        # The kinks move with the logits, and the derivative follows them.
        ends = part.amax(-1, keepdim=True) + torch.tensor([lowest, highest], dtype=torch.float64, device=rows.device)
        places = (part.unsqueeze(-1) + relative_kinks).flatten(1).clamp(ends[:, :1], ends[:, 1:])
        places = torch.cat((ends, places), dim=1).sort(-1).values
        halves = places.diff(dim=-1).unsqueeze(-1) / 2
        z = (places[:, :-1].unsqueeze(-1) + halves * (1 + nodes)).flatten(1)
        density, _, others = _factors(z.unsqueeze(1) - part.unsqueeze(-1), law, lowest, highest)
        parts.append((density * others * (halves * weights).flatten(1).unsqueeze(1)).sum(-1))
    return torch.cat(parts)


def _factors(noise: Tensor, law: Distribution, lowest: float, highest: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return f, F and the product of the other categories' F at noise values of rows x K x nodes."""
    within = noise.clamp(lowest, highest)
    distribution_function = law.cdf(within)
    log_distribution = distribution_function.clamp(min=TAIL).log()
    others = (log_distribution.sum(-2, keepdim=True) - log_distribution).exp()
    return torch.where(noise == within, law.log_prob(within).exp(), 0), distribution_function, others


def _kinks(law: Distribution) -> list[float]:
    """List where the density is not smooth: at the ends of the support, and at the peak of a Laplace law."""
    ends = [float(getattr(law.support, end)) for end in ("lower_bound", "upper_bound") if hasattr(law.support, end)]
    return [*ends, law.loc.item()] if isinstance(law, Laplace) else ends


@functools.lru_cache(maxsize=64)
def noise_range(law: Distribution) -> tuple[float, float]:
    """Return the quantiles of TAIL and 1 - TAIL, by bisection of the distribution function.

    Raises:
        InputError: a law without distribution function in torch.
    """
    try:
        return _quantile(law, TAIL), _quantile(law, 1 - TAIL)
    except (NotImplementedError, RuntimeError):  # some torch functions fail in float64
        raise InputError(
            f"the law {law} has no distribution function in torch.distributions, expected one to compute the"
            " probabilities of codes with; choose another law"
        ) from None


def _quantile(law: Distribution, probability: float) -> float:
    low, high = float(getattr(law.support, "lower_bound", -1e6)), float(getattr(law.support, "upper_bound", 1e6))
    for _ in range(200):
        middle = (low + high) / 2
        if law.cdf(torch.tensor(middle, dtype=torch.float64)) < probability:
            low = middle
        else:
            high = middle
    return high


def kl_of_codes(probabilities: Tensor) -> Tensor:
    """Return KL(q || uniform) over the last dimension, in nats."""
    return torch.xlogy(probabilities, probabilities).sum(-1) + math.log(probabilities.shape[-1])


@dataclass(frozen=True)
class CodesKLWithGradient:
    """KL(q || uniform) of the codes of a stack, with its gradient: the KL part of the true bound.

    There is a noise law for each model, in float64 on the device of the logits.

    Raises:
        InputError: a law that quadrature cannot serve.
    """

    laws: Sequence[Distribution]
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        for law in set(self.laws):
            check_quadrature(law, self.device)

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Do for the KL of the codes what `softmax_kl_with_gradient` does; NaN for a diverged model."""
        members = [self._of_member(*member) for member in zip(logits.mT, self.laws, strict=True)]
        kl, gradient = (torch.stack(parts) for parts in zip(*members, strict=True))
        return kl, gradient.mT.to(logits.dtype)

    @staticmethod
    def _of_member(logits: Tensor, law: Distribution) -> tuple[Tensor, Tensor]:
        if not logits.isfinite().all():
            return torch.full((), math.nan, device=logits.device), torch.full_like(logits, math.nan)
        with torch.inference_mode(False), torch.enable_grad():
            theta = logits.clone().requires_grad_()
            kl = kl_of_codes(argmax_probabilities(theta, law)).sum()
            (gradient,) = torch.autograd.grad(kl, theta)
        return kl.detach().to(logits.dtype), gradient
