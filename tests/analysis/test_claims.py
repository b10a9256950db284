"""The verdicts of the analysis plan: each comes out when it should, in the plan's order, and false ones seldom."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from discrete_vae.analysis.claims import CLAIMS, FURTHER_LAW, add_verdicts, pool, summarize_verdicts, verdict_here
from discrete_vae.analysis.statistics import MARGIN

PLACES = [(dataset, K) for dataset in ("mnist", "fashion-mnist", "omniglot") for K in (10, 30, 50)]


def comparisons(rows: list[dict]) -> pd.DataFrame:
    """Make comparisons of claim 1 under one measure, at n = 6 seeds, with what rows say of each."""
    same = {
        "claim": "1",
        "dataset": "mnist",
        "K": 10,
        "measure": "paper loss",
        "n": 6,
        "difference": -1.0,
        "p_level": 1.0,
        "understated_kl": -0.5,
        "not_reached": 0,
    }
    return add_verdicts(pd.DataFrame([{**same, **row} for row in rows]))


@pytest.mark.parametrize(
    ("difference", "p", "p_level", "verdict"),
    [
        (-2.0, 0.05, 1.0, "lower"),
        (-2.0, 0.051, 1.0, "open"),
        (-0.5, 0.01, 0.01, "lower"),  # before level
        (0.5, 0.01, 0.01, "higher"),  # before level
        (0.5, 0.2, 0.05, "level"),
        (-0.5, 0.2, 0.05, "level"),
        (2.0, 0.06, 1.0, "open"),
        (-2.0, np.nan, np.nan, "open"),
    ],
)
def test_a_comparison_has_the_first_verdict_of_the_plan_that_fits(difference, p, p_level, verdict):
    (row,) = comparisons([{"difference": difference, "p": p, "p_level": p_level}]).to_dict("records")
    assert row["verdict"] == verdict


def test_higher_is_adjusted_over_the_laws_of_a_dataset_K_and_measure_and_lower_is_not():
    table = comparisons([{"difference": -1, "p": 0.03}, {"difference": -1, "p": 0.04}])
    assert table["verdict"].tolist() == ["lower", "lower"]
    table = comparisons(
        [{"difference": 1, "p": 0.03}, {"difference": 1, "p": 0.04}, {"difference": 1, "p": 0.04, "K": 30}]
    )
    assert table["p_holm"].tolist() == pytest.approx([0.06, 0.06, 0.04])
    assert table["p_holm_of_measure"].tolist() == pytest.approx([0.09, 0.09, 0.09])
    assert table["verdict"].tolist() == ["open", "open", "higher"]
    further_law = {"claim": FURTHER_LAW.name, "difference": 1, "p": 0.04}
    table = comparisons([{"difference": 1, "p": 0.03}, further_law])
    assert table["p_holm"].tolist() == pytest.approx([0.06, 0.06])
    assert table["p_holm_of_measure"].tolist() == pytest.approx([0.03, 0.04])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["lower", "lower"], "supported"),
        (["lower"], "inconclusive"),  # of two other laws one was not run
        (["lower", "open"], "inconclusive"),
        (["lower", "level"], "level"),
        (["level", "level"], "level"),
        (["level"], "inconclusive"),
        (["level", "open"], "inconclusive"),
        (["lower", "higher"], "contradicted"),
        (["higher"], "contradicted"),
        (["higher", "open"], "contradicted"),
    ],
)
def test_the_verdict_at_a_dataset_and_K(verdicts, expected):
    assert verdict_here(verdicts, least=2) == expected


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim_1_needs_both_other_laws_of_the_paper_wherever_it_is_judged_and_other_claims_one(claim):
    row = {"claim": claim, "difference": -1, "p": 0.01}
    of_one, of_two = (comparisons([row] * laws)["claim_here"].unique().tolist() for laws in (1, 2))
    assert of_one == (["inconclusive"] if claim.startswith("1") else ["supported"])
    assert of_two == ["supported"]


def whole(rows: list[dict]) -> str:
    return summarize_verdicts(comparisons(rows)).set_index("measure").loc["paper loss", "verdict"]


def at(places: list, **row: float) -> list[dict]:
    return [{"dataset": dataset, "K": K, **row} for dataset, K in places for _ in range(2)]


def test_a_claim_as_a_whole_never_stands_without_its_extent():
    lower, higher, open_ = {"difference": -1, "p": 1e-5}, {"difference": 1, "p": 1e-5}, {"difference": -1, "p": 0.5}
    assert whole(at(PLACES, **lower)) == "supported in 9 of 9"
    assert whole(at(PLACES[:2], **lower)) == "supported in 2 of 2 run, of 9"
    assert whole([*at(PLACES[:2], **lower), *at(PLACES[2:3], **open_)]) == "supported in 2 of 3 run, of 9"
    assert whole([*at(PLACES[:8], **lower), *at(PLACES[8:], **higher)]) == "contradicted in 1 of 9"
    without_bound = [{"dataset": "mnist", "K": 10, "difference": np.nan, "p": np.nan, "n": 0}]
    assert whole([*at(PLACES[:1], **lower), *without_bound]) == "inconclusive in 1 of 1 run, of 9"
    assert whole(without_bound) == "inconclusive in 1 of 1 run, of 9 (nothing to compare)"
    level = {"difference": 0.1, "p": 0.5, "p_level": 0.01}
    assert whole(at(PLACES[:2], **level)) == "level in 2 of 2 run, of 9"
    assert whole([*at(PLACES[:2], **level), *at(PLACES[2:3], **open_)]) == "supported in 0 of 3 run, of 9"
    assert whole(at(PLACES, **lower, n=7)) == "supported in 9 of 9 (7 seeds, the plan has 6)"
    assert whole(at(PLACES[:1], **lower, n=5)) == "supported in 1 of 1 run, of 9 (interim: 5 of 6 seeds)"
    mixed = [*at(PLACES[:1], **lower, n=1), *at(PLACES[1:2], **lower, n=3)]
    assert whole(mixed) == "supported in 2 of 2 run, of 9 (interim: 1 to 3 of 6 seeds)"
    counts = summarize_verdicts(comparisons([*at(PLACES[:2], **lower), *at(PLACES[2:3], **open_)])).iloc[0]
    assert counts[["supported", "contradicted", "level", "inconclusive"]].tolist() == [2, 0, 0, 1]
    assert counts["where"] == "mnist 10, 30, 50"
    assert counts[["differences", "understated_kl"]].tolist() == ["-1.00", "-0.50"]
    not_reached = summarize_verdicts(comparisons([*at(PLACES[:1], **lower), *at(PLACES[1:2], **open_, not_reached=1)]))
    assert not_reached["differences"].tolist() == ["at least -1.00"]


def test_a_contradiction_as_a_whole_is_adjusted_over_all_of_the_measure():
    """Higher than one of two laws is a contradiction there. Over 18 comparisons the same p is not small enough."""
    rows = [*at(PLACES[:8], difference=-1, p=0.5), *at(PLACES[8:], difference=1, p=0.01)]
    assert comparisons(rows)["claim_here"].tolist()[-1] == "contradicted"
    assert whole(rows) == "supported in 0 of 9"


def test_what_is_open_at_its_place_contradicts_nothing():
    """A further law, of another claim, is in Holm's family of the place only."""
    further_law = {"claim": FURTHER_LAW.name, "difference": 1, "p": 0.04}
    table = comparisons([{"difference": 1, "p": 0.03}, further_law])
    assert table["p_holm_of_measure"].max() <= 0.05 < table["p_holm"].min()
    assert summarize_verdicts(table)["verdict"].tolist() == [
        "inconclusive in 1 of 1 run, of 9",
        "inconclusive in 1 of 1",
    ]


