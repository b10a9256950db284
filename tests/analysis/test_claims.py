"""Verdicts and errors over images against planted truths."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.analysis.claims import (
    compare_convergence,
    compare_test_losses,
    judge,
    stopped_early,
    summarize_verdicts,
    verdict_of_all,
)
from discrete_vae.grid.cells import AXES, Cell
from planted import curves, runs_of_histories, selected


def test_verdicts_find_planted_effects_under_each_measure():
    table = compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0, "logistic": 2.0}), {})
    verdicts = table.groupby("measure")["verdict"].unique().map(list).to_dict()
    assert verdicts["paper loss"] == ["supported"]
    assert verdicts["negative ELBO"] == ["contradicted"]
    assert "supported" not in verdicts["IWAE bound"]
    of_gumbel = table[(table["measure"] == "paper loss") & (table["other"] == "gumbel")].iloc[0]
    assert of_gumbel["low"] < -1 < of_gumbel["high"]
    assert of_gumbel["high"] - of_gumbel["low"] < 1, "the seeds' own levels must have been taken out"


def test_the_p_values_of_a_claim_are_adjusted_together_over_cells_and_measures():
    """Three seeds with differences whose paired t test has p = 0.02, in one comparison or in several."""
    spread = 1 / scipy.stats.t.isf(0.01, df=2)  # p = 0.02 for a mean of 1 with this standard error
    differences = 1 + spread * np.array([-np.sqrt(3), 0, np.sqrt(3)])
    rows = [
        ("mnist", K, law, 0.5, seed, 10, loss)
        for K in (10, 30)
        for seed, difference in enumerate(differences)
        for law, loss in (("normal", 100 - difference), ("gumbel", 100.0), ("laplace", 100.0))
    ]
    selection = pd.DataFrame(rows, columns=[*AXES, "runs", "paper_loss"])
    bounds = selection.assign(negative_elbo=selection["paper_loss"], importance_weighted_bound=np.nan)
    selection = selection.drop(columns="paper_loss")
    table = compare_test_losses(selection, bounds, {})
    known = table[table["measure"] != "IWAE bound"]
    assert known["p"].to_numpy() == pytest.approx(0.02)
    assert known["p_holm"].to_numpy() == pytest.approx(4 * 0.02), "two K under two measures, each of two claims"
    assert known["verdict"].unique().tolist() == ["inconclusive"]
    of_K, loss_only = selection[selection["K"] == 10], bounds.assign(negative_elbo=np.nan)
    alone = compare_test_losses(of_K, loss_only, {}).dropna(subset="p")
    assert alone["p_holm"].to_numpy() == pytest.approx(0.02)
    assert alone["verdict"].tolist() == ["supported", "supported"]


@pytest.mark.parametrize(
    ("setting", "claim"),
    [
        ({}, "1"),
        ({"temperatures": 1}, "1 at one temperature"),
        ({"dataset": "digits"}, "1 elsewhere"),
        ({"K": 20}, "1 elsewhere"),
    ],
)
def test_what_the_study_does_not_speak_of_does_not_decide_its_claim(setting, claim):
    verdicts = summarize_verdicts(compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0}, **setting), {}))
    assert verdicts["claim"].unique().tolist() == [claim]
    where = {"dataset": "mnist", "K": 10} | setting
    assert verdicts["datasets and K"].unique().tolist() == [f"{where['dataset']} {where['K']}"]


def test_one_seed_is_never_a_verdict():
    table = compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,)), {})
    assert table["verdict"].unique().tolist() == ["inconclusive (one seed)"]


def test_a_law_that_diverged_in_every_seed_is_no_verdict():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0})
    selection.loc[selection["perturbation"] == "normal", "temperature"] = np.nan
    of_gumbel = bounds.query("perturbation == 'gumbel'")
    per_image = {str(Cell.of(row)): np.ones((3, 7)) for row in of_gumbel.to_dict("records")}
    table = compare_test_losses(selection, of_gumbel, per_image)
    assert table["image_se"].isna().all()
    assert table["verdict"].unique().tolist() == ["inconclusive (nothing to compare)"]


def compare(histories: pd.DataFrame, temperature: float) -> pd.DataFrame:
    return compare_convergence(histories, runs_of_histories(histories), temperature)


@pytest.mark.parametrize("law", ["normal", "gumbel"])
def test_convergence_is_not_judged_where_a_run_stopped_early(law):
    histories = pd.concat([curves(2.0), curves(2.0, dataset="mnist")])
    runs = pd.concat([runs_of_histories(curves(2.0), stopped=law), runs_of_histories(curves(2.0, dataset="mnist"))])
    assert compare_convergence(histories, runs, 1.0)["dataset"].unique().tolist() == ["mnist"]
    (note,) = stopped_early(runs, 1.0)
    assert note.startswith("claim 2 is not judged on omniglot at K = 10: a run stopped early")


def test_a_run_that_is_not_compared_may_stop_early():
    """Of another noise law, or at another temperature."""
    histories = curves(2.0)
    another_law = histories.query("perturbation == 'gumbel'").assign(perturbation="logistic")
    another_temperature = curves(2.0, temperature=0.5)
    runs = pd.concat(
        [
            runs_of_histories(pd.concat([histories, another_law]), stopped="logistic"),
            runs_of_histories(another_temperature, stopped="normal"),
        ]
    )
    table = compare_convergence(pd.concat([histories, another_law, another_temperature]), runs, 1.0)
    pd.testing.assert_frame_equal(table, compare(histories, temperature=1.0))
    assert stopped_early(runs, 1.0) == []


@pytest.mark.parametrize("stopped", ["normal", "none"])
def test_both_claims_are_judged_together(stopped):
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, dataset="omniglot")
    histories = curves(2.0)
    table = judge(runs_of_histories(histories, stopped), selection, bounds, {}, histories, temperature=1.0)
    convergence = [] if stopped == "normal" else ["2", "2 of the validation loss"]
    assert summarize_verdicts(table)["claim"].unique().tolist() == ["1", *convergence]
    assert table["difference"].dtype == float


@pytest.mark.parametrize("also_run", [False, True])
def test_resized_omniglot_stands_for_omniglot_where_that_was_not_run(also_run):
    datasets = ["omniglot-resized", *(["omniglot"] if also_run else [])]
    convergence = compare(pd.concat([curves(2.0, dataset=name) for name in datasets]), temperature=1.0)
    tests = [selected({"gumbel": 1.0, "normal": 0.0}, dataset=name) for name in datasets]
    losses = compare_test_losses(*(pd.concat(tables) for tables in zip(*tests, strict=True)), {})
    for table, claim in ((convergence, "2"), (losses, "1")):
        claims = table[table["dataset"] == "omniglot-resized"]["claim"].str.partition(":")[0].unique().tolist()
        assert (claim in claims) == (not also_run)


@pytest.mark.parametrize(("rate", "verdict"), [(2.0, "supported"), (0.5, "contradicted")])
def test_convergence_is_compared_by_final_loss_area_and_epochs(rate, verdict):
    table = compare(curves(rate), temperature=1.0).set_index("measure")
    final = table.loc["training loss: final"]
    assert final["difference"] == pytest.approx(100 * (np.exp(-rate) - np.exp(-1)), abs=0.05)
    assert final["verdict"] == verdict
    assert table.loc["training loss: mean over epochs", "verdict"] == verdict
    epochs = table.loc["training loss: epochs to gumbel's final", "difference"]
    # exp(-2 e / 50) reaches exp(-1) at epoch 25 of 50; a slower curve never does, and counts all epochs.
    assert epochs == pytest.approx(-25 if verdict == "supported" else 0, abs=1)


def test_a_goal_that_is_not_reached_gives_a_lower_bound_and_no_verdict():
    """At half the rate the other's lowest validation loss, at epoch 24, is not yet passed at epoch 40."""
    histories = curves(0.5).query("epoch <= 40")
    table = compare(histories, temperature=1.0)
    epochs = table.set_index("measure").loc["validation loss: epochs to gumbel's lowest"]
    assert (epochs["difference"], epochs["n"], epochs["not_reached"]) == (40 - 24, 5, 5)
    assert epochs[["low", "high", "p", "p_holm"]].isna().all()
    assert epochs["verdict"] == "not reached in 5 of 5"
    verdicts = summarize_verdicts(table).set_index("measure")
    epochs = verdicts.loc["validation loss: epochs to gumbel's lowest"]
    assert epochs["as a whole"] == "none (not reached)"
    assert epochs["for / against / open / not reached"] == "0 / 0 / 0 / 1"


