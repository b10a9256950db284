"""Probabilities of the codes argmax(theta + gamma) under any law of the noise gamma, and their KL.

With the density f and the distribution function F of the noise, the codes are drawn from

    q(k) = P(argmax_j (theta_j + gamma_j) = k) = integral of f(z - theta_k) * product over j != k of F(z - theta_j) dz.

Only for standard Gumbel noise is this softmax(theta).
"""

import functools
import logging
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Gumbel

from discrete_vae.config.definitions import Law
from discrete_vae.errors import InputError
from discrete_vae.model.noise import distribution, spell
from discrete_vae.model.quadrature import Quadrature, noise_range, resolve

log = logging.getLogger(__name__)

SMALLEST_PROBABILITY = 1e-300  # of a code, where a logarithm is taken
PLACES, STEEP = 1_001, 2.0  # where a density is looked at, and how much higher it may be at an end


def argmax_probabilities(logits: Tensor, law: Distribution) -> Tensor:
    """Return the probability of each category to have the largest logit plus noise; differentiable in the logits.

    Gumbel noise has a closed form. Other laws are integrated, see `discrete_vae.model.quadrature`.

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
    return resolve(logits.reshape(-1, logits.shape[-1]), law)[1].view_as(logits)


def check_quadrature(law: Distribution, device: torch.device | str = "cpu") -> None:
    """Try a law on four logits, before hours are spent on many. Raises what `argmax_probabilities` raises."""
    argmax_probabilities(torch.linspace(0, 1, 4, device=device), law)


def known_probabilities(logits: Tensor, law: Distribution) -> Tensor:
    """Do what `argmax_probabilities` does, but return NaN for a law that it cannot serve."""
    try:
        if _is_served(law, logits.device):
            return argmax_probabilities(logits, law)
    except InputError as error:  # of these logits only
        log.warning("the probabilities of codes are not known: %s", error)
    return torch.full_like(logits, math.nan, dtype=torch.float64)


@functools.lru_cache(maxsize=64)
def _is_served(law: Distribution, device: torch.device) -> bool:
    try:
        check_quadrature(law, device)
    except InputError as error:
        log.warning("the probabilities of codes are not known: %s", error)
        return False
    return True


def has_bounded_density(law: Distribution, device: torch.device | str = "cpu") -> bool:
    """Tell whether the density is bounded at both ends of its range. Otherwise quadrature gives a wrong gradient."""
    places = torch.linspace(*noise_range(law, device), PLACES, dtype=torch.float64, device=device)
    log_density = law.log_prob(places)
    rise = log_density[[0, -1]].max() - log_density[1:-1].max()
    return bool(rise <= math.log(STEEP))  # false also where torch gives infinity minus infinity


def kl_of_codes(probabilities: Tensor) -> Tensor:
    """Return KL(q || uniform) over the last dimension, in nats."""
    # The derivative of q log q is infinite at 0, where quadrature puts what lies beyond the range of the noise.
    above_zero = probabilities.clamp(min=SMALLEST_PROBABILITY)
    return torch.xlogy(probabilities, above_zero).sum(-1) + math.log(probabilities.shape[-1])


class CodesKLWithGradient:
    """KL(q || uniform) of the codes of a stack, with its gradient: the KL part of the true bound.

    The nodes of the quadrature are fixed, so a call waits for nothing on the device.

    Args:
        laws: the noise law of each model, in float64 on the device.
        categories: K.
        device: of the logits.

    Raises:
        InputError: a law that quadrature cannot serve, or whose density is unbounded or too steep at an end.
    """

    def __init__(self, laws: Sequence[Distribution], categories: int, device: torch.device | str = "cpu") -> None:
        # Equal logits are the hardest: their largest sum with noise is spread least.
        spreads, places = (torch.linspace(0, end, n, dtype=torch.float64) for end, n in ((30, 4), (1, categories)))
        trials = (spreads.unsqueeze(1) * places).to(device)
        self._of_law = []
        for law in dict.fromkeys(laws):
            members = torch.tensor([member for member, other in enumerate(laws) if other is law], device=device)
            quadrature = None if isinstance(law, Gumbel) else resolve(trials, law)[0]
            # An unbounded density has no known gradient, and steps of the distribution function take minutes.
            if not has_bounded_density(law, device) or (quadrature and quadrature.over_steps):
                raise InputError(
                    f"the law {spell(law)} has a density that is unbounded or too steep at an end, expected a bounded,"
                    " smoother one; choose another law"
                )
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


def check_trainable(laws: Mapping[str, Law], categories: Sequence[int]) -> None:
    """Check that models can be trained on the KL of their codes, with noise laws by name and numbers of categories.

    Raises:
        InputError: the first law that cannot serve.
    """
    for name, law in laws.items():
        try:
            for K in categories:
                CodesKLWithGradient([distribution(law, torch.float64)], K)
        except InputError as error:
            raise InputError(f"grid.perturbation has {name!r}: {error}, or set training.kl to softmax") from None


def _kl_with_gradient(rows: Tensor, law: Distribution, quadrature: Quadrature | None) -> tuple[Tensor, Tensor]:
    """Return the KL of the codes of each row of logits, and its gradient; Gumbel noise needs no quadrature."""
    with torch.inference_mode(False), torch.enable_grad():
        theta = rows.clone().requires_grad_()
        kl = kl_of_codes(quadrature.of_part(theta, law) if quadrature else F.softmax(theta / law.scale, dim=-1))
        (gradient,) = torch.autograd.grad(kl.sum(), theta)
    return kl.detach(), gradient
