"""The summary of the test losses against numbers done by hand and scipy."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.analysis.losses import summarize_test_losses
from discrete_vae.analysis.selection import NEGATIVE_ELBO, VALIDATION_LOSS, select_temperatures
from discrete_vae.errors import InputError
from planted import bounds_of, runs_of, summarized, two_laws


def by_both(selection: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Let both criteria select the same models."""
    return {VALIDATION_LOSS: selection, NEGATIVE_ELBO: selection}


def test_the_table_has_mean_and_spread_over_seeds_and_marks_the_best():
    table = summarized(two_laws())
    measures = ["paper loss", "negative ELBO", "IWAE bound", "negative ELBO, selected by it"]
    assert table["measure"].unique().tolist() == measures
    assert table.loc[table["perturbation"] == "normal", "mean"].tolist() == pytest.approx([13, 12, 11, 12])
    gumbel, normal = table[table["measure"] == "paper loss"].to_dict("records")
    assert (gumbel["mean"], normal["mean"]) == pytest.approx((21.6, 13.0))
    assert (gumbel["sd"], normal["sd"]) == pytest.approx((np.sqrt(0.5), np.sqrt(2)))
    for row, losses in ((gumbel, (21.1, 22.1)), (normal, (12.0, 14.0))):
        expected = scipy.stats.ttest_1samp(losses, 0).confidence_interval(0.95)
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected))
    assert (gumbel["best"], normal["best"]) == (False, True)
    assert (gumbel["edge_selections"], normal["edge_selections"]) == (2, 0)
    assert (gumbel["late_selections"], normal["late_selections"]) == (0, 0)
    assert normal["seeds"] == 2


def test_a_best_epoch_among_the_last_is_not_marked_where_the_run_stopped_early():
    """It had its chance. A law of which every run diverged has neither."""
    runs = runs_of({("normal", 0.5, 1): 1.0, ("normal", 0.5, 2): 1.0, ("gumbel", 0.5, 1): 2.0}, [("gumbel", 0.5, 1)])
    table = summarized(runs.assign(epochs_run=100, best_epoch=99, stopped_early=runs["seed"] == 1))
    of_loss = table[table["measure"] == "paper loss"].set_index("perturbation")["late_selections"]
    assert of_loss.to_dict() == {"normal": 1, "gumbel": 0}


def test_diverged_runs_are_summed_over_seeds():
    losses = {("normal", t, s): t for t in (0.1, 0.5) for s in (1, 2)}
    table = summarized(runs_of(losses, diverged=[("normal", 0.1, 1), ("normal", 0.1, 2)]))
    assert table["diverged_runs"].unique().tolist() == [2]


def test_the_temperatures_of_the_seeds_are_sorted():
    losses = {("normal", t, s): abs(t - best) for s, best in ((1, 1.0), (2, 0.5)) for t in (0.5, 1.0)}
    table = summarized(runs_of(losses))
    assert table["temperatures"].unique().tolist() == ["0.5 1.0"]


def test_the_error_over_images_is_that_of_the_mean_over_seeds_of_the_selected_models():
    runs = runs_of({(law, t, s): t for law in ("gumbel", "normal") for t in (0.5, 1.0) for s in (1, 2)})
    selection = select_temperatures(runs)
    rng = np.random.default_rng(0)
    losses = {law: {s: rng.normal(size=(3, 50)) for s in (1, 2)} for law in ("gumbel", "normal")}
    per_image = {
        f"digits-K10-{law}-tau0.5-seed{s}": values for law, seeds in losses.items() for s, values in seeds.items()
    }
    table = summarize_test_losses(by_both(selection), bounds_of(selection), per_image)
    for row in table.query("measure != 'negative ELBO, selected by it'").to_dict("records"):
        measure = ["paper loss", "negative ELBO", "IWAE bound"].index(row["measure"])
        mean = sum(losses[row["perturbation"]].values())[measure] / 2
        assert row["image_se"] == pytest.approx(scipy.stats.sem(mean))


def test_bounds_of_another_model_are_not_taken_for_those_of_the_selected_one():
    selection = select_temperatures(runs_of({("normal", 0.5, 1): 1.0, ("normal", 1.0, 1): 2.0}))
    stale = bounds_of(selection).assign(temperature=1.0)
    with pytest.raises(InputError, match=r"K10/seed1 has no bounds of its selected model .*tau0.5-seed1.*remove"):
        summarize_test_losses(by_both(selection), stale, {})


def test_the_negative_elbo_may_select_another_temperature():
    """At 0.5 the paper loss is lower, and the KL of the codes higher."""
    runs = runs_of({("normal", t, s): t for t in (0.5, 1.0) for s in (1, 2)})
    runs["validation_kl_of_codes"] = runs["temperature"].map({0.5: 9.0, 1.0: 2.0})
    selections = {by: select_temperatures(runs, by=by) for by in (VALIDATION_LOSS, NEGATIVE_ELBO)}
    bounds = pd.concat([bounds_of(selection) for selection in selections.values()])
    bounds["negative_elbo"] = bounds["temperature"].map({0.5: 30.0, 1.0: 20.0})
    table = summarize_test_losses(selections, bounds, {}).set_index("measure")
    assert table.loc["negative ELBO", ["mean", "temperatures"]].tolist() == [30.0, "0.5"]
    assert table.loc["negative ELBO, selected by it", ["mean", "temperatures"]].tolist() == [20.0, "1.0"]


def test_results_that_lack_the_validation_kl_of_codes_select_nothing_by_it():
    table = summarized(two_laws().drop(columns="validation_kl_of_codes"))
    of_elbo = table[table["measure"] == "negative ELBO, selected by it"]
    assert of_elbo["mean"].isna().all()
    assert not of_elbo[["best", "edge_selections", "late_selections"]].to_numpy().any()
