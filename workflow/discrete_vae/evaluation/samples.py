"""A sheet of samples as a PNG."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from discrete_vae.files import written_whole

GAP = 2  # pixels between two images


def save_samples(images: np.ndarray, path: Path) -> None:
    """Save probabilities of ink, images x height x width, as gray images in rows of equal length, ink black."""
    count, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    sheet = np.zeros((math.ceil(count / columns), columns, height + GAP, width + GAP))
    sheet.reshape(-1, *sheet.shape[2:])[:count, :height, :width] = images
    pixels = sheet.swapaxes(1, 2).reshape(-1, columns * (width + GAP))[:-GAP, :-GAP]
    with written_whole(path) as temporary:
        Image.fromarray(np.uint8(255 - np.round(255 * pixels))).save(temporary)
