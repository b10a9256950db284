"""The tables of README, results.md and control.md are the published ones, and the summary says what they say."""

import os
import re

import pandas as pd
import pytest
from conftest import PUBLISHED, ROOT, published
from discrete_vae.analysis import claims
from discrete_vae.analysis.statistics import SIGNIFICANCE, spell_range
from discrete_vae.files import read_table, read_tables
from discrete_vae.grid.measures import MEASURES, SELECTED_BY_ELBO

PAGE = (ROOT / "docs/results.md").read_text()
TEXT = " ".join(PAGE.split())
DATASET = "omniglot-resized"  # of claim 2
NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "omniglot-resized": "Omniglot"}
INTERVAL = "{difference:.2f} ({low:.2f} to {high:.2f})"
DIFFERENCE = f"{INTERVAL}: {{verdict}}"
OTHERS = ["gumbel", "logistic"]
VERDICTS = read_table(ROOT / "docs/verdicts.csv").astype({"claim": str})


@pytest.fixture(scope="module")
def comparisons() -> pd.DataFrame:
    """The comparisons of all published studies, one for each claim, dataset, K, measure and other law."""
    table = read_tables(published("tables/claims.csv")).astype({"claim": str})
    return table.set_index(["claim", "dataset", "K", "measure", "other"]).sort_index()


def in_order(case: tuple[str, int]) -> tuple[int, int]:
    """Return the place of a dataset and K on the page, as a key to sort by."""
    dataset, K = case
    return list(NAMES).index(dataset), K


def cases(comparisons: pd.DataFrame, claim: str) -> list[tuple[str, int]]:
    """Return the datasets and K of a claim, in their order."""
    of_claim = comparisons.loc[claim].reset_index()[["dataset", "K"]].drop_duplicates()
    return sorted(of_claim.itertuples(index=False, name=None), key=in_order)


def spell_case(comparisons: pd.DataFrame, claim: str, dataset: str, K: int) -> list[str]:
    """Return the first cells of a row: the case, and its number of seeds."""
    return [f"{NAMES[dataset]}, K = {K}", str(comparisons.loc[claim, dataset, K]["n"].unique().item())]


def spell_differences(comparisons: pd.DataFrame, claim: str, dataset: str, K: int, measure: str) -> list[str]:
    """Return the last cells of a row: the differences from both laws, and the verdict on the claim."""
    of_laws = comparisons.loc[claim, dataset, K, measure].loc[OTHERS]
    spelled = of_laws.apply(DIFFERENCE.format_map, axis=1).str.replace("(nan to nan)", "(no interval)")
    return [*spelled, of_laws["claim_here"].iloc[0]]


def assert_table(header: str, rows: list[list[str]], page: str = "docs/results.md", below: str = "") -> None:
    """Assert that the first table of a page, below a text, whose header begins so has these rows.

    With REWRITE_TABLES in the environment the page gets these rows, too: the next run finds them.
    """
    path = ROOT / page
    text = path.read_text()
    start = text.index(f"\n| {header}", text.index(below)) + 1
    table = text[start:].partition("\n\n")[0]
    head, rule, *shown = table.splitlines()
    expected = [re.sub(" +", " ", f"| {' | '.join(row)} |") for row in rows]
    if "REWRITE_TABLES" in os.environ:
        path.write_text(text[:start] + "\n".join([head, rule, *expected]) + text[start + len(table) :])
    assert shown == expected


def test_the_verdicts_over_all_studies():
    shown = VERDICTS[(VERDICTS["claim"] == "1") | (VERDICTS["measure"] == claims.ALL_MEASURES)]
    assert_table("claim | measure | verdict", shown[["claim", "measure", "verdict"]].to_numpy().tolist())


