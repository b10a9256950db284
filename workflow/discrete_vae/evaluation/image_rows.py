"""Images side by side in rows, as one image."""

import numpy as np

IMAGES = 10  # of a row: reconstructions, or samples of a model


def in_rows(images: np.ndarray, *, columns: int, gap: int) -> np.ndarray:
    """Lay gray images, images x height x width, out in rows of some columns, the last one filled up with white.

    After each image and row comes a white gap, in pixels.
    """
    count, height, width = images.shape
    padded = np.pad(images, ((0, -count % columns), (0, gap), (0, gap)), constant_values=255)
    grid = padded.reshape(-1, columns, height + gap, width + gap)
    return grid.swapaxes(1, 2).reshape(-1, columns * (width + gap))
