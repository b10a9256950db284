"""A model so small that its codes can be enumerated, its images, and cells for it."""

import torch
import torch.nn.functional as F
from discrete_vae.config.definitions import law_of
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.network import Architecture, DiscreteVAE, Weights, initial_weights
from discrete_vae.model.noise import distribution
from discrete_vae.model.random_streams import generator
from torch import Tensor

SIZES = Architecture(pixels=6, hidden=5, variables=2, categories=3)
IMAGES = torch.tensor([[0, 1, 1, 0, 0, 1], [1, 1, 0, 0, 1, 0]], dtype=torch.uint8)
CELLS = [Cell("tiny", 4, law, temperature, seed) for law in PAPER_LAWS for temperature in (0.3, 1.0) for seed in (1, 2)]


def weights_of(seed: int, *, times: float = 1, sizes: Architecture = SIZES) -> Weights:
    """Draw initial weights. A multiple of them moves the softmax from uniform, and makes the ReLUs active."""
    return {name: times * values for name, values in initial_weights(sizes, generator(seed, "weights")).items()}


def in_double(definition: dict):
    return distribution(law_of(definition), torch.float64)


def losses_of_all_codes(model: DiscreteVAE, images: Tensor) -> tuple[Tensor, Tensor]:
    """Enumerate the codes (codes x N), and the loss of each image under each code (images x codes, float64)."""
    N, K = model.architecture.variables, model.architecture.categories
    codes = torch.cartesian_prod(*[torch.arange(K)] * N)
    pixel_logits = model.decode(F.one_hot(codes, K).float()).expand(len(images), -1, -1)
    pixels = images.float().unsqueeze(1).expand_as(pixel_logits)
    losses = F.binary_cross_entropy_with_logits(pixel_logits, pixels, reduction="none").sum(-1)
    return codes, losses.double()
