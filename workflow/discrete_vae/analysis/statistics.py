"""The uncertainty of a mean over seeds, of a difference between paired seeds, and of a mean over test images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import MEASURES

LEVEL = 0.05  # of the tests; the intervals are at 1 - LEVEL


def t_interval(values: Sequence[float] | pd.Series) -> tuple[float, float]:
    """Return Student's t interval of the mean at 95%, missing for fewer than two values or equal ones."""
    low, high, _ = _t_test(_finite(values))
    return low, high


def interval_texts(table: pd.DataFrame) -> list[str]:
    """Spell the intervals ``low`` to ``high`` of a table's rows, with two decimals."""
    return [
        "no interval" if np.isnan(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]


def paired_comparison(differences: Sequence[float] | pd.Series) -> dict[str, float]:
    """Test whether the mean of paired differences is zero.

    Returns:
        ``n`` seeds; ``difference``, the mean; its 95% t interval ``low`` to ``high`` and the two-sided ``p`` of the
        paired t test, all three missing for a single seed and for equal differences. A pair with a missing value is
        left out.
    """
    values = _finite(differences)
    low, high, p = _t_test(values)
    return {
        "n": len(values),
        "difference": values.mean() if len(values) else np.nan,
        "low": low,
        "high": high,
        "p": p,
    }


def _t_test(values: np.ndarray) -> tuple[float, float, float]:
    """Return the interval of the mean and the p-value; missing where the spread is unknown."""
    if len(values) < 2 or values.std() == 0:
        return np.nan, np.nan, np.nan
    test = scipy.stats.ttest_1samp(values, 0)
    return *test.confidence_interval(1 - LEVEL), test.pvalue


def _finite(values: Sequence[float] | pd.Series) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values for their number by the step-down method of Holm (1979); missing ones stay missing."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    adjusted = np.full_like(p, np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


def mean_of_images(cells: Sequence[Cell], measure: str, per_image: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Average a loss of each test image over the seeds of some cells.

    Args:
        cells: the selected cells of one dataset, K and perturbation.
        measure: a column of MEASURES, in whose order the arrays' rows are.
        per_image: what `bounds.evaluate_selected` keeps, by the name of the cell.

    Returns:
        Nats for each image, float64; None where a cell's are not known.
    """
    row = list(MEASURES).index(measure)
    known = [per_image[str(cell)][row].astype(float) for cell in cells if str(cell) in per_image]
    return np.mean(known, axis=0) if known and len(known) == len(cells) else None


def standard_error(values: np.ndarray | None) -> float:
    """Return the standard error of the mean over images, missing where their values are."""
    return np.nan if values is None else float(scipy.stats.sem(values))
