"""Intervals and tests against scipy and simulation, Holm's adjustment against a worked example."""

import numpy as np
import pytest
import scipy.stats
from discrete_vae.analysis.statistics import holm, mean_of_images, paired_comparison, standard_errors, t_interval
from discrete_vae.grid.cells import Cell


def test_a_comparison_is_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (2, 6))
    expected = scipy.stats.ttest_rel(first, second)
    found = paired_comparison(first - second)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["low"], found["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found["n"] == 6


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [paired_comparison(rng.normal(0.7, 2, 5)) for _ in range(2_000)]
    coverage = np.mean([comparison["low"] < 0.7 < comparison["high"] for comparison in found])
    assert coverage == pytest.approx(0.95, abs=0.02)


def test_one_seed_gives_no_interval():
    found = paired_comparison([1.5])
    assert found["difference"] == 1.5
    assert np.isnan([found["low"], found["high"], found["p"]]).all()


def test_equal_differences_tell_no_spread_and_so_no_interval():
    found = paired_comparison([-3, -3, -3])
    assert (found["n"], found["difference"]) == (3, -3)
    assert np.isnan([found["low"], found["high"], found["p"]]).all()
    assert np.isnan(t_interval([2.0, 2.0])).all()


def test_a_pair_with_a_diverged_run_is_left_out():
    assert paired_comparison([1.0, np.nan, 2.0])["n"] == 2


def test_holm_on_a_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, made monotone.
    assert holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    adjusted = holm([0.5, np.nan, 0.9])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]].tolist() == [1, 1]


def test_the_interval_of_a_mean_is_scipys_and_missing_for_one_value():
    values = [1.0, 2.0, 4.0]
    expected = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)
    assert np.isnan(t_interval([1.0])).all()


def test_the_mean_of_images_needs_every_seed():
    cells = [Cell("d", 10, "normal", 0.5, seed) for seed in (1, 2)]
    by_measure = np.array([[0], [10], [20]])
    per_image = {str(cell): np.full((3, 4), cell.seed + by_measure, dtype=np.float32) for cell in cells}
    assert mean_of_images(cells, per_image).tolist() == [[1.5] * 4, [11.5] * 4, [21.5] * 4]
    for unknown in (mean_of_images([], per_image), mean_of_images(cells, {str(cells[0]): per_image[str(cells[0])]})):
        assert np.isnan(list(standard_errors(unknown).values())).all()


def test_the_standard_errors_over_images_are_scipys():
    losses = np.random.default_rng(0).normal(size=(3, 50))
    assert standard_errors(losses)["negative_elbo"] == pytest.approx(scipy.stats.sem(losses[1]))
