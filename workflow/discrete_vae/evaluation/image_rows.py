"""Images side by side in rows, as one image."""

import numpy as np


def in_rows(images: np.ndarray, *, columns: int, gap: int) -> np.ndarray:
    """Lay gray images out in white rows, ``columns`` in each, with a gap after each image and row.

    Args:
        images: images x height x width, from 0 (black) to 255 (white).
        columns: images in a row; the last row is filled up with white.
        gap: in pixels.
    """
    count, height, width = images.shape
    padded = np.pad(images, ((0, -count % columns), (0, gap), (0, gap)), constant_values=255)
    grid = padded.reshape(-1, columns, height + gap, width + gap)
    return grid.swapaxes(1, 2).reshape(-1, columns * (width + gap))
