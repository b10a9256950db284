"""Comparisons and errors over images against planted truths."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.analysis.claims import summarize_verdicts
from discrete_vae.analysis.comparisons import notes_on_early_stops
from discrete_vae.analysis.statistics import holm
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import MEASURES
from discrete_vae.grid.paper import PAPER_TEMPERATURES
from planted import SEEDS, curves, judged, judged_curves, judged_together, runs_of_histories, selected


def claims_of(table: pd.DataFrame) -> list[str]:
    return table["claim"].unique().tolist()


def test_planted_effects_are_found_under_each_measure():
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0, "logistic": 2.0}))
    verdicts = table.groupby("measure")["verdict"].unique().map(list).to_dict()
    assert verdicts == {"paper loss": ["lower"], "negative ELBO": ["higher"], "IWAE bound": ["level"]}
    of_gumbel = table[(table["measure"] == "paper loss") & (table["other"] == "gumbel")].iloc[0]
    assert of_gumbel["low"] < -1 < of_gumbel["high"]
    assert of_gumbel["high"] - of_gumbel["low"] < 1, "the seeds' own levels must have been taken out"
    assert of_gumbel["p_sign_flip"] == pytest.approx(2 / 2**5)
    assert of_gumbel["p_welch"] > 0.05, "seeds taken as independent, their levels are noise"
    assert of_gumbel["correlation"] > 0.99


def test_a_lead_in_paper_loss_is_the_lead_in_negative_elbo_and_understated_kl():
    """By the planted effects, Normal leads by one nat in paper loss and is one behind in negative ELBO."""
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0})).set_index("measure")
    understated = table["understated_kl"]
    assert understated.notna().to_dict() == {"paper loss": True, "negative ELBO": False, "IWAE bound": False}
    assert understated["paper loss"] == pytest.approx(2)
    difference = table["difference"]
    assert difference["paper loss"] == pytest.approx(difference["negative ELBO"] - understated["paper loss"])


def test_a_lead_is_not_taken_apart_where_a_bound_is_missing():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0})
    bounds.loc[bounds["seed"] == 2, "negative_elbo"] = np.nan
    assert judged(selection, bounds)["understated_kl"].isna().all()
    without_a_seed = (selection["perturbation"] == "gumbel") & (selection["seed"] == 2)
    selection, bounds = selection[~without_a_seed], selected({"gumbel": 1.0, "normal": 0.0})[1][~without_a_seed]
    table = judged(selection, bounds).set_index("measure")
    assert table.loc["paper loss", ["n", "understated_kl"]].tolist() == pytest.approx([4, 2])


def test_models_that_the_negative_elbo_selected_have_a_claim_of_their_own_where_claim_1_is_judged():
    effects = {"gumbel": 1.0, "normal": 0.0, "logistic": 2.0, "laplace": 1.0}
    selection, bounds = selected(effects)
    known = selection["perturbation"].ne("logistic") | selection["seed"].eq(1)
    by_elbo = selection.assign(temperature=selection["temperature"].where(known))
    table = judged(selection, bounds, by_elbo=by_elbo)
    of_elbo = table[table["measure"] == "negative ELBO, selected by it"].set_index("other")
    own, further = "1 selected by negative ELBO", "beyond the paper"
    assert of_elbo["claim"].to_dict() == {"gumbel": own, "logistic": own, "laplace": further}
    assert of_elbo["n"].to_dict() == {"gumbel": 5, "logistic": 1, "laplace": 5}
    assert of_elbo["verdict"].to_dict() == {"gumbel": "higher", "logistic": "open", "laplace": "higher"}
    assert of_elbo["p_holm"].tolist() == pytest.approx(holm(of_elbo["p"])), "over all laws"
    without_logistic = by_elbo[by_elbo["perturbation"] != "logistic"]
    assert judged(selection, bounds, by_elbo=without_logistic)["other"].value_counts()["logistic"] == len(MEASURES)
    selection, bounds = selected(effects, temperatures=9)
    at_fewer = judged(selection, bounds, by_elbo=selection)
    assert claims_of(at_fewer) == ["1 with fewer temperatures", "beyond the paper"]
    assert set(at_fewer["measure"]) == set(MEASURES.values())


@pytest.mark.parametrize(
    ("setting", "claim"),
    [
        ({}, "1"),
        ({"temperatures": 1}, "1 with fewer temperatures"),
        ({"temperatures": 9}, "1 with fewer temperatures"),
        ({"temperatures": 11}, "1"),
        ({"dataset": "digits"}, "1 elsewhere"),
        ({"K": 20}, "1 elsewhere"),
    ],
)
def test_what_the_study_does_not_report_does_not_decide_its_claim(setting, claim):
    verdicts = summarize_verdicts(judged(*selected({"gumbel": 1.0, "normal": 0.0}, **setting)))
    assert claims_of(verdicts) == [claim]
    where = {"dataset": "mnist", "K": 10} | setting
    assert verdicts["where"].unique().tolist() == [f"{where['dataset']} {where['K']}"]


def test_a_further_law_at_fewer_temperatures_leaves_the_claim_about_the_others():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0, "laplace": 2.0})
    selection.loc[selection["perturbation"] == "laplace", "runs"] = 1
    assert claims_of(judged(selection, bounds)) == ["1", "beyond the paper"]
    selection.loc[selection["perturbation"] == "normal", "runs"] = 1
    assert claims_of(judged(selection, bounds)) == ["1 with fewer temperatures", "beyond the paper"]


def test_one_seed_at_fewer_temperatures_leaves_the_claim_open():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0})
    one = (selection["perturbation"] == "gumbel") & (selection["seed"] == 3)
    assert claims_of(judged(selection.assign(runs=selection["runs"].mask(one, 9)), bounds)) == [
        "1 with fewer temperatures"
    ]


def test_a_further_temperature_does_not_replace_one_of_the_papers():
    tables, others = selected({"gumbel": 1.0, "normal": 0.0}), (*PAPER_TEMPERATURES[1:], 0.6)
    assert claims_of(judged(*tables, temperatures=others)) == ["1 with fewer temperatures"]


def test_the_temperatures_of_another_dataset_or_k_do_not_count():
    settings = ({"temperatures": 9}, {"K": 30}, {"dataset": "fashion-mnist"})
    tables = zip(*(selected({"gumbel": 1.0, "normal": 0.0}, **setting) for setting in settings), strict=True)
    claims = judged(*map(pd.concat, tables)).groupby(["dataset", "K"])["claim"].unique().map(list).to_dict()
    others = {("mnist", 30): ["1"], ("fashion-mnist", 10): ["1"]}
    assert claims == {("mnist", 10): ["1 with fewer temperatures"], **others}


def test_one_law_at_fewer_temperatures_leaves_the_whole_claim_open():
    """With Gumbel noise at all of them, and Logistic noise at four."""
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0, "logistic": 1.0})
    selection.loc[selection["perturbation"] == "logistic", "runs"] = 4
    assert claims_of(judged(selection, bounds)) == ["1 with fewer temperatures"]


@pytest.mark.parametrize(
    "options",
    [
        {"training": '{"annealing": {"rate": 1e-5, "minimum": 0.1, "interval": 1000}}'},
        {"training": '{"kl": "codes"}'},
        {"training": '{"learning_rate": 0.01}'},
        {"training": '{"batch_size": 50}'},
        {"model": '{"variables": 10, "hidden": 30}'},
        {"model": '{"variables": 2, "hidden": 300}'},
        {"data_origin": "scikit-learn's load_digits"},
    ],
)
def test_runs_of_other_temperatures_losses_models_or_images_do_not_decide_the_claims(options):
    """The paper's text has a constant temperature, its script an annealed one. Any images may be named omniglot."""
    histories = curves(2.0)
    tests = selected({"gumbel": 1.0, "normal": 0.0}, dataset="omniglot")
    runs = runs_of_histories(histories).assign(**options)
    assert claims_of(judged_together(runs, histories, tests)) == ["1 elsewhere", "2 elsewhere"]


