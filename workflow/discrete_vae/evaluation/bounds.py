"""Losses of the selected models on each test image: the paper's loss, and true bounds beside it."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.distributions import Distribution

from discrete_vae.evaluation.discrete_loss import pixel_logits_of_codes
from discrete_vae.evaluation.trained import TrainedModel
from discrete_vae.grid.measures import ACTIVE_INFORMATION, BOUNDS, LOOSENESS, MEASURES, PARTS
from discrete_vae.model.code_probabilities import SMALLEST_PROBABILITY, kl_of_codes, known_probabilities
from discrete_vae.model.network import bernoulli_loss, encode, kl_to_uniform
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator

log = logging.getLogger(__name__)

# Codes decoded in one go: two images of 1,000 samples on a CPU, and what fills a GPU.
CODES_AT_ONCE = {"cpu": 2_000, "cuda": 100_000}
FEWER_SAMPLES = (10, 100)
FROM_WEIGHTS = ("importance_weighted_bound", *LOOSENESS)


@dataclass(frozen=True)
class ImageLosses:
    """Losses of one model in nats, float64 of the number of images; NaN where quadrature cannot serve the law.

    Attributes:
        reconstruction: binary cross-entropy of discrete codes, averaged over samples.
        kl_of_softmax: KL(softmax(theta) || uniform), summed over variables.
        kl_of_codes: KL(q || uniform) of the codes that are drawn.
        importance_weighted_bound: -log mean_l w_l of the weights w_l = p(x, z_l) / q(z_l | x), arXiv 1509.00519.
        bound_of_10_samples, bound_of_100_samples: the bound of fewer samples, averaged over parts of all samples; NaN
            where there are not so many.
        effective_samples: (sum_l w_l)^2 / sum_l w_l^2.
        probabilities: q, images x N x K.
    """

    reconstruction: Tensor
    kl_of_softmax: Tensor
    kl_of_codes: Tensor
    importance_weighted_bound: Tensor
    bound_of_10_samples: Tensor
    bound_of_100_samples: Tensor
    effective_samples: Tensor
    probabilities: Tensor

    @property
    def paper_loss(self) -> Tensor:
        """The paper's loss. It is a bound only where the KL of the softmax is not below the KL of the codes."""
        return self.reconstruction + self.kl_of_softmax

    @property
    def negative_elbo(self) -> Tensor:
        """The negative evidence lower bound: a bound for every law."""
        return self.reconstruction + self.kl_of_codes