def test_the_summary(comparisons):
    verdicts = VERDICTS.set_index(["claim", "measure"])["verdict"].str.partition(" run")[0]
    assert f"By the paper's own loss it is {verdicts['1', 'paper loss']} cases" in TEXT
    of_bound = verdicts["1", "IWAE bound"].removeprefix("supported ")
    assert f"The tighter IWAE bound supports claim 1 {of_bound} cases, and is open on Omniglot" in TEXT
    of_iwae = comparisons.loc["1"].xs("IWAE bound", level="measure")["verdict"]
    assert set(of_iwae["omniglot-resized"]) == {"open"}
    by_elbo = comparisons.loc["1"].xs("negative ELBO", level="measure")
    ((case, lower),) = by_elbo.loc[by_elbo["verdict"] == "lower", "difference"].items()
    assert (case, len(by_elbo)) == (("mnist", 10, "gumbel"), 12)
    only = f"than Gumbel noise on MNIST at K = 10, by {-lower:.2f} nats"
    assert f"Normal noise is lower in one of twelve comparisons only: {only}" in TEXT
    higher = by_elbo.loc[by_elbo["verdict"] == "higher", "difference"]
    of_gumbel, of_logistic = (higher.xs(other, level="other") for other in OTHERS)
    assert list(of_gumbel.index) == [("omniglot-resized", K) for K in (30, 50)]
    assert list(of_logistic.index) == [("omniglot-resized", K) for K in (10, 30, 50)]
    shown = (
        f"than Logistic noise's at all three K, by {spell_range(of_logistic)} nats, and than Gumbel's at K = 30 and 50"
    )
    of_each = " and ".join(f"{difference:.2f}" for difference in of_gumbel)
    assert f"On Omniglot its negative ELBO is higher: {shown}, by {of_each} nats" in TEXT
    at_1 = comparisons.loc["1 with fewer temperatures"].xs(("paper loss", "gumbel"), level=("measure", "other"))
    assert f"its test loss (paper loss) is {spell_range(at_1['difference'])} nats higher than Gumbel's" in TEXT
    assert set(at_1["verdict"]) == {"higher"}
    assert verdicts["2", claims.ALL_MEASURES].startswith("supported in 3 of 3"), "at all three K"


def test_the_differences_of_claim_1(comparisons):
    rows = []
    for dataset, K in cases(comparisons, "1"):
        first, *others = (spell_differences(comparisons, "1", dataset, K, measure) for measure in MEASURES.values())
        understated = comparisons["understated_kl"].loc["1", dataset, K, "paper loss"]
        measure, *bounds = MEASURES.values()
        rows += [
            [*spell_case(comparisons, "1", dataset, K), measure, *first],
            ["", "", "understated KL", *(f"{understated[other]:+.2f}" for other in OTHERS), ""],
            *(["", "", bound, *differences] for bound, differences in zip(bounds, others, strict=True)),
        ]
    assert_table("case | seeds | measure", rows)


def test_the_differences_from_gumbel_in_the_readme(comparisons):
    rows = []
    for dataset, K in cases(comparisons, "1"):
        compared = comparisons.loc["1", dataset, K].xs("gumbel", level="other")
        loss, *bounds = compared.loc[list(MEASURES.values())].apply(INTERVAL.format_map, axis=1)
        understated = f"{compared['understated_kl']['paper loss']:+.2f}"
        rows.append([*spell_case(comparisons, "1", dataset, K), loss, understated, *bounds])
    assert_table("best temperature | seeds", rows, "README.md")


@pytest.mark.parametrize(
    ("header", "studies"),
    [
        ("paper loss", ["mnist-k10", "mnist-k30", "fashion-mnist-k10", "omniglot-best-temperature"]),
        ("paper loss at temperature 1", ["omniglot-temperature-1"]),
    ],
)
def test_the_losses(header, studies):
    """As in the tables of the studies, without their marks."""
    rows = []
    for study in studies:
        table = re.sub("[†§]", "", (ROOT / "results" / study / "tables/results.md").read_text())
        for line in table.splitlines():
            if "| paper loss " in line:
                dataset, K, _, *losses = (cell.strip() for cell in line.strip("|").split("|"))
                rows.append([f"{NAMES[dataset]}, K = {K}", *losses[:3]])
    assert_table(f"{header} | Gumbel | Normal | Logistic", rows)


def test_the_differences_where_the_negative_elbo_selects(comparisons):
    claim = claims.BEST_BY_ELBO.name
    rows = [
        [
            *spell_case(comparisons, claim, dataset, K),
            *spell_differences(comparisons, claim, dataset, K, SELECTED_BY_ELBO),
        ]
        for dataset, K in cases(comparisons, claim)
    ]
    assert_table(SELECTED_BY_ELBO, rows)
    verdicts = VERDICTS.set_index("claim")["verdict"]
    shown = f"Over all studies claim 1 is {verdicts[claim].partition(' run')[0]} cases"
    assert f"{shown}, also after Holm's adjustment over all twelve comparisons" in TEXT
    assert contradicted_before_adjustment(comparisons, claim, SELECTED_BY_ELBO, count=12) == []


