"""True bounds on the likelihood for codes argmax(theta + gamma), whatever the law of the noise gamma.

The codes are drawn from q(k) = P(argmax_j (theta_j + gamma_j) = k), which is softmax(theta) for standard Gumbel noise
only. With the density f and the distribution function F of the noise,

    q(k) = integral of f(z - theta_k) * product over j != k of F(z - theta_j) dz.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Gumbel

from discrete_vae.cells import Cell
from discrete_vae.errors import InputError
from discrete_vae.evaluation import pixel_logits_of_codes
from discrete_vae.generators import generator
from discrete_vae.model import encode
from discrete_vae.perturbations import NoiseSource, distribution

log = logging.getLogger(__name__)

BOUNDS = ("negative_elbo", "importance_weighted_bound")

TAIL = 1e-13  # probability of a single noise value beyond either end of the quadrature
SMOOTH_INTERVALS, MOST_INTERVALS = (128, 512), 32_768
TOLERANCE = 5e-7  # of the sum of the probabilities, or between two numbers of intervals
NUMBERS_AT_ONCE = 8_000_000
CODES_AT_ONCE = 2_000
SMALLEST_PROBABILITY = 1e-300  # of a code that was drawn, however unlikely


def argmax_probabilities(logits: Tensor, law: Distribution) -> Tensor:
    """Return the probability of each category to have the largest logit plus noise; differentiable in the logits.

    In closed form for Gumbel noise. Otherwise by the trapezoidal rule on the density, which converges exponentially for
    a smooth one; where the probabilities then do not sum to one, as with a jump or a kink, by summing over steps of the
    distribution function, halved until the probabilities settle.

    Args:
        logits: theta, ... x K.
        law: of the noise, independent for each logit; computing in float64.

    Returns:
        float64, of the shape of the logits.

    Raises:
        InputError: a law without distribution function, or with tails too heavy for quadrature.
    """
    logits = logits.double()
    if isinstance(law, Gumbel):
        return F.softmax(logits / law.scale, dim=-1)
    lowest, highest = _range_of_noise(law)
    rows = logits.reshape(-1, logits.shape[-1])
    for intervals in SMOOTH_INTERVALS:
        probabilities = _by_chunks(_sum_over_density, rows, law, lowest, highest, intervals)
        if (probabilities.detach().sum(-1) - 1).abs().max() < TOLERANCE:
            return probabilities.view_as(logits)
    while intervals < MOST_INTERVALS:
        former, intervals = probabilities.detach(), 2 * intervals
        probabilities = _by_chunks(_sum_over_steps, rows, law, lowest, highest, intervals)
        if (probabilities.detach() - former).abs().max() < TOLERANCE:
            return probabilities.view_as(logits)
    raise InputError(
        f"the law {law} has tails that quadrature does not resolve to {TOLERANCE}, expected lighter ones;"
        " leave it out of the bounds"
    )


def _by_chunks(
    rule: Callable[..., Tensor], rows: Tensor, law: Distribution, lowest: float, highest: float, intervals: int
) -> Tensor:
    # The largest of theta + gamma lies within the range of the noise above the largest theta.
    nodes = torch.linspace(lowest, highest, intervals + 1, dtype=torch.float64, device=rows.device)
    chunk = max(1, NUMBERS_AT_ONCE // (intervals * rows.shape[1]))
    parts = []
    for part in rows.split(chunk):
        noise = part.detach().amax(-1, keepdim=True).unsqueeze(-1) + nodes - part.unsqueeze(-1)
        within = noise.clamp(lowest, highest)
        distribution_function = law.cdf(within)
        log_distribution = distribution_function.clamp(min=TAIL).log()
        others = (log_distribution.sum(-2, keepdim=True) - log_distribution).exp()
        density = torch.where(noise == within, law.log_prob(within).exp(), 0)
        parts.append(rule(density, distribution_function, others, (highest - lowest) / intervals))
    return torch.cat(parts)


def _sum_over_density(density: Tensor, distribution_function: Tensor, others: Tensor, step: float) -> Tensor:
    return step * (density * others).sum(-1)


def _sum_over_steps(density: Tensor, distribution_function: Tensor, others: Tensor, step: float) -> Tensor:
    return (distribution_function.diff(dim=-1) * (others[..., 1:] + others[..., :-1]) / 2).sum(-1)


def _range_of_noise(law: Distribution) -> tuple[float, float]:
    """Return the quantiles of TAIL and 1 - TAIL, by bisection of the distribution function."""
    try:
        law.cdf(law.sample().double())
    except NotImplementedError:
        raise InputError(
            f"the law {law} has no distribution function in torch.distributions, expected one to compute bounds with;"
            " leave it out of the bounds or choose another law"
        ) from None
    return _quantile(law, TAIL), _quantile(law, 1 - TAIL)


def _quantile(law: Distribution, probability: float) -> float:
    support = law.support
    low, high = (
        float(getattr(support, end, default)) for end, default in (("lower_bound", -1e6), ("upper_bound", 1e6))
    )
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


def importance_weighted_bound(
    model: Mapping[str, Tensor], images: Tensor, noise: NoiseSource, *, variables: int, samples: int
) -> tuple[Tensor, Tensor]:
    """Evaluate two upper bounds on the negative log-likelihood of each image, in nats.

    Args:
        model: a stack of one.
        images: ``uint8`` of 0 and 1, images x pixels.
        noise: of the codes; its generator is advanced.
        variables: N.
        samples: codes drawn for each image.

    Returns:
        The negative evidence lower bound, with the KL of the codes drawn, and the importance-weighted bound
        -log mean_l p(x, z_l) / q(z_l | x) of arXiv 1509.00519, each float64 of the number of images.
    """
    pixels = images.float()
    logits = encode(model, pixels.unsqueeze(0)).view(len(images), variables, -1)
    probabilities = argmax_probabilities(logits, noise.law)
    kl = kl_of_codes(probabilities).sum(-1)
    log_q_over_prior = probabilities.clamp(min=SMALLEST_PROBABILITY).log() + math.log(logits.shape[-1])
    negative_elbo, importance_weighted = [], []
    for chunk in torch.arange(len(images), device=images.device).split(max(1, CODES_AT_ONCE // samples)):
        gamma = noise.draw((len(chunk), samples, *logits.shape[1:]))
        codes = (logits[chunk].unsqueeze(1) + gamma).argmax(-1)
        pixel_logits = pixel_logits_of_codes(model, codes)
        # Binary cross-entropy with logits o and pixels x is softplus(o) - x o.
        x_times_o = torch.bmm(pixel_logits, pixels[chunk].unsqueeze(-1)).squeeze(-1)
        reconstruction = (F.softplus(pixel_logits).sum(-1) - x_times_o).double()
        log_ratios = log_q_over_prior[chunk].unsqueeze(1).expand(-1, samples, -1, -1)
        log_weight_of_q = log_ratios.gather(-1, codes.unsqueeze(-1)).sum((-1, -2))
        importance_weighted.append(math.log(samples) - (-reconstruction - log_weight_of_q).logsumexp(1))
        negative_elbo.append(reconstruction.mean(1) + kl[chunk])
    return torch.cat(negative_elbo), torch.cat(importance_weighted)


def evaluate_selected(
    model_files: Mapping[Cell, str],
    images: np.ndarray,
    *,
    perturbations: Mapping[str, Mapping[str, Any]],
    variables: int,
    samples: int,
    device: torch.device,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Evaluate the bounds of selected models on the test images.

    Args:
        model_files: the model.pt of each selected cell.
        images: ``uint8`` of 0 and 1, images x height x width.
        perturbations: the definitions of the noise laws.
        variables: N.
        samples: codes drawn for each image.
        device: where to evaluate.

    Returns:
        A row for each cell, its coordinates with the means over images in nats, missing for a law without distribution
        function; and by the cell's name the bounds of each image, float32 of 2 x images.
    """
    flat_images = torch.from_numpy(images).flatten(1).to(device)
    rows, per_image = [], {}
    for cell, path in model_files.items():
        law = distribution(perturbations[cell.perturbation], torch.float64)
        noise = NoiseSource(law, generator(cell.seed, "bound noise", device))
        state = torch.load(path, weights_only=True, map_location=device)
        model = {name: values.unsqueeze(0) for name, values in state.items()}
        row = {**cell.coordinates(), "samples": samples, **dict.fromkeys(BOUNDS, math.nan)}
        try:
            bounds = importance_weighted_bound(model, flat_images, noise, variables=variables, samples=samples)
            row |= {name: bound.mean().item() for name, bound in zip(BOUNDS, bounds, strict=True)}
            per_image[str(cell)] = torch.stack(bounds).float().cpu().numpy()
        except InputError as error:
            log.warning("no bounds for %s: %s", cell, error)
        rows.append(row)
        log.info("%s: %s", cell, ", ".join(f"{name} {row[name]:.2f}" for name in BOUNDS))
    return pd.DataFrame(rows), per_image
