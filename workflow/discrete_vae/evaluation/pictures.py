"""What a model draws: reconstructions of test images and samples from the prior."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.selected import SelectedModel
from discrete_vae.evaluation.trained import prior_codes
from discrete_vae.model.network import DiscreteVAE, load_model
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator

IMAGES = 10  # reconstructed, in a row of the figure
SAMPLES = 20  # of each model
SEED = 0  # of the choice of images, their noise and the prior samples


def draw_selected(models: Sequence[SelectedModel], dataset: BinarizedDataset) -> dict[str, np.ndarray]:
    """Draw reconstructions of some test images, and samples from the prior, with each selected model.

    Returns ``uint8`` gray values from 0 to 255, images x height x width: the test images as ``data``, and for each
    perturbation ``{name}/reconstructions`` and ``{name}/samples``.
    """
    images = choose_images(dataset.splits["test"], count=IMAGES, seed=SEED)
    drawn = {"data": 255 * images}
    for selected in models:
        model = load_model(selected.path, variables=selected.variables)
        noise = NoiseSource(distribution(selected.law), generator(SEED, "reconstruction noise"))
        law = selected.cell.perturbation
        drawn[f"{law}/reconstructions"] = reconstruct(model, images, noise)
        drawn[f"{law}/samples"] = sample_prior(model, dataset.image_shape, count=SAMPLES, seed=SEED)
    return drawn


def choose_images(images: np.ndarray, *, count: int, seed: int) -> np.ndarray:
    """Choose distinct images at random, in their order."""
    chosen = np.random.default_rng(seed).choice(len(images), size=min(count, len(images)), replace=False)
    return images[np.sort(chosen)]


@torch.inference_mode()
def reconstruct(model: DiscreteVAE, images: np.ndarray, noise: NoiseSource) -> np.ndarray:
    """Encode images (``uint8`` of 0 and 1, images x height x width), draw one code for each, and decode it.

    Returns ``uint8`` gray values from 0 to 255, of the shape of the images.
    """
    logits = model.encode(torch.from_numpy(images).flatten(1).float())
    return _gray(model, (logits + noise.draw(logits.shape)).argmax(-1), images.shape[1:])


@torch.inference_mode()
def sample_prior(model: DiscreteVAE, image_shape: tuple[int, int], *, count: int, seed: int) -> np.ndarray:
    """Draw codes from the uniform prior and decode them to gray values, ``uint8`` of count x height x width."""
    return _gray(model, prior_codes(model, count, seed=seed), image_shape)


def _gray(model: DiscreteVAE, codes: Tensor, image_shape: tuple[int, ...]) -> np.ndarray:
    one_hot = F.one_hot(codes, model.architecture.categories).float()
    probabilities = model.decode(one_hot).sigmoid().unflatten(-1, image_shape)
    return (255 * probabilities).round().to(torch.uint8).numpy()
