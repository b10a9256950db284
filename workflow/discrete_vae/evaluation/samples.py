"""A sheet of samples as a PNG."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from discrete_vae.evaluation.image_rows import in_rows
from discrete_vae.files import written_whole

LEAST_HEIGHT = 56  # of an image on the sheet, in pixels
GAP = 4  # pixels between two images


def save_samples(images: np.ndarray, path: Path) -> None:
    """Save probabilities of ink, images x height x width, as gray images in rows of equal length, ink black.

    Small images are enlarged by a whole factor.
    """
    factor = math.ceil(LEAST_HEIGHT / images.shape[1])
    pixels = np.uint8(255 - np.round(255 * images)).repeat(factor, axis=1).repeat(factor, axis=2)
    sheet = in_rows(pixels, columns=math.ceil(math.sqrt(len(images))), gap=GAP)[:-GAP, :-GAP]
    with written_whole(path) as temporary:
        Image.fromarray(sheet).save(temporary)