def test_laws_beyond_the_study_do_not_decide_its_claim():
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0, "laplace": -2.0}))
    of_loss = table[table["measure"] == "paper loss"].set_index("other")
    assert of_loss["claim"].to_dict() == {"gumbel": "1", "laplace": "beyond the paper"}
    assert of_loss["verdict"].to_dict() == {"gumbel": "lower", "laplace": "higher"}


def test_laws_are_known_by_definition_and_not_by_name():
    """Here `mine` is the paper's Normal noise, and `normal` a law of one's own."""
    laws = {
        "mine": '{"distribution": "Normal", "loc": 0, "scale": 1}',
        "normal": '{"distribution": "Normal", "loc": 0, "scale": 3}',
    }
    table = judged(*selected({"gumbel": 1.0, "mine": 0.0, "normal": 2.0}), **laws)
    of_loss = table[table["measure"] == "paper loss"].set_index("other")
    assert of_loss["claim"].to_dict() == {"gumbel": "1", "normal": "beyond the paper"}
    assert of_loss["difference"].to_dict() == pytest.approx({"gumbel": -1, "normal": -2}, abs=0.2)


def test_two_names_of_one_law_are_both_compared_and_not_with_each_other():
    """At K = 10 Normal noise is called normal, at K = 30 mine, and at K = 50 both."""
    effects = {10: ("gumbel", "normal"), 30: ("gumbel", "mine"), 50: ("gumbel", "normal", "mine")}
    tests = [selected({"gumbel": 1.0} | dict.fromkeys(laws[1:], 0.0), K=K) for K, laws in effects.items()]
    laws = {"mine": '{"distribution": "Normal", "loc": 0, "scale": 1}'}
    table = judged(*(pd.concat(tables) for tables in zip(*tests, strict=True)), **laws)
    compared = table.loc[table["measure"] == "paper loss", ["K", "law", "other"]].to_numpy().tolist()
    assert compared == [[10, "normal", "gumbel"], [30, "mine", "gumbel"], [50, "normal", "gumbel"]]


