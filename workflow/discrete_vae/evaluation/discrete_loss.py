"""The discrete loss: reconstruction of codes drawn with argmax, plus the KL of the softmax or of the codes."""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution

from discrete_vae.model.code_probabilities import kl_of_codes, known_probabilities
from discrete_vae.model.network import encode, kl_to_uniform
from discrete_vae.model.noise import NoiseSource

# Codes decoded in one go: what fits the caches of a CPU core, and what fills a GPU.
CODES_AT_ONCE = {"cpu": 500, "cuda": 100_000}


def discrete_loss(
    weights: Mapping[str, Tensor],
    images: Tensor,
    *,
    variables: int,
    samples: int,
    noise_sources: Sequence[NoiseSource],
    source_of: Sequence[int],
    code_laws: Sequence[Distribution] | None = None,
) -> tuple[Tensor, Tensor]:
    """Evaluate every model of a stack on a set of images, with one_hot(argmax(theta + gamma)) for codes.

    The result of a model does not depend on the other models of the stack.

    Args:
        weights: a stack of S models.
        images: ``uint8`` of 0 and 1, images x pixels, on the device of the weights.
        variables, samples: N, and the codes drawn for each image.
        noise_sources: their generators are advanced.
        source_of: the index of each model's noise source.
        code_laws: the noise law of each model, in float64, for the KL of the codes. Without them the KL is the paper's,
            of the softmax.

    Returns:
        Reconstruction and KL part of the loss in nats, averaged over samples: float64, S x images.
    """
    categories = weights["encoder.2.bias"].shape[-1] // variables
    reconstruction = torch.empty(len(source_of), len(images), dtype=torch.float64, device=images.device)
    kl = torch.empty_like(reconstruction)
    chunk_size = max(1, CODES_AT_ONCE[images.device.type] // samples)
    for start in range(0, len(images), chunk_size):
        chunk = slice(start, start + chunk_size)
        pixels = images[chunk].float()
        noise = [source.draw((len(pixels), samples, variables, categories)) for source in noise_sources]
        for member, source in enumerate(source_of):
            model = {name: values[member : member + 1] for name, values in weights.items()}
            logits = encode(model, pixels.unsqueeze(0)).view(-1, 1, variables, categories)
            pixel_logits = pixel_logits_of_codes(model, (logits + noise[source]).argmax(-1))
            # The mean of `bernoulli_loss` over samples, with a single product for each image.
            x_times_o = (pixels * pixel_logits.mean(1)).sum(-1)
            reconstruction[member, chunk] = (F.softplus(pixel_logits).sum(-1).mean(1) - x_times_o).double()
            kl[member, chunk] = _kl(logits, code_laws and code_laws[member]).sum((1, 2)).double()
    return reconstruction, kl


def _kl(logits: Tensor, code_law: Distribution | None) -> Tensor:
    if code_law is None:
        return kl_to_uniform(logits)
    if not logits.isfinite().all():
        return torch.full_like(logits[..., 0], math.nan)
    return kl_of_codes(known_probabilities(logits, code_law))


def mean_kl_of_codes(
    weights: Mapping[str, Tensor], images: Tensor, *, variables: int, code_laws: Sequence[Distribution]
) -> list[float]:
    """Return the KL of the codes of every model of a stack in nats, averaged over images; NaN where it is not known.

    The arguments are as for `discrete_loss`.
    """
    means = []
    for member, law in enumerate(code_laws):
        model = {name: values[member : member + 1] for name, values in weights.items()}
        logits = encode(model, images.float().unsqueeze(0)).unflatten(-1, (variables, -1))
        means.append(_kl(logits, law).sum(-1).mean().item())
    return means


def pixel_logits_of_codes(model: Mapping[str, Tensor], codes: Tensor) -> Tensor:
    """Decode codes, the category of each variable (images x samples x N), to logits (images x samples x pixels)."""
    images, samples, variables = codes.shape
    # The decoder's first layer maps a one-hot code to the sum of one row for each variable.
    rows = model["decoder.0.weight"][0].T.clone(memory_format=torch.contiguous_format)
    categories = len(rows) // variables
    rows[:categories] += model["decoder.0.bias"]  # once a code, with its first variable, and not over all codes
    indices = codes.view(-1, variables) + torch.arange(0, len(rows), categories, device=codes.device)
    hidden = F.embedding_bag(indices, rows, mode="sum").relu_()
    # Not `linear`: for a single model, a GPU adds the bias within the product.
    pixel_logits = F.linear(hidden, model["decoder.2.weight"][0], model["decoder.2.bias"][0])
    return pixel_logits.view(images, samples, -1)