def test_further_laws_count_for_the_verdicts_of_their_study_when_studies_are_pooled():
    further_law = {"claim": FURTHER_LAW.name, "difference": 1, "p": 0.04}
    table = comparisons([{"difference": 1, "p": 0.03}, further_law]).assign(study="a")
    other = comparisons([{"K": 30, "difference": 1, "p": 0.02}]).assign(study="b")
    pooled = pool(pd.concat([table, other]))
    assert pooled["verdict"].tolist() == ["open", "higher"]
    assert pooled["p_holm"].tolist() == pytest.approx([0.06, 0.02])
    assert pooled["p_holm_of_measure"].tolist() == pytest.approx([0.04, 0.04])


def test_faster_and_better_is_adjusted_over_all_its_comparisons():
    """Over the three of one measure p is small enough, over all nine it is not."""
    rows = [
        {"claim": "2", "dataset": "omniglot", "K": K, "measure": measure, "difference": 1, "p": p, "p_level": np.nan}
        for K in (10, 30, 50)
        for measure, p in (("final", 0.015), ("mean", 0.5), ("epochs", 0.5))
    ]
    verdicts = summarize_verdicts(comparisons(rows)).set_index("measure")["verdict"]
    assert verdicts["final"] == "contradicted in 3 of 3"
    assert verdicts["training loss: all three"] == "supported in 0 of 3"