def test_a_second_name_of_another_law_does_not_stand_for_the_third():
    """Claim 1 needs Gumbel and Logistic noise; two comparisons with Gumbel noise are not enough."""
    laws = {"again": '{"distribution": "Gumbel", "loc": 0, "scale": 1}'}
    table = judged(*selected({"gumbel": 1.0, "again": 1.0, "normal": 0.0}), **laws)
    of_paper_loss = table[table["measure"] == "paper loss"].set_index("other")
    assert of_paper_loss["claim"].to_dict() == {"gumbel": "1", "again": "beyond the paper"}
    assert of_paper_loss.loc["gumbel", "claim_here"] == "inconclusive"


def test_a_grid_without_the_claimed_law_has_no_claims():
    assert judged(*selected({"gumbel": 1.0, "logistic": 0.0})).empty
    assert judged(
        *selected({"gumbel": 1.0, "normal": 0.0}), normal='{"distribution": "Normal", "loc": 0, "scale": 2}'
    ).empty


@pytest.mark.parametrize("law", ["gumbel", "normal"])
def test_curves_without_one_of_the_two_laws_have_no_claims(law):
    assert judged_curves(curves(2.0).replace({"perturbation": {law: "logistic"}})).empty


def test_one_seed_and_no_seed_are_open():
    one = judged(*selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,)))
    assert one["verdict"].unique().tolist() == ["open"]
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0})
    selection.loc[selection["perturbation"] == "normal", "temperature"] = np.nan
    of_gumbel = bounds.query("perturbation == 'gumbel'")
    per_image = {str(Cell.of(row)): np.ones((3, 7)) for row in of_gumbel.to_dict("records")}
    diverged = judged(selection, of_gumbel, per_image)
    assert diverged["image_se"].isna().all()
    assert (diverged["verdict"].unique().tolist(), diverged["n"].unique().tolist()) == (["open"], [0])


def test_the_error_over_images_is_that_of_the_paired_differences():
    """The images' own levels, which all laws share, must not count."""
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0, "logistic": 2.0}, seeds=(1, 2))
    rng = np.random.default_rng(0)
    levels = rng.normal(100, 20, 400)
    per_image = {str(Cell.of(row)): levels + rng.normal(0, 1, (3, 400)) for row in selection.to_dict("records")}
    table = judged(selection, bounds, per_image).query("other == 'gumbel'")
    by_law = {
        law: np.mean([per_image[f"mnist-K10-{law}-tau0.5-seed{seed}"] for seed in (1, 2)], axis=0)
        for law in ("normal", "gumbel")
    }
    for measure, found in enumerate(table["image_se"]):
        assert found == pytest.approx(scipy.stats.sem(by_law["normal"][measure] - by_law["gumbel"][measure]))
    assert table["image_se"].between(0.03, 0.1).all()


