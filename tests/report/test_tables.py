"""The one layout of tables, and the claims, codes and costs in it."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.analysis.codes import QUANTITIES, summarize_codes
from discrete_vae.analysis.costs import COLUMNS, sum_costs
from discrete_vae.report.tables import claims_to_markdown, codes_to_markdown, costs_to_markdown, to_markdown
from planted import curves, judged, judged_curves, selected


def rows_of(markdown: str, *, table: int = 0) -> list[list[str]]:
    """Return the texts of a table's rows, the head first."""
    blocks = [block for block in markdown.split("\n\n") if block.startswith("|")]
    lines = blocks[table].splitlines()
    return [[text.strip() for text in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def claims(table: pd.DataFrame, notes=()) -> str:
    return claims_to_markdown(table, temperature=1.0, notes=notes)


def test_numbers_are_spelled_by_their_format_and_missing_ones_left_out():
    table = pd.DataFrame({"law": ["a", "b"], "loss": [1.234, np.nan], "n": [3, 4]})
    markdown = to_markdown(table, ["first", "second"], formats={"loss": ".2f"})
    assert rows_of(markdown) == [["law", "loss", "n"], ["a", "1.23", "3"], ["b", "", "4"]]
    assert markdown.endswith("|\n\n- first\n- second\n")
    assert to_markdown(table).endswith("|\n")


def test_claims_have_rules_notes_verdicts_comparisons_and_their_sensitivity():
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0})).assign(image_se=[0.12, 0.34, np.nan])
    markdown = claims(table, ["mnist: not as in the paper"])
    assert markdown.startswith("- 1: Normal noise has the lowest test loss")
    assert "\n- mnist: not as in the paper\n" in markdown
    assert rows_of(markdown)[1][3] == "inconclusive in 1 of 1 run, of 9 (interim: 5 of 6 seeds)"
    head, *rows = rows_of(markdown, table=1)
    comparisons = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["image s.e."] for row in comparisons] == ["0.12", "0.34", ""]
    assert [row["difference"] for row in comparisons] == [f"{value:.2f}" for value in table["difference"]]
    assert [row["understated KL"] for row in comparisons] == ["2.00", "", ""]
    low, high = table.loc[0, ["low", "high"]]
    assert comparisons[0]["interval"] == f"{low:.2f} to {high:.2f}"
    head, *rows = rows_of(markdown, table=2)
    assert dict(zip(head, rows[0], strict=True))["sign flip"] == "0.062"


def test_a_rule_of_one_claim_is_told_where_that_claim_is_judged():
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0})
    beside, of_claim_2 = "- claim 1 selected by negative ELBO: it is not in", "- claim 2: for all three measures of the"
    for table, rules in (
        (judged(selection, bounds), set()),
        (judged(selection, bounds, by_elbo=selection), {beside}),
        (judged_curves(curves(2.0)), {of_claim_2}),
        (judged_curves(curves(2.0, dataset="mnist")), set()),
    ):
        assert {rule for rule in (beside, of_claim_2) if rule in claims(table)} == rules


@pytest.mark.parametrize("diverged", [False, True])
def test_one_seed_and_no_seed_have_no_interval(diverged):
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,))
    if diverged:
        selection.loc[selection["perturbation"] == "normal", "temperature"] = np.nan
        bounds = bounds.query("perturbation == 'gumbel'")
    markdown = claims(judged(selection, bounds))
    assert "no interval" in markdown
    assert "nan" not in markdown


def test_a_goal_that_is_not_reached_is_shown_as_a_lower_bound():
    markdown = claims(judged_curves(curves(0.5).query("epoch <= 40")))
    assert "at least 16.00" in markdown
    assert "open (not reached in 5 of 5)" in markdown


def test_without_the_claimed_law_there_is_one_line():
    assert claims(judged(*selected({"gumbel": 1.0, "logistic": 0.0}))).startswith("No comparison")


@pytest.mark.parametrize(
    ("seeds", "kl", "expected"),
    [(2, [1.0, 2.0], "1.50 ± 0.71"), (1, [1.0, 2.0], "1.00"), (2, [np.nan] * 2, "not evaluated")],
)
def test_codes_have_means_and_deviations_and_the_looseness_of_the_bound(seeds, kl, expected):
    cells = pd.DataFrame({"dataset": "d", "K": 10, "perturbation": "gumbel", "temperature": 0.5, "seed": [1, 2]})
    values = {**dict.fromkeys([*QUANTITIES, "importance_weighted_bound"], 1.0), "kl_of_codes": kl, "samples": 50}
    bounds = cells.assign(**{**values, "bound_of_100_samples": np.nan}).drop(columns="bound_of_all_samples")
    bounds["bound_of_10_samples"] = [7.0, 9.0]
    markdown = codes_to_markdown(summarize_codes(cells.head(seeds), bounds))
    assert rows_of(markdown)[1][6] == expected
    spread = " ± 1.41" if seeds == 2 else ""
    of_all = "1.00 ± 0.00" if seeds == 2 else "1.00"
    mean = f"{8 if seeds == 2 else 7:.2f}{spread}"
    assert rows_of(markdown, table=1)[1][3:8] == [str(seeds), "50", mean, "not evaluated", of_all]


def test_costs_end_in_the_sums():
    costs = pd.DataFrame([["mnist", 10, 1, step, "cuda", "a GPU", 2, 2, 1800.0] for step in ("train", "evaluate")])
    head, train, _, total = rows_of(costs_to_markdown(sum_costs(costs.set_axis(COLUMNS, axis=1))))
    assert head == ["step", "dataset", "K", "hardware", "jobs", "core_hours", "gpu_hours"]
    assert train == ["train", "mnist", "10", "a GPU", "2", "1.000", "0.500"]
    assert total == ["total", "", "", "", "4", "2.000", "1.000"]