def evaluate_images(
    model: Mapping[str, Tensor],
    images: Tensor,
    noise: NoiseSource,
    *,
    code_law: Distribution,
    variables: int,
    samples: int,
) -> ImageLosses:
    """Evaluate one model, a stack of one, on each image.

    Args:
        model: its weights.
        images: ``uint8`` of 0 and 1, images x pixels.
        noise: of the codes; its generator is advanced.
        code_law: the law of the noise, in float64 on the device of the images.
        variables, samples: N, and the codes drawn for each image.
    """
    pixels = images.float()
    logits = encode(model, pixels.unsqueeze(0)).view(len(images), variables, -1)
    probabilities = known_probabilities(logits, code_law)
    log_q_over_prior = probabilities.clamp(min=SMALLEST_PROBABILITY).log() + math.log(logits.shape[-1])
    # Allocated once: small results between large temporaries would make the heap grow by gigabytes.
    mean_reconstruction = torch.empty(len(images), dtype=torch.float64, device=images.device)
    from_weights = torch.empty(len(images), len(FROM_WEIGHTS), dtype=torch.float64, device=images.device)
    chunk_size = max(1, CODES_AT_ONCE[images.device.type] // samples)
    for chunk in torch.arange(len(images), device=images.device).split(chunk_size):
        gamma = noise.draw((len(chunk), samples, *logits.shape[1:]))
        codes = (logits[chunk].unsqueeze(1) + gamma).argmax(-1)
        pixel_logits = pixel_logits_of_codes(model, codes)
        reconstruction = bernoulli_loss(pixel_logits, pixels[chunk].unsqueeze(-1)).squeeze(-1).double()
        log_ratios = log_q_over_prior[chunk].unsqueeze(1).expand(-1, samples, -1, -1)
        log_weights = -reconstruction - log_ratios.gather(-1, codes.unsqueeze(-1)).sum((-1, -2))
        bounds = [_bound(log_weights, count) for count in (samples, *FEWER_SAMPLES)]
        effective_samples = (2 * log_weights.logsumexp(1) - (2 * log_weights).logsumexp(1)).exp()
        from_weights[chunk] = torch.stack([*bounds, effective_samples], dim=1)
        mean_reconstruction[chunk] = reconstruction.mean(1)
    return ImageLosses(
        reconstruction=mean_reconstruction,
        kl_of_softmax=kl_to_uniform(logits.double()).sum(-1),
        kl_of_codes=kl_of_codes(probabilities).sum(-1),
        **dict(zip(FROM_WEIGHTS, from_weights.unbind(1), strict=True)),
        probabilities=probabilities,
    )


def _bound(log_weights: Tensor, samples: int) -> Tensor:
    """Return the importance-weighted bound of some samples, from log weights of images x all samples."""
    parts = log_weights.shape[1] // samples
    if not parts:
        return torch.full_like(log_weights[:, 0], math.nan)
    of_part = log_weights[:, : parts * samples].unflatten(1, (parts, samples)).logsumexp(2)
    return math.log(samples) - of_part.mean(1)


def use_of_codes(probabilities: Tensor) -> dict[str, float]:
    """Return how much of its codes a model uses, given q of each image, images x N x K.

    Returns:
        ``active_variables`` counts the variables with more than ACTIVE_INFORMATION nats of mutual information with the
        image: the categorical form of the active units of arXiv 1509.00519. ``perplexity`` is exp of the entropy of a
        variable's categories over all images, averaged over variables; K if all categories are equally frequent.
    """
    over_images = probabilities.mean(0)
    entropy_over_images = torch.special.entr(over_images).sum(-1)
    entropy_given_image = torch.special.entr(probabilities).sum(-1).mean(0)
    information = entropy_over_images - entropy_given_image
    active = (information > ACTIVE_INFORMATION).double().sum().item()
    return {
        "active_variables": active if information.isfinite().all() else math.nan,
        "perplexity": entropy_over_images.exp().mean().item(),
    }


def evaluate_selected(
    models: Sequence[TrainedModel], images: np.ndarray, *, samples: int, device: torch.device
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Evaluate selected models on the test images, ``uint8`` of 0 and 1, images x height x width.

    Returns:
        A table with the columns BOUNDS, one row a model: means over images in nats, missing where quadrature cannot
        serve the law. And by the cell's name the losses of each image, float32 of 3 x images in the order of MEASURES.
    """
    flat_images = torch.from_numpy(images).flatten(1).to(device)
    # One for each law, not for each model: the range of its noise is searched for once.
    code_laws = {model.law: distribution(model.law, torch.float64, device) for model in models}
    rows, image_losses = [], {}
    for model in models:
        noise = NoiseSource(distribution(model.law, torch.float64), generator(model.cell.seed, "bound noise", device))
        losses = evaluate_images(
            {name: values.unsqueeze(0).to(device) for name, values in model.network.state_dict().items()},
            flat_images,
            noise,
            code_law=code_laws[model.law],
            variables=model.network.architecture.variables,
            samples=samples,
        )
        kept = torch.stack([getattr(losses, name) for name in MEASURES]).float()
        means = dict(zip(MEASURES, kept.double().mean(1).tolist(), strict=True))
        parts = {name: getattr(losses, name).mean().item() for name in (*PARTS, *LOOSENESS)}
        use = use_of_codes(losses.probabilities)
        rows.append({**model.cell.coordinates(), "samples": samples, **means, **parts, **use})
        image_losses[str(model.cell)] = kept.cpu().numpy()
        log.info("%s: %s", model.cell, ", ".join(f"{name} {loss:.2f}" for name, loss in means.items()))
    return pd.DataFrame(rows, columns=BOUNDS), image_losses