def test_faster_and_better_needs_all_three_measures():
    rows = [
        {"claim": "2", "dataset": "omniglot", "K": K, "measure": measure, "difference": -1, "p": p, "p_level": np.nan}
        for K in (10, 30, 50)
        for measure, p in (("final", 0.01), ("mean", 0.01), ("epochs", 0.01 if K == 10 else 0.2))
    ]
    verdicts = summarize_verdicts(comparisons(rows)).set_index("measure")["verdict"]
    assert verdicts.to_dict() == {
        "final": "supported in 3 of 3",
        "mean": "supported in 3 of 3",
        "epochs": "supported in 1 of 3",
        "training loss: all three": "supported in 1 of 3",
    }


def test_a_summary_keeps_the_order_of_the_comparisons():
    rows = [
        {"measure": measure, "dataset": dataset, "p": 0.5}
        for measure in ("paper loss", "IWAE bound")
        for dataset in ("mnist", "fashion-mnist")
    ]
    summary = summarize_verdicts(comparisons(rows))
    assert summary["measure"].tolist() == ["paper loss", "IWAE bound"]
    assert summary["where"].tolist() == ["mnist 10; fashion-mnist 10"] * 2


def test_a_p_of_5_percent_contradicts():
    rows = [{"difference": 1, "p": 0.05}]
    assert comparisons(rows)["verdict"].tolist() == ["higher"]
    assert whole(rows) == "contradicted in 1 of 1 run, of 9"


def test_claims_about_more_than_the_study_count_what_was_run():
    assert whole(at(PLACES[:2], difference=-1, p=0.01, claim="1 elsewhere")) == "supported in 2 of 2"
    assert {name: claim.places for name, claim in CLAIMS.items() if claim.places} == {
        "1": 9,
        "1 selected by negative ELBO": 9,
        "2": 3,
    }


def simulated(simulations: int, *, differs_at: Sequence[int]) -> pd.DataFrame:
    """Make comparisons of which some differ as claimed, by 9 nats where the noise is 1, and the others not at all.

    Normal's own losses are in both comparisons of a place, which makes them dependent. A simulation stands as a
    measure of its own.
    """
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([range(simulations), PLACES, range(2)], names=["measure", "place", "other"])
    normal = rng.normal(100, 1, (simulations, len(PLACES), 1, 6))
    effects = np.where(np.isin(np.arange(2 * len(PLACES)), differs_at), 9.0, 0.0).reshape(len(PLACES), 2, 1)
    differences = (normal - rng.normal(100 + effects, 1, (simulations, len(PLACES), 2, 6))).reshape(-1, 6)
    sides = ((-MARGIN, "greater"), (MARGIN, "less"))
    level = [scipy.stats.ttest_1samp(differences, m, axis=1, alternative=a).pvalue for m, a in sides]
    columns = {"difference": differences.mean(1), "p_level": np.max(level, axis=0)}
    table = index.to_frame().assign(**columns, p=scipy.stats.ttest_1samp(differences, 0, axis=1).pvalue)
    table["dataset"], table["K"] = table["place"].str[0], table["place"].str[1]
    return comparisons(table.to_dict("records"))


@pytest.mark.parametrize(
    ("differs_at", "simulations"),
    [
        pytest.param([], 200, id="nothing differs"),
        pytest.param(range(1, 18, 2), 200, id="one comparison of each place does not differ"),
        pytest.param(range(1, 18), 400, id="one comparison does not differ"),
    ],
)
def test_false_verdicts_are_seldom(differs_at, simulations):
    """Each at most 5% of the time: supported, or contradicted, as a whole and at a dataset and K."""
    table = simulated(simulations, differs_at=differs_at)
    verdicts = summarize_verdicts(table)["verdict"]
    assert len(verdicts) == simulations
    for wrong in ("contradicted", "supported in 9 of 9"):
        assert verdicts.str.startswith(wrong).mean() <= 0.05
    not_differing = [index for index in range(0, 18, 2) if not {index, index + 1} <= set(differs_at)]
    here = table.loc[[index % 18 in not_differing for index in table.index], "claim_here"]
    for wrong in ("contradicted", "supported"):
        assert (here == wrong).mean() <= 0.05
    if not_differing == [0]:
        assert (verdicts == "supported in 8 of 9").mean() > 0.9, "the others are found"
