"""What a model draws: reconstructions of test images and samples from the prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from discrete_vae.cells import Cell
from discrete_vae.datasets import BinarizedDataset
from discrete_vae.generators import generator
from discrete_vae.model import DiscreteVAE, load_model
from discrete_vae.perturbations import NoiseSource, distribution

IMAGES = 10  # in a row of the figure


def draw_selected(
    model_files: Mapping[Cell, str],
    dataset: BinarizedDataset,
    *,
    perturbations: Mapping[str, Mapping[str, Any]],
    variables: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Draw reconstructions of some test images, and samples from the prior, with each selected model.

    Args:
        model_files: the model.pt of each selected cell, at most one for each perturbation.
        dataset: of the models.
        perturbations: the definitions of the noise laws.
        variables: N.
        seed: of the choice of images and of all that is drawn.

    Returns:
        ``uint8`` gray values from 0 to 255, images x height x width: the test images as ``data``, and for each
        perturbation ``{name}/reconstructions`` and ``{name}/samples``.
    """
    images = choose_images(dataset.splits["test"], count=IMAGES, seed=seed)
    drawn = {"data": 255 * images}
    for cell, path in model_files.items():
        model = load_model(path, variables=variables)
        noise = NoiseSource(distribution(perturbations[cell.perturbation]), generator(seed, "reconstruction noise"))
        drawn[f"{cell.perturbation}/reconstructions"] = reconstruct(model, images, noise)
        drawn[f"{cell.perturbation}/samples"] = sample_prior(model, dataset.image_shape, count=IMAGES, seed=seed)
    return drawn


def choose_images(images: np.ndarray, *, count: int, seed: int) -> np.ndarray:
    """Choose distinct images at random, in their order."""
    chosen = np.random.default_rng(seed).choice(len(images), size=min(count, len(images)), replace=False)
    return images[np.sort(chosen)]


@torch.inference_mode()
def reconstruct(model: DiscreteVAE, images: np.ndarray, noise: NoiseSource) -> np.ndarray:
    """Encode images, draw one discrete code for each, and decode it.

    Args:
        model: of the images' size.
        images: ``uint8`` of 0 and 1, images x height x width.
        noise: of the codes; its generator is advanced.

    Returns:
        ``uint8`` gray values from 0 to 255, of the shape of the images.
    """
    logits = model.encode(torch.from_numpy(images).flatten(1).float())
    codes = (logits + noise.draw(logits.shape)).argmax(-1)
    return _gray(model, codes, images.shape[1:])


@torch.inference_mode()
def sample_prior(model: DiscreteVAE, image_shape: tuple[int, int], *, count: int, seed: int) -> np.ndarray:
    """Draw codes from the uniform prior and decode them to gray values, ``uint8`` of count x height x width."""
    sizes = model.architecture
    shape = (count, sizes.variables)
    codes = torch.randint(sizes.categories, shape, generator=generator(seed, "prior samples"))
    return _gray(model, codes, image_shape)


def _gray(model: DiscreteVAE, codes: Tensor, image_shape: tuple[int, ...]) -> np.ndarray:
    one_hot = F.one_hot(codes, model.architecture.categories).float()
    probabilities = model.decode(one_hot).sigmoid().unflatten(-1, image_shape)
    return (255 * probabilities).round().to(torch.uint8).numpy()
