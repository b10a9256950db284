"""The uncertainty of a mean over seeds, of a difference between paired seeds, and of a mean over test images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import MEASURES

SIGNIFICANCE = 0.05  # of the tests; the intervals are at 1 - SIGNIFICANCE
MARGIN = 1.0  # nats, within which the losses of two noise laws count as level
MOST_FLIPPED = 16  # seeds of an exact sign-flip test, which takes 2^n steps
NO_SPREAD = 1e-9  # of the values, relative to the largest of them

Values = Sequence[float] | pd.Series


def t_interval(values: Values) -> tuple[float, float]:
    """Return Student's t interval of the mean at 95%. It is missing for fewer than two values, and for equal ones."""
    compared = compare_with_zero(values)
    return compared["low"], compared["high"]


def compare_with_zero(values: Values) -> dict[str, float]:
    """Test whether the mean over seeds of a difference is zero. Missing values are left out.

    Returns:
        ``n`` seeds; ``difference``, the mean; ``low`` to ``high``, its 95% t interval; ``p`` of the two-sided t test.
        Without spread, as for a single seed, there is no interval. Then ``p`` comes from a sign-flip test: 2 / 2^n, or
        1 if all values are zero.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    n, mean = len(known), known.mean() if len(known) else np.nan
    low = high = np.nan
    if not n:
        p = np.nan
    elif _has_spread(known):
        test = scipy.stats.ttest_1samp(known, 0)
        (low, high), p = test.confidence_interval(1 - SIGNIFICANCE), test.pvalue
    else:
        p = 2 / 2**n if mean else 1.0
    return {"n": n, "difference": mean, "low": low, "high": high, "p": p}


def compare_paired(first: pd.Series, second: pd.Series) -> dict[str, float]:
    """Compare two noise laws by seed. Seeds that one of them lacks are left out.

    Returns:
        What `compare_with_zero` returns for first - second; ``p_level`` of the paired TOST, that the mean difference
        lies within MARGIN. As sensitivity, which decides nothing: ``p_welch`` of Welch's t test, ``p_sign_flip`` of the
        exact sign-flip test, which needs 2 to 16 seeds, and the ``correlation`` of both laws over three or more seeds.
    """
    both = pd.DataFrame({"first": first, "second": second}).replace([np.inf, -np.inf], np.nan).dropna()
    differences = (both["first"] - both["second"]).to_numpy(dtype=float)
    spread = [_has_spread(both[name].to_numpy(dtype=float)) for name in both]
    return {
        **compare_with_zero(differences),
        "p_level": _p_level(differences),
        "p_welch": _p_welch(both) if any(spread) else np.nan,
        "p_sign_flip": _p_sign_flip(differences),
        "correlation": _correlation(both) if all(spread) and len(both) > 2 else np.nan,
    }


def _p_level(differences: np.ndarray) -> float:
    if not len(differences):
        return np.nan
    if not _has_spread(differences):
        return 0.5 ** len(differences) if abs(differences[0]) < MARGIN else 1.0
    sides = ((-MARGIN, "greater"), (MARGIN, "less"))
    return max(scipy.stats.ttest_1samp(differences, end, alternative=side).pvalue for end, side in sides)


def _p_welch(both: pd.DataFrame) -> float:
    sides = [number for name in both for number in (both[name].mean(), both[name].std(), len(both))]
    return scipy.stats.ttest_ind_from_stats(*sides, equal_var=False).pvalue


def _correlation(both: pd.DataFrame) -> float:
    """Return Pearson's correlation. That of NumPy is a matrix product, whose last digits depend on the processor."""
    deviations = (both - both.mean()).to_numpy(dtype=float)
    return deviations.prod(axis=1).sum() / np.sqrt(np.square(deviations).sum(axis=0).prod())


def _p_sign_flip(differences: np.ndarray) -> float:
    if not 2 <= len(differences) <= MOST_FLIPPED:
        return np.nan
    test = scipy.stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    return test.pvalue


def _has_spread(values: np.ndarray) -> bool:
    return len(values) > 1 and np.ptp(values) > NO_SPREAD * np.abs(values).max()


def spell_range(values: pd.Series, *, decimals: int = 2) -> str:
    """Spell the lowest and the highest value: one number if both look alike, none without values."""
    ends = (values.min(), values.max()) if len(values) else ()
    return " to ".join(dict.fromkeys(f"{value:.{decimals}f}" for value in ends))


def holm(p_values: Values) -> np.ndarray:
    """Adjust p-values for their number by Holm's method (1979). Missing ones stay missing and do not count."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    adjusted = np.full_like(p, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def mean_of_images(cells: Sequence[Cell], per_image: Mapping[str, np.ndarray]) -> np.ndarray:
    """Average the losses of each test image over the seeds of one dataset, K and perturbation.

    Returns:
        Nats, measures x images, float64. A single missing value a measure, if a cell is not in ``per_image``. Measures
        that are newer than the losses are missing.
    """
    known = [per_image[str(cell)].astype(float) for cell in cells if str(cell) in per_image]
    if not known or len(known) < len(cells):
        return np.full((len(MEASURES), 1), np.nan)
    fewest = min(map(len, known))
    losses = np.mean([of_cell[:fewest] for of_cell in known], axis=0)
    return np.pad(losses, ((0, len(MEASURES) - fewest), (0, 0)), constant_values=np.nan)


def standard_errors(losses: np.ndarray) -> dict[str, float]:
    """Return the standard error of the mean over images for each measure, from measures x images; missing for one."""
    errors = scipy.stats.sem(losses, axis=1) if losses.shape[1] > 1 else losses[:, 0] * np.nan
    return dict(zip(MEASURES, errors, strict=True))
