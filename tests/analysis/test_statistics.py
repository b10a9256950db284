"""Intervals and tests against scipy and simulation, Holm's adjustment against a worked example."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.analysis.statistics import (
    MARGIN,
    compare_paired,
    holm,
    mean_of_images,
    spell_range,
    standard_errors,
    t_interval,
)
from discrete_vae.grid.cells import Cell


def test_a_comparison_is_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (2, 6))
    expected = scipy.stats.ttest_rel(first, second)
    found = compare_paired(pd.Series(first), pd.Series(second))
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["low"], found["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found["n"] == 6
    assert found["p_welch"] == pytest.approx(scipy.stats.ttest_ind(first, second, equal_var=False).pvalue)
    assert found["correlation"] == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_the_sign_flip_test_counts_all_signs():
    differences = np.array([1.0, 2.0, -0.5, 3.0, 0.7, 1.1])
    flipped = [np.dot(signs, differences) for signs in itertools.product((-1, 1), repeat=6)]
    expected = np.mean(np.abs(flipped) >= differences.sum() - 1e-9)
    assert compare_paired(pd.Series(differences), pd.Series(np.zeros(6)))["p_sign_flip"] == pytest.approx(expected)
    equal_signs = compare_paired(pd.Series(np.abs(differences)), pd.Series(np.zeros(6)))
    assert equal_signs["p_sign_flip"] == 2 / 64, "the least that six seeds can reach"
    two = pd.Series([1.0, 2.0])
    assert compare_paired(two, 0 * two)["p_sign_flip"] == 2 / 2**2


def test_the_sign_flip_test_is_missing_where_it_would_take_too_long():
    seeds = pd.Series(np.arange(1.0, 18))
    found = compare_paired(seeds, 0 * seeds)
    assert np.isnan(found["p_sign_flip"])
    assert found["p"] < 0.05
    assert compare_paired(seeds[:16], 0 * seeds[:16])["p_sign_flip"] == 2 / 2**16


@pytest.mark.parametrize(("centre", "level"), [(0.0, True), (0.5, True), (0.95, False), (-2.0, False)])
def test_two_laws_are_level_where_the_90_percent_interval_lies_within_the_margin(centre, level):
    """This is what a paired TOST at 5% comes to."""
    differences = centre + np.array([-0.2, -0.1, 0, 0.1, 0.2, 0.0])
    low, high = scipy.stats.ttest_1samp(differences, 0).confidence_interval(0.90)
    assert (low > -MARGIN and high < MARGIN) == level
    assert (compare_paired(pd.Series(differences), pd.Series(np.zeros(6)))["p_level"] <= 0.05) == level


def test_one_seed_gives_no_interval_and_no_verdict():
    found = compare_paired(pd.Series([1.5]), pd.Series([0.0]))
    assert (found["difference"], found["p"], found["p_level"]) == (1.5, 1.0, 1.0)
    assert np.isnan([found[name] for name in ("low", "high", "p_welch", "p_sign_flip", "correlation")]).all()
    assert compare_paired(pd.Series([0.5]), pd.Series([0.0]))["p_level"] == 0.5


@pytest.mark.parametrize(("differences", "p"), [([-3.0] * 3, 2 / 8), ([0.1] * 6, 2 / 64), ([0.0] * 6, 1.0)])
def test_equal_differences_have_the_p_of_their_signs(differences, p):
    """Also where the same difference is rounded in several ways."""
    levels = np.array([0.1, 1e3, 7.7, 3.3, 0.7, 12.1])[: len(differences)]
    found = compare_paired(pd.Series(levels + differences), pd.Series(levels))
    assert found["p"] == p
    assert np.isnan([found["low"], found["high"]]).all()
    assert found["p_level"] == (0.5 ** len(differences) if abs(differences[0]) < MARGIN else 1.0)
    assert np.isnan(t_interval([2.0, 2.0])).all()


def test_a_law_whose_losses_are_all_equal_is_compared_by_the_spread_of_the_other():
    first, second = [1.0, 1.0, 1.0], [2.0, 3.0, 2.5]
    found = compare_paired(pd.Series(first), pd.Series(second))
    assert found["p_welch"] == pytest.approx(scipy.stats.ttest_1samp(second, 1).pvalue)
    assert np.isnan(found["correlation"])


@pytest.mark.parametrize(("seeds", "known"), [(2, False), (3, True)])
def test_a_correlation_needs_three_seeds(seeds, known):
    first, second = pd.Series([1.0, 2.0, 4.0][:seeds]), pd.Series([2.0, 3.0, 3.5][:seeds])
    assert np.isfinite(compare_paired(first, second)["correlation"]) == known


def test_a_pair_with_a_diverged_run_is_left_out():
    for missing in (np.nan, np.inf):
        assert compare_paired(pd.Series([1.0, missing, 2.0]), pd.Series([1.0, 5.0, 1.0]))["n"] == 2
    nothing = compare_paired(pd.Series([np.nan]), pd.Series([1.0]))
    assert nothing.pop("n") == 0
    assert np.isnan(list(nothing.values())).all()


def test_holm_on_a_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, made monotone.
    assert holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    adjusted = holm([0.5, np.nan, 0.9])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]].tolist() == [1, 1]
    assert holm([0.01, np.nan, 0.04]).tolist() == pytest.approx([0.02, np.nan, 0.04], nan_ok=True), "two are known"


def test_the_interval_of_a_mean_is_scipys_and_missing_for_one_value():
    values = [1.0, 2.0, 4.0]
    expected = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)
    assert np.isnan(t_interval([1.0])).all()


def test_a_range_goes_from_the_lowest_to_the_highest_value_and_is_one_number_where_both_look_alike():
    spelled = [spell_range(pd.Series(values, dtype=float)) for values in ([2, -1, 0.5], [1, 1.001], [])]
    assert spelled == ["-1.00 to 2.00", "1.00", ""]


def test_the_mean_of_images_needs_every_seed():
    cells = [Cell("d", 10, "normal", 0.5, seed) for seed in (1, 2)]
    by_measure = np.array([[0], [10], [20]])
    per_image = {str(cell): np.full((3, 4), cell.seed + by_measure, dtype=np.float32) for cell in cells}
    assert mean_of_images(cells, per_image).tolist() == [[1.5] * 4, [11.5] * 4, [21.5] * 4]
    older = {name: losses[:2] for name, losses in per_image.items()}
    for mixed in (older, {**per_image, str(cells[0]): older[str(cells[0])]}):
        np.testing.assert_array_equal(mean_of_images(cells, mixed), [[1.5] * 4, [11.5] * 4, [np.nan] * 4])
    for unknown in (mean_of_images([], per_image), mean_of_images(cells, {str(cells[0]): per_image[str(cells[0])]})):
        assert np.isnan(list(standard_errors(unknown).values())).all()


def test_the_standard_errors_over_images_are_scipys():
    losses = np.random.default_rng(0).normal(size=(3, 50))
    assert standard_errors(losses)["negative_elbo"] == pytest.approx(scipy.stats.sem(losses[1]))
    assert np.isnan(list(standard_errors(losses[:, :1]).values())).all(), "one image has no spread"