def test_the_goal_of_training_is_the_others_final_loss_though_it_was_lower_before():
    histories = curves(2.0).reset_index(drop=True)
    dip = (histories["perturbation"] == "gumbel") & (histories["epoch"] == 20)
    histories.loc[dip, "training_loss"] = 0.0
    table = compare(histories, temperature=1.0).set_index("measure")
    assert table.loc["training loss: epochs to gumbel's final", "difference"] == pytest.approx(25 - 20, abs=1)


@pytest.mark.parametrize(
    ("wanted", "verdict"), [(0.1, "supported"), (0.6, "supported"), (0.8, "contradicted"), (3.0, "contradicted")]
)
def test_convergence_is_compared_at_the_nearest_temperature(wanted, verdict):
    histories = pd.concat([curves(2.0, temperature=0.5), curves(0.5, temperature=1.0)])
    table = compare(histories, temperature=wanted).set_index("measure")
    assert table.loc["training loss: final", "verdict"] == verdict


def test_validation_is_compared_at_the_end_and_by_the_epochs_to_the_lowest_loss():
    """At twice the rate the other's lowest loss is passed at epoch 11, not 24, and the end is far above it."""
    table = compare(curves(2.0), temperature=1.0).set_index("measure")
    final = table.loc["validation loss: final"]
    assert final["difference"] == pytest.approx(0.01 * (76**2 - 26**2) - 0.1, abs=0.05)
    assert final["verdict"] == "contradicted"
    epochs = table.loc["validation loss: epochs to gumbel's lowest", "difference"]
    assert epochs == 11 - 24


