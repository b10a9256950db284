"""Comparisons of scale and shape against planted effects."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.analysis.statistics import holm
from discrete_vae.control.comparison import (
    CONTROL_MEASURES,
    compare_scale_and_shape,
    control_to_markdown,
    laws_by_variance,
    losses_of_laws,
    pairs_of_laws,
    shape,
)

PERTURBATIONS = {
    "gumbel": {"distribution": "Gumbel", "loc": 0, "scale": 1},
    "normal": {"distribution": "Normal", "loc": 0, "scale": 1},
    "narrow": {"distribution": "Gumbel", "loc": 0, "scale": 0.78},
    "wide": {"distribution": "Normal", "loc": 0, "scale": 1.283},
    "logistic": {"distribution": "Logistic", "loc": 0, "scale": 1},
}
VARIANCES = {"gumbel": 1.645, "normal": 1.0, "narrow": 1.0, "wide": 1.645, "logistic": 3.29}


def test_pairs_differ_in_scale_or_in_shape_and_never_in_both():
    assert pairs_of_laws(PERTURBATIONS, VARIANCES) == [
        ("scale", ("gumbel", "narrow")),
        ("shape", ("gumbel", "wide")),
        ("shape", ("normal", "narrow")),
        ("scale", ("wide", "normal")),
    ]


def test_laws_of_equal_variance_are_grouped_whatever_their_digits():
    """1.6449 and 1.6451 are a ten-thousandth apart, though they round to 1.64 and 1.65."""
    variances = {"wide": 3.29, "gumbel": 1.6449, "cauchy": np.nan, "normal": 1.6451, "narrow": 1.0}
    assert laws_by_variance(variances) == [["narrow"], ["gumbel", "normal"], ["wide"], ["cauchy"]]


@pytest.mark.parametrize(
    ("first", "second", "variances", "pairs"),
    [
        ({"concentration": 2, "rate": 1}, {"concentration": 2, "rate": 2}, (2, 0.5), [("scale", ("a", "b"))]),
        ({"concentration": 2, "rate": 1}, {"concentration": 8, "rate": 2}, (2, 2), [("shape", ("a", "b"))]),
        ({"concentration": 2, "rate": 1}, {"concentration": 3, "rate": 1}, (2, 3), []),
    ],
)
def test_a_parameter_may_change_the_shape_of_a_distribution(first, second, variances, pairs):
    laws = {"a": {"distribution": "Gamma", **first}, "b": {"distribution": "Gamma", **second}}
    assert pairs_of_laws(laws, dict(zip("ab", variances, strict=True))) == pairs


def test_the_scale_of_a_lognormal_is_its_shape():
    assert shape({"distribution": "LogNormal", "loc": 0, "scale": 1}) == {"distribution": "LogNormal", "scale": 1}


def test_a_planted_effect_of_the_scale_is_found_and_none_of_the_shape():
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(5):
        level = rng.normal(0, 5)
        for law, variance in VARIANCES.items():
            loss = 100 + level + variance + rng.normal(0, 0.01)
            measures = dict.fromkeys(CONTROL_MEASURES, loss)
            rows.append({"dataset": "d", "K": 10, "perturbation": law, "seed": seed, **measures})
    compared = compare_scale_and_shape(pd.DataFrame(rows), PERTURBATIONS, VARIANCES)
    verdicts = compared.groupby("differ_in")["verdict"].unique().map(list).to_dict()
    assert verdicts == {"scale": ["higher"], "shape": ["inconclusive"]}
    for _, of_kind in compared.groupby("differ_in"):
        assert of_kind["p_holm"].tolist() == pytest.approx(holm(of_kind["p"]).tolist())
    markdown = control_to_markdown(compared, temperature=1.0, notes=["what was run"])
    assert "- what was run\n\n|" in markdown
    kind, measure, median_size, *_ = (entry.strip() for entry in markdown.splitlines()[2].split("|")[1:])
    assert (kind, measure) == ("scale", "paper loss")
    assert float(median_size) == pytest.approx(0.645, abs=0.02)


def test_laws_that_were_not_run_or_have_no_finite_variance_are_left_out():
    laws = {
        **PERTURBATIONS,
        "t1": {"distribution": "StudentT", "df": 1.5, "loc": 0, "scale": 1},
        "t2": {"distribution": "StudentT", "df": 2, "loc": 0, "scale": 1},
        "cauchy": {"distribution": "Cauchy", "loc": 0, "scale": 1},
        "cauchy-wide": {"distribution": "Cauchy", "loc": 0, "scale": 2},
    }
    variances = {**VARIANCES, "t1": np.inf, "t2": np.inf, "cauchy": np.nan, "cauchy-wide": np.nan}
    run = [law for law in laws if law != "narrow"]
    losses = pd.DataFrame(
        {"dataset": "d", "K": 10, "perturbation": law, "seed": seed, **dict.fromkeys(CONTROL_MEASURES, seed)}
        for law in run
        for seed in (1, 2)
    )
    compared = compare_scale_and_shape(losses, laws, variances)
    pairs = {(row.perturbation, row.other) for row in compared.itertuples()}
    assert pairs == {("gumbel", "wide"), ("wide", "normal")}


def test_laws_that_share_nothing_are_not_compared():
    losses = pd.DataFrame({"dataset": ["d"], "K": 10, "perturbation": "gumbel", "seed": 1})
    losses = losses.assign(**dict.fromkeys(CONTROL_MEASURES, 1.0))
    compared = compare_scale_and_shape(losses, {"gumbel": PERTURBATIONS["gumbel"]}, {"gumbel": 1.6})
    assert compared.empty
    assert "No comparison" in control_to_markdown(compared, temperature=1.0, notes=[])


def test_training_losses_are_those_of_the_last_epoch_at_the_temperature_nearest_to_the_wanted_one():
    """A run that diverged before has none."""
    cell = {"dataset": "d", "K": 10, "seed": 1}
    histories = pd.DataFrame(
        {**cell, "perturbation": law, "temperature": temperature, "epoch": epoch, "training_loss": loss}
        for law, temperature, epoch, loss in [
            *(("normal", 0.5, 1, 9.0), ("normal", 0.5, 2, 8.0), ("normal", 0.9, 1, 7.0), ("normal", 0.9, 2, 6.0)),
            *(("gumbel", 0.5, 1, 5.0), ("gumbel", 0.5, 2, 4.0), ("gumbel", 0.9, 1, 3.0)),
        ]
    )
    selection = pd.DataFrame({**cell, "perturbation": law, "temperature": 0.5} for law in ("normal", "gumbel"))
    bounds = selection.assign(paper_loss=3.0, negative_elbo=1.0, importance_weighted_bound=2.0)
    losses = losses_of_laws(selection, bounds, histories, temperature=1.0)
    by_law = losses.set_index("perturbation")[list(CONTROL_MEASURES)]
    assert by_law.loc["normal"].tolist() == [3, 1, 2, 6]
    assert by_law.loc["gumbel"].tolist()[:3] == [3, 1, 2]
    assert np.isnan(by_law.loc["gumbel", "training_loss"])
