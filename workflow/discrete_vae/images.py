"""What a model draws: reconstructions of test images and samples from the prior."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from discrete_vae.generators import generator
from discrete_vae.model import Architecture, DiscreteVAE, Parameters
from discrete_vae.perturbations import NoiseSource


def load_model(path: str, *, variables: int) -> DiscreteVAE:
    """Load a run's model.pt."""
    return model_of(torch.load(path, weights_only=True), variables=variables)


def model_of(state: Parameters, *, variables: int) -> DiscreteVAE:
    """Make the module of a state dict, whose sizes it tells except N."""
    hidden, pixels = state["encoder.0.weight"].shape
    architecture = Architecture(pixels, hidden, variables, len(state["encoder.2.bias"]) // variables)
    model = DiscreteVAE(architecture)
    model.load_state_dict(state)
    return model


def choose_images(images: np.ndarray, *, count: int, seed: int) -> np.ndarray:
    """Choose distinct images at random, in their order."""
    chosen = np.random.default_rng(seed).choice(len(images), size=min(count, len(images)), replace=False)
    return images[np.sort(chosen)]


@torch.inference_mode()
def reconstruct(model: DiscreteVAE, images: np.ndarray, noise: NoiseSource) -> np.ndarray:
    """Encode images of 0 and 1, draw one discrete code for each, and decode it to gray values from 0 to 255."""
    logits = model.encode(torch.from_numpy(images).flatten(1).float())
    codes = (logits + noise.draw(logits.shape)).argmax(-1)
    return _gray(model, codes, images.shape[1:])


@torch.inference_mode()
def sample_prior(model: DiscreteVAE, image_shape: tuple[int, int], *, count: int, seed: int) -> np.ndarray:
    """Draw codes from the uniform prior and decode them to gray values from 0 to 255."""
    sizes = model.architecture
    shape = (count, sizes.variables)
    codes = torch.randint(sizes.categories, shape, generator=generator(seed, "prior samples"))
    return _gray(model, codes, image_shape)


def _gray(model: DiscreteVAE, codes: Tensor, image_shape: tuple[int, ...]) -> np.ndarray:
    one_hot = F.one_hot(codes, model.architecture.categories).float()
    probabilities = model.decode(one_hot).sigmoid().unflatten(-1, image_shape)
    return (255 * probabilities).round().to(torch.uint8).numpy()