def test_the_error_over_images_is_of_the_seeds_that_are_compared():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1, 2))
    rng = np.random.default_rng(0)
    per_image = {str(Cell.of(row)): rng.normal(size=(3, 400)) for row in selection.to_dict("records")}
    diverged = (selection["perturbation"] == "normal") & (selection["seed"] == 2)
    selection.loc[diverged, "temperature"] = np.nan
    table = judged(selection, bounds[~diverged], per_image)
    normal, gumbel = (per_image[f"mnist-K10-{law}-tau0.5-seed1"] for law in ("normal", "gumbel"))
    assert table["n"].unique().tolist() == [1]
    assert table["image_se"].tolist() == pytest.approx(scipy.stats.sem(normal - gumbel, axis=1).tolist())


@pytest.mark.parametrize("law", ["normal", "gumbel"])
@pytest.mark.parametrize("loss", ["training_loss", "validation_loss"])
def test_a_diverged_run_is_left_out_of_all_curves_whichever_loss_was_not_finite(law, loss):
    histories = curves(2.0).reset_index(drop=True)
    one = (histories["perturbation"] == law) & (histories["seed"] == 3)
    histories.loc[one & (histories["epoch"] == 20), loss] = np.nan
    histories = histories[~one | (histories["epoch"] <= 20)]
    runs = runs_of_histories(histories)
    runs["diverged"] = (runs["perturbation"] == law) & (runs["seed"] == 3)
    table = judged_together(runs, histories)
    assert table["n"].unique().tolist() == [4]
    others = histories["seed"] != 3
    expected = judged_together(runs[runs["seed"] != 3], histories[others])
    pd.testing.assert_frame_equal(table, expected)


@pytest.mark.parametrize("law", ["normal", "gumbel"])
def test_convergence_is_not_judged_where_a_run_stopped_early(law):
    histories = pd.concat([curves(2.0), curves(2.0, dataset="mnist")])
    runs = pd.concat([runs_of_histories(curves(2.0), stopped=law), runs_of_histories(curves(2.0, dataset="mnist"))])
    table = judged_together(runs, histories)
    assert table["dataset"].unique().tolist() == ["mnist"]
    (note,) = notes_on_early_stops(runs, 1.0)
    assert note.startswith("convergence (claim 2) is not judged on omniglot at K = 10: a run stopped early")


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
    everything = pd.concat([histories, another_law, another_temperature])
    table = judged_together(runs, everything)
    pd.testing.assert_frame_equal(table, judged_curves(histories))
    assert notes_on_early_stops(runs, 1.0) == []


@pytest.mark.parametrize("stopped", ["normal", "none"])
def test_both_claims_are_judged_together(stopped):
    tests = selected({"gumbel": 1.0, "normal": 0.0}, dataset="omniglot")
    histories = curves(2.0)
    runs = runs_of_histories(histories, stopped)
    others = [runs.assign(temperature=other, stopped_early=False) for other in PAPER_TEMPERATURES if other != 1.0]
    table = judged_together(pd.concat([runs, *others]), histories, tests)
    convergence = [] if stopped == "normal" else ["2", "2 of the validation loss"]
    assert claims_of(table) == ["1", *convergence]
    assert table["difference"].dtype == float


@pytest.mark.parametrize(("also_run", "stands"), [(None, True), (10, False), (30, True)])
def test_resized_omniglot_stands_for_omniglot_at_each_K_where_that_was_not_run(also_run, stands):
    datasets = [("omniglot-resized", 10), *([("omniglot", also_run)] if also_run else [])]
    histories = pd.concat([curves(2.0, dataset=name).assign(K=K) for name, K in datasets])
    tests = [selected({"gumbel": 1.0, "normal": 0.0}, dataset=name, K=K) for name, K in datasets]
    losses = judged(*(pd.concat(tables) for tables in zip(*tests, strict=True)))
    for table, claim in ((judged_curves(histories), "2"), (losses, "1")):
        assert (claim in claims_of(table[table["dataset"] == "omniglot-resized"])) == stands


