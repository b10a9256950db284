"""Comparisons of scale and shape against planted effects."""

import numpy as np
import pandas as pd
from discrete_vae.control import compare_scale_and_shape, pairs_of_laws, to_markdown

DISTRIBUTIONS = {"gumbel": "Gumbel", "normal": "Normal", "narrow": "Gumbel", "wide": "Normal", "logistic": "Logistic"}
VARIANCES = {"gumbel": 1.645, "normal": 1.0, "narrow": 1.0, "wide": 1.645, "logistic": 3.29}


def test_pairs_differ_in_scale_or_in_shape_and_never_in_both():
    assert pairs_of_laws(DISTRIBUTIONS, VARIANCES) == [
        ("scale", ("gumbel", "narrow")),
        ("shape", ("gumbel", "wide")),
        ("shape", ("normal", "narrow")),
        ("scale", ("wide", "normal")),
    ]


def test_a_planted_effect_of_the_scale_is_found_and_none_of_the_shape():
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(5):
        level = rng.normal(0, 5)
        for law, variance in VARIANCES.items():
            loss = 100 + level + variance + rng.normal(0, 0.01)
            rows.append({"dataset": "d", "K": 10, "perturbation": law, "temperature": 0.5, "seed": seed, "loss": loss})
    table = pd.DataFrame(rows)
    selection = table.rename(columns={"loss": "test_loss"})
    bounds = table.drop(columns="loss").assign(negative_elbo=table["loss"], importance_weighted_bound=table["loss"])
    compared = compare_scale_and_shape(selection, bounds, DISTRIBUTIONS, VARIANCES)
    verdicts = compared.groupby("differ_in")["verdict"].unique().map(list).to_dict()
    assert verdicts == {"scale": ["higher"], "shape": ["inconclusive"]}
    markdown = to_markdown(compared)
    assert "| scale" in markdown
    assert "0.6" in markdown, "the median size"


def test_laws_that_share_nothing_are_not_compared():
    selection = pd.DataFrame(
        {"dataset": ["d"], "K": [10], "perturbation": ["gumbel"], "temperature": [0.5], "seed": [1]}
    )
    bounds = selection.assign(negative_elbo=1.0, importance_weighted_bound=1.0)
    compared = compare_scale_and_shape(selection.assign(test_loss=1.0), bounds, {"gumbel": "Gumbel"}, {"gumbel": 1.6})
    assert compared.empty
    assert "No comparison" in to_markdown(compared)
