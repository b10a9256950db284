"""What a model draws: reconstructions of test images and samples from the prior."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.image_rows import IMAGES
from discrete_vae.evaluation.trained import TrainedModel

SEED = 0  # of the choice of images, their noise and the prior samples


def draw_selected(models: Sequence[TrainedModel], dataset: BinarizedDataset) -> dict[str, np.ndarray]:
    """Draw reconstructions of some test images, and samples from the prior, with each selected model.

    Returns ``uint8`` gray values from 0 to 255, images x height x width: the test images as ``data``, and for each
    perturbation ``{name}/reconstructions`` and ``{name}/samples``.
    """
    images = dataset.splits["test"]
    chosen = np.random.default_rng(SEED).choice(len(images), size=min(IMAGES, len(images)), replace=False)
    images = images[np.sort(chosen)]
    drawn = {"data": 255 * images}
    for model in models:
        codes = model.draw_codes(model.encode(images), seed=SEED)
        law = model.cell.perturbation
        drawn[f"{law}/reconstructions"] = _gray(model.decode(codes))
        drawn[f"{law}/samples"] = _gray(model.sample(IMAGES, seed=SEED))
    return drawn


def _gray(probabilities: Tensor) -> np.ndarray:
    return (255 * probabilities).round().to(torch.uint8).numpy()