def test_a_seed_of_which_a_run_diverged_is_left_out_under_every_measure():
    histories = curves(2.0)
    broken = (histories["perturbation"] == "gumbel") & (histories["seed"] == 3) & (histories["epoch"] > 20)
    table = compare(histories[~broken], temperature=1.0)
    others = compare(histories[histories["seed"] != 3], temperature=1.0)
    assert table["n"].unique().tolist() == [4]
    pd.testing.assert_frame_equal(table, others)


def test_the_convergence_claim_is_judged_on_its_own_dataset_and_loss():
    histories = [curves(2.0), curves(0.5, temperature=0.5, dataset="mnist")]
    table = compare(pd.concat(histories), temperature=1.0)
    final = table[table["measure"] == "training loss: final"].set_index("dataset")
    assert final["verdict"].to_dict() == {"omniglot": "supported", "mnist": "contradicted"}
    verdicts = summarize_verdicts(table).set_index(["claim", "measure"])["as a whole"]
    assert verdicts["2", "training loss: final"] == "supported"
    assert verdicts["2 of the validation loss", "validation loss: final"] == "contradicted"
    assert verdicts["2 elsewhere", "training loss: final"] == "contradicted"
    at_another_temperature = compare(curves(2.0, temperature=0.5), temperature=1.0)
    assert summarize_verdicts(at_another_temperature)["claim"].unique().tolist() == ["2 elsewhere"]


def test_a_grid_without_the_claimed_law_has_no_claims():
    table = compare_test_losses(*selected({"gumbel": 1.0, "logistic": 0.0}), {})
    assert table.empty
    assert summarize_verdicts(table)["measure"].str.startswith("No comparison").all()


def test_the_error_over_images_is_that_of_the_paired_differences():
    """The images' own levels, which all laws share, must not count."""
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1, 2))
    rng = np.random.default_rng(0)
    levels = rng.normal(100, 20, 400)
    per_image = {str(Cell.of(row)): levels + rng.normal(0, 1, (3, 400)) for row in selection.to_dict("records")}
    table = compare_test_losses(selection, bounds, per_image)
    by_law = {
        law: np.mean([per_image[f"mnist-K10-{law}-tau0.5-seed{seed}"] for seed in (1, 2)], axis=0)
        for law in ("normal", "gumbel")
    }
    for measure, found in enumerate(table["image_se"]):
        assert found == pytest.approx(scipy.stats.sem(by_law["normal"][measure] - by_law["gumbel"][measure]))
    assert table["image_se"].between(0.03, 0.1).all()


def test_laws_beyond_the_study_do_not_decide_its_claim():
    table = compare_test_losses(*selected({"gumbel": 1.0, "normal": 0.0, "laplace": -2.0}), {})
    paper = table[table["measure"] == "paper loss"].set_index("other")
    assert paper.loc["gumbel", "claim"].startswith("1:")
    assert paper.loc["gumbel", "verdict"] == "supported"
    assert paper.loc["laplace", "claim"].startswith("beyond the paper")
    assert paper.loc["laplace", "verdict"] == "contradicted"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "inconclusive"], "inconclusive"),
        (["inconclusive (one seed)"], "inconclusive"),
        (["supported", "inconclusive", "contradicted"], "contradicted"),
    ],
)
def test_a_claim_as_a_whole_needs_all_its_comparisons(verdicts, expected):
    assert verdict_of_all(verdicts) == expected


def test_verdicts_are_counted_by_claim_and_measure():
    effects = {"gumbel": 1.0, "normal": 0.0, "logistic": 2.0, "laplace": 3.0}
    verdicts = summarize_verdicts(compare_test_losses(*selected(effects), {})).set_index(["claim", "measure"])
    assert verdicts.loc[("1", "paper loss")].tolist() == ["mnist 10", "supported", "2 / 0 / 0 / 0"]
    assert verdicts.loc[("1", "negative ELBO")].tolist() == ["mnist 10", "contradicted", "0 / 2 / 0 / 0"]
    assert verdicts.loc[("beyond the paper", "paper loss")].tolist() == ["mnist 10", "supported", "1 / 0 / 0 / 0"]
    one_seed = summarize_verdicts(compare_test_losses(*selected(effects, seeds=(1,)), {}))
    assert one_seed["for / against / open / not reached"].tolist() == ["0 / 0 / 2 / 0"] * 3 + ["0 / 0 / 1 / 0"] * 3
    assert one_seed["as a whole"].unique().tolist() == ["inconclusive"]
