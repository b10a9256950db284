"""The table of codes against numbers done by hand."""

import numpy as np
import pandas as pd
from discrete_vae.analysis.codes import QUANTITIES, summarize_codes
from discrete_vae.grid.cells import AXES


def bounds(law: str, **values: list[float]) -> pd.DataFrame:
    """Make two seeds of a law, with all quantities alike but those given."""
    cells = {"dataset": "d", "K": 10, "perturbation": law, "temperature": 0.5, "seed": [1, 2]}
    quantities = dict.fromkeys([*QUANTITIES, "importance_weighted_bound"], 1.0)
    return pd.DataFrame({**cells, "samples": 100, **quantities, **values}).drop(columns="bound_of_all_samples")


def summary(bounds: pd.DataFrame) -> list[dict]:
    return summarize_codes(bounds[list(AXES)], bounds).to_dict("records")


def test_quantities_are_summarized_over_seeds_for_each_law():
    normal, gumbel = summary(pd.concat([bounds("normal"), bounds("gumbel", perplexity=[4.0, 6.0])]))
    assert (normal["perturbation"], gumbel["perturbation"]) == ("normal", "gumbel"), "in the order of the selection"
    assert (gumbel["perplexity"], gumbel["perplexity_sd"], gumbel["seeds"]) == (5.0, np.sqrt(2), 2)
    assert (normal["perplexity"], normal["perplexity_sd"], normal["kl_of_codes"]) == (1.0, 0.0, 1.0)


def test_a_quantity_is_its_mean_though_one_seed_is_far_off():
    seeds = pd.concat([bounds("gumbel", perplexity=[1.0, 2.0]), bounds("gumbel", perplexity=9.0).assign(seed=[3, 4])])
    (row,) = summary(seeds.head(3))
    assert row["perplexity"] == (1 + 2 + 9) / 3


def test_a_law_of_which_every_run_diverged_is_left_out_and_a_seed_that_lacks_an_older_column_is_not():
    known, diverged = bounds("gumbel")[list(AXES)], bounds("normal")[list(AXES)].assign(temperature=np.nan)
    selection = pd.concat([known, diverged]).assign(validation_kl_of_codes=np.nan)
    (row,) = summarize_codes(selection, bounds("gumbel")).to_dict("records")
    assert (row["perturbation"], row["seeds"]) == ("gumbel", 2)


def test_what_is_missing_stays_missing():
    """What a law without quadrature lacks, and the deviation over one seed."""
    missing = [np.nan, np.nan]
    (row,) = summary(bounds("cauchy", kl_of_codes=missing, perplexity=missing))
    assert np.isnan([row["kl_of_codes"], row["kl_of_codes_sd"], row["perplexity"]]).all()
    assert row["reconstruction"] == 1.0
    assert np.isnan(summary(bounds("gumbel").head(1))[0]["reconstruction_sd"])


def test_models_that_only_another_criterion_selected_do_not_count():
    selected = bounds("gumbel", perplexity=[4.0, 6.0])
    others = bounds("gumbel", perplexity=[1.0, 1.0]).assign(temperature=1.0)
    table = summarize_codes(selected[list(AXES)], pd.concat([selected, others]))
    assert table["perplexity"].tolist() == [5.0]


def test_the_looseness_is_of_the_same_seeds_throughout():
    """Older results lack it, but have the bound of all samples."""
    mixed = bounds("gumbel", importance_weighted_bound=[9.0, 5.0], effective_samples=[np.nan, 2.0])
    (row,) = summary(mixed.assign(bound_of_10_samples=[np.nan, 7.0]))
    assert (row["bound_of_10_samples"], row["bound_of_all_samples"]) == (7.0, 5.0)
    assert (row["seeds"], row["seeds_of_looseness"], row["samples"]) == (2, 1, 100)
