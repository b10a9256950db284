"""A sheet of samples as a PNG."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from discrete_vae.evaluation.image_rows import in_rows
from discrete_vae.files import written_whole

GAP = 2  # pixels between two images


def save_samples(images: np.ndarray, path: Path) -> None:
    """Save probabilities of ink, images x height x width, as gray images in rows of equal length, ink black."""
    pixels = np.uint8(255 - np.round(255 * images))
    sheet = in_rows(pixels, columns=math.ceil(math.sqrt(len(images))), gap=GAP)[:-GAP, :-GAP]
    with written_whole(path) as temporary:
        Image.fromarray(sheet).save(temporary)