@pytest.mark.parametrize(("rate", "verdict"), [(2.0, "lower"), (0.5, "higher")])
def test_convergence_is_compared_by_final_loss_area_and_epochs(rate, verdict):
    table = judged_curves(curves(rate)).set_index("measure")
    final = table.loc["training loss: final"]
    assert final["difference"] == pytest.approx(100 * (np.exp(-rate) - np.exp(-1)), abs=0.05)
    assert final["verdict"] == verdict
    area = table.loc["training loss: mean over epochs"]
    part = np.arange(1, 51) / 50
    assert area["difference"] == pytest.approx(100 * np.mean(np.exp(-rate * part) - np.exp(-part)), abs=0.05)
    assert area["verdict"] == verdict
    epochs = table.loc["training loss: epochs to Gumbel's final", "difference"]
    # exp(-2 e / 50) reaches exp(-1) at epoch 25 of 50; a slower curve never does, and counts all epochs.
    assert epochs == pytest.approx(-25 if verdict == "lower" else 0, abs=1)


def test_a_goal_that_is_not_reached_gives_a_lower_bound_and_is_open():
    """At half the rate the other's lowest validation loss, at epoch 24, is not yet passed at epoch 40."""
    table = judged_curves(curves(0.5).query("epoch <= 40"))
    epochs = table.set_index("measure").loc["validation loss: epochs to Gumbel's lowest"]
    assert (epochs["difference"], epochs["n"], epochs["not_reached"]) == (40 - 24, 5, 5)
    assert epochs[["low", "high", "p", "p_holm"]].isna().all()
    assert epochs["verdict"] == "open"


@pytest.mark.parametrize("before", [20, 49])
def test_the_goal_of_training_is_the_others_final_loss_though_it_was_lower_before(before):
    histories = curves(2.0).reset_index(drop=True)
    dip = (histories["perturbation"] == "gumbel") & (histories["epoch"] == before)
    histories.loc[dip, "training_loss"] = 0.0
    table = judged_curves(histories).set_index("measure")
    assert table.loc["training loss: epochs to Gumbel's final", "difference"] == pytest.approx(25 - before, abs=1)


@pytest.mark.parametrize(("wanted", "verdict"), [(0.1, "lower"), (0.6, "lower"), (0.8, "higher"), (3.0, "higher")])
def test_convergence_is_compared_at_the_nearest_temperature(wanted, verdict):
    histories = pd.concat([curves(2.0, temperature=0.5), curves(0.5, temperature=1.0)])
    table = judged_curves(histories, temperature=wanted).set_index("measure")
    assert table.loc["training loss: final", "verdict"] == verdict


def test_validation_is_compared_at_the_end_and_by_the_epochs_to_the_lowest_loss():
    """At twice the rate the other's lowest loss is passed at epoch 11, not 24, and the end is far above it."""
    table = judged_curves(curves(2.0)).set_index("measure")
    final = table.loc["validation loss: final"]
    assert final["difference"] == pytest.approx(0.01 * (76**2 - 26**2) - 0.1, abs=0.05)
    assert final["verdict"] == "higher"
    epochs = table.loc["validation loss: epochs to Gumbel's lowest"]
    assert (epochs["difference"], epochs["p"]) == (11 - 24, 2 / 2 ** len(SEEDS)), "no spread"


def test_the_convergence_claim_is_judged_on_its_own_dataset_temperature_and_loss():
    table = judged_curves(pd.concat([curves(2.0), curves(0.5, temperature=0.5, dataset="mnist")]))
    final = table[table["measure"] == "training loss: final"].set_index("dataset")
    assert final["verdict"].to_dict() == {"omniglot": "lower", "mnist": "higher"}
    assert claims_of(table) == ["2", "2 of the validation loss", "2 elsewhere"]
    assert claims_of(judged_curves(curves(2.0, temperature=0.5))) == ["2 elsewhere"]
    elsewhere = judged_curves(pd.concat([curves(2.0, dataset="mnist"), curves(2.0, dataset="digits")]))
    assert elsewhere["dataset"].unique().tolist() == ["mnist", "digits"], "in the order of the histories"