def test_the_verdict_of_the_negative_elbo_after_adjustment_over_all_cases(comparisons):
    verdict = VERDICTS.set_index(["claim", "measure"])["verdict"]["1", "negative ELBO"].partition(" run")[0]
    shown = f"The negative ELBO {verdict.replace('contradicted in', 'contradicts claim 1 in')} cases"
    assert f"{shown}: Omniglot at all three K, also after Holm's adjustment over its twelve comparisons" in TEXT
    assert contradicted_before_adjustment(comparisons, "1", "negative ELBO", count=12) == []


def contradicted_before_adjustment(
    comparisons: pd.DataFrame, claim: str, measure: str, *, count: int
) -> list[tuple[tuple[str, int], float]]:
    """List the cases that only Holm's adjustment over all cases does not leave contradicted, with their p-values.

    ``count`` is the number of comparisons of this claim and measure.
    """
    pooled = claims.pool(comparisons.reset_index().assign(study=""))
    compared = pooled[(pooled["claim"] == claim) & (pooled["measure"] == measure)]
    assert len(compared) == count
    p = compared[compared["verdict"] == "higher"].groupby(["dataset", "K"])["p_holm_of_measure"].min()
    return list(p[p > SIGNIFICANCE].items())


def test_the_differences_of_claim_2(comparisons):
    """By which Normal noise is earlier and lower, and its test loss higher."""

    def spell(row: pd.Series, sign: int, unit: str) -> str:
        size, *ends = sign * row[["difference", *(("low", "high") if sign > 0 else ("high", "low"))]]
        return f"{size:.2f}{unit} ({ends[0]:.2f} to {ends[1]:.2f})"

    rows = []
    for K in (10, 30, 50):
        measures = ("epochs to Gumbel's final", "final", "mean over epochs")
        of_training = [comparisons.loc["2", DATASET, K, f"training loss: {measure}", "gumbel"] for measure in measures]
        of_test = comparisons.loc[claims.FEWER_TEMPERATURES.name, DATASET, K, "paper loss", "gumbel"]
        sizes = [spell(row, -1, unit) for row, unit in zip(of_training, ("", " nats", " nats"), strict=True)]
        rows.append([str(K), *sizes, spell(of_test, 1, " nats")])
    assert_table("K | epochs by which", rows)


@pytest.mark.parametrize(
    ("study", "heading"), [("omniglot-temperature-1", "## On Omniglot"), ("digits-control", "## On digits")]
)
def test_the_effects_of_the_control(study, heading):
    effects = read_table(ROOT / "results" / study / "tables/control.csv").set_index(["measure", "effect"])
    spelled = effects.apply(DIFFERENCE.format_map, axis=1)
    names = {"training loss": "training loss: final"} | {measure: measure for measure in MEASURES.values()}
    rows = [[name, *spelled[measure][["variance", "shape", "interaction"]]] for name, measure in names.items()]
    assert_table("measure | variance 1.64 instead of 1 | Normal instead of Gumbel", rows, "docs/control.md", heading)


def test_the_differences_with_annealing(comparisons):
    claim = claims.ELSEWHERE.name
    rows = [[measure, *spell_differences(comparisons, claim, "mnist", 10, measure)] for measure in MEASURES.values()]
    assert_table("MNIST, annealed", rows)


def test_cells_and_hours_of_published_studies():
    stated = re.findall(r"\[([\w-]+)\]\([\w./-]+/tables\) \|[^|]+\| (\d+) \| ([\d.]+) \|", PAGE)
    assert len(stated) == len(PUBLISHED) - 1, "the fits have no cells"
    for study, cells, hours in stated:
        folder = ROOT / "results" / study
        assert int(cells) == len(read_tables(folder.glob("groups/*/*/*/summaries.csv")))
        assert float(hours) == pytest.approx(read_table(folder / "tables/costs.csv")["core_hours"].sum(), abs=0.051)
