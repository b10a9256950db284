"""Paired comparisons against scipy, Holm's adjustment against a worked example, and verdicts against planted truths."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.claims import compare_convergence, compare_test_losses, holm, paired_comparison, to_markdown

SEEDS = (1, 2, 3, 4, 5)


def selected(effects: dict[str, float], seeds=SEEDS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make selected models whose paper losses differ by planted effects, and whose negative ELBOs do the other way."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in seeds:
        shared = rng.normal(0, 5)  # a seed's own level, which pairing takes out
        for law, effect in effects.items():
            loss = 100 + shared + effect + rng.normal(0, 0.1)
            rows.append(
                {
                    "dataset": "d",
                    "K": 10,
                    "perturbation": law,
                    "temperature": 0.5,
                    "seed": seed,
                    "test_loss": loss,
                    "negative_elbo": loss - 2 * effect,
                    "importance_weighted_bound": 100 + shared + rng.normal(0, 0.1),
                }
            )
    table = pd.DataFrame(rows)
    return table.drop(columns=["negative_elbo", "importance_weighted_bound"]), table


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


def test_a_pair_with_a_diverged_run_is_left_out():
    assert paired_comparison([1.0, np.nan, 2.0])["n"] == 2


def test_holm_on_a_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, made monotone.
    assert holm([0.04, 0.01, 0.03, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    adjusted = holm([0.5, np.nan, 0.9])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]].tolist() == [1, 1]


def test_verdicts_find_planted_effects_under_each_measure():
    table = compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0, "logistic": 2.0}))
    verdicts = table.groupby("measure")["verdict"].unique().map(list).to_dict()
    assert verdicts["paper loss"] == ["supported"]
    assert verdicts["negative ELBO"] == ["contradicted"]
    assert "supported" not in verdicts["IWAE bound"]
    of_gumbel = table[(table["measure"] == "paper loss") & (table["other"] == "gumbel")].iloc[0]
    assert of_gumbel["low"] < -1 < of_gumbel["high"]
    assert of_gumbel["high"] - of_gumbel["low"] < 1, "the seeds' own levels must have been taken out"


def test_one_seed_is_never_a_verdict():
    table = compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,)))
    assert table["verdict"].unique().tolist() == ["inconclusive (one seed)"]
    assert "no interval" in to_markdown(table, temperature=1.0)


def curves(normal_rate: float, temperature: float = 1.0) -> pd.DataFrame:
    epochs = np.arange(1, 51)
    rng = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame(
            {
                "dataset": "d",
                "K": 10,
                "perturbation": law,
                "temperature": temperature,
                "seed": seed,
                "epoch": epochs,
                "training_loss": 100 * np.exp(-rate * epochs / 50) + seed + rng.normal(0, 0.01),
                "validation_loss": 100.0 + seed + 0 * epochs,
            }
        )
        for seed in SEEDS
        for law, rate in (("gumbel", 1.0), ("normal", normal_rate))
    )


@pytest.mark.parametrize(("rate", "verdict"), [(2.0, "supported"), (0.5, "contradicted")])
def test_convergence_is_compared_by_final_loss_area_and_epochs(rate, verdict):
    table = compare_convergence(curves(rate), temperature=1.0).set_index("measure")
    final = table.loc["final value of the training loss"]
    assert final["difference"] == pytest.approx(100 * (np.exp(-rate) - np.exp(-1)), abs=0.05)
    assert final["verdict"] == verdict
    assert table.loc["mean over epochs of the training loss", "verdict"] == verdict
    epochs = table.loc["epochs to the reference's lowest of the training loss", "difference"]
    # exp(-2 e / 50) reaches exp(-1) at epoch 25 of 50; a slower curve never does, and counts all epochs.
    assert epochs == pytest.approx(-25 if verdict == "supported" else 0, abs=1)
    assert table.loc["final value of the validation loss", "verdict"] == "inconclusive"


def test_a_grid_without_the_claimed_law_has_no_claims():
    table = compare_test_losses(*selected({"gumbel": 1.0, "logistic": 0.0}))
    assert table.empty
    assert "No comparison" in to_markdown(table, temperature=1.0)
