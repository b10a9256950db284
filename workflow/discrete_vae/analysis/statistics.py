"""The uncertainty of a mean over seeds, of a difference between paired seeds, and of a mean over test images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import MEASURES

LEVEL = 0.05  # of the tests; the intervals are at 1 - LEVEL


def t_interval(values: Sequence[float] | pd.Series) -> tuple[float, float]:
    """Return Student's t interval of the mean at 95%. It is missing for fewer than two values, and for equal ones."""
    comparison = paired_comparison(values)
    return comparison["low"], comparison["high"]


def paired_comparison(differences: Sequence[float] | pd.Series) -> dict[str, float]:
    """Test whether the mean of paired differences is zero. Missing differences are left out.

    Returns:
        ``n`` seeds; ``difference``, the mean; ``low`` to ``high``, its 95% t interval; ``p`` of the two-sided t test.
        The last three are missing for a single seed, and for equal differences.
    """
    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values)]
    mean = values.mean() if len(values) else np.nan
    low = high = p = np.nan
    if len(values) > 1 and values.std() > 0:
        test = scipy.stats.ttest_1samp(values, 0)
        (low, high), p = test.confidence_interval(1 - LEVEL), test.pvalue
    return {"n": len(values), "difference": mean, "low": low, "high": high, "p": p}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values for their number by Holm's method (1979). Missing ones stay missing and do not count."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    adjusted = np.full_like(p, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def mean_of_images(cells: Sequence[Cell], per_image: Mapping[str, np.ndarray]) -> np.ndarray:
    """Average the losses of each test image over the seeds of one dataset, K and perturbation.

    Returns:
        Nats, measures x images, float64. A single missing value a measure, if a cell is not in ``per_image``.
    """
    known = [per_image[str(cell)].astype(float) for cell in cells if str(cell) in per_image]
    return np.mean(known, axis=0) if known and len(known) == len(cells) else np.full((len(MEASURES), 1), np.nan)


def standard_errors(losses: np.ndarray) -> dict[str, float]:
    """Return the standard error of the mean over images for each measure, from measures x images; missing for one."""
    errors = scipy.stats.sem(losses, axis=1) if losses.shape[1] > 1 else losses[:, 0] * np.nan
    return dict(zip(MEASURES, errors, strict=True))
