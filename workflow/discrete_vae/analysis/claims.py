"""The paper's claims, and the verdicts on them by the analysis plan of 2026-11-28 (docs/method.md has it in words).

A comparison is about one claim, dataset, K, measure and other noise law. Its difference is Normal noise minus the other
law.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from discrete_vae.analysis.statistics import SIGNIFICANCE, holm, spell_range
from discrete_vae.errors import InputError
from discrete_vae.grid.paper import STANDS_FOR

PLANNED_SEEDS = 6  # the least with which a sign-flip test can reach SIGNIFICANCE: 2 / 2^6
PLACE = ["dataset", "K"]
ALL_MEASURES = "training loss: all three"
KINDS = ("supported", "contradicted", "level", "inconclusive")
SIZES = {"differences": "difference", "understated_kl": "understated_kl"}


@dataclass(frozen=True)
class Claim:
    """A claim.

    Attributes:
        name: short, for tables.
        text: what is claimed.
        comparisons: how many other noise laws must be compared before it can be supported at a dataset and K.
        places: at how many combinations of dataset and K it is judged as a whole; None: wherever it was compared.
    """

    name: str
    text: str
    comparisons: int = 1
    places: int | None = None


BEST = Claim("1", "Normal noise has the lowest test loss at the best temperature", comparisons=2, places=9)
BEST_BY_ELBO = Claim(
    "1 selected by negative ELBO",
    "claim 1 where the validation negative ELBO selects the temperature instead of the validation loss",
    comparisons=2,
    places=9,
)
FEWER_TEMPERATURES = Claim(
    "1 with fewer temperatures", "claim 1 where not all ten temperatures of the paper were run", comparisons=2
)
ELSEWHERE = Claim(
    "1 elsewhere",
    "claim 1 on datasets, K, models, training or annealed temperatures that the paper does not report",
    comparisons=2,
)
FURTHER_LAW = Claim("beyond the paper", "Normal noise has a lower test loss than a further noise law")
CONVERGENCE = Claim(
    "2", "Normal noise trains faster and to a better loss than Gumbel noise, on Omniglot at temperature 1", places=3
)
CONVERGENCE_OF_VALIDATION = Claim(
    "2 of the validation loss",
    "claim 2 for discrete codes, on the validation images; the paper shows no validation curves",
)
CONVERGENCE_ELSEWHERE = Claim(
    "2 elsewhere",
    "claim 2 on datasets, K, models, training, constant or annealed temperatures that the paper does not report",
)
OF_TEST_LOSS = (BEST, BEST_BY_ELBO, FEWER_TEMPERATURES, ELSEWHERE, FURTHER_LAW)
OF_CONVERGENCE = (CONVERGENCE, CONVERGENCE_OF_VALIDATION, CONVERGENCE_ELSEWHERE)
CLAIMS = {claim.name: claim for claim in (*OF_TEST_LOSS, *OF_CONVERGENCE)}


def add_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Add the verdict on each comparison, and on its claim at its dataset and K.

    Args:
        table: of comparisons, with ``claim``, ``dataset``, ``K``, ``measure``, ``difference``, ``p`` and ``p_level``.

    Returns:
        The table with four more columns. ``p_holm`` is ``p`` after Holm's adjustment over the comparisons of its
        dataset, K and measure; ``p_holm_of_measure`` the same over all of its claim and measure. ``verdict`` is lower,
        higher, level or open. ``claim_here`` is supported, contradicted, level or inconclusive.
    """
    p_holm = table.groupby(["measure", *PLACE])["p"].transform(holm)
    table = _adjust_over_measure(table.assign(p_holm=p_holm))
    conditions = {
        "lower": (table["p"] <= SIGNIFICANCE) & (table["difference"] < 0),
        "higher": (table["p_holm"] <= SIGNIFICANCE) & (table["difference"] > 0),
        "level": table["p_level"] <= SIGNIFICANCE,
    }
    table = table.assign(verdict=np.select(list(conditions.values()), list(conditions), "open"), claim_here="")
    for (name, *_), rows in table.groupby(["claim", "measure", *PLACE]):
        table.loc[rows.index, "claim_here"] = verdict_here(rows["verdict"], least=CLAIMS[name].comparisons)
    return table


def _adjust_over_measure(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``p_holm_of_measure``: ``p`` after Holm's adjustment over all comparisons of a claim and measure."""
    return table.assign(p_holm_of_measure=table.groupby(["claim", "measure"])["p"].transform(holm))


def verdict_here(verdicts: Collection[str], *, least: int) -> str:
    """Return the verdict on a claim at a dataset and K, given the verdicts on its comparisons: ``least`` or more."""
    found = set(verdicts)
    if found == {"lower"} and len(verdicts) >= least:
        return "supported"
    if "higher" in found:
        return "contradicted"
    return "level" if found <= {"lower", "level"} and len(verdicts) >= least else "inconclusive"


def pool(table: pd.DataFrame) -> pd.DataFrame:
    """Collect what several studies compare for the paper's claims, and for the one beside claim 1.

    ``p_holm_of_measure`` is then over all of them. The verdicts at a dataset and K are those of its study, which also
    counts its further laws. A dataset that stands for another one counts only where no study has the claim on that one,
    at the same K.

    Args:
        table: the comparisons of all studies, as `comparisons.judge` returns them, with a column ``study``.

    Raises:
        InputError: two studies have a claim at the same dataset and K.
    """
    table = table[table["claim"].isin([claim.name for claim in CLAIMS.values() if claim.places])]
    counts_as = table["dataset"].replace(STANDS_FOR)
    stands_in = counts_as != table["dataset"]
    own = pd.MultiIndex.from_frame(table.loc[~stands_in, ["claim", *PLACE]])
    replaced = pd.MultiIndex.from_frame(table[["claim", *PLACE]].assign(dataset=counts_as)).isin(own)
    table = table[~(stands_in & replaced)].reset_index(drop=True)
    for (claim, dataset, K), studies in table.groupby(["claim", *PLACE])["study"].unique().items():
        if len(studies) > 1:
            raise InputError(
                f"the studies {' and '.join(studies)} both have claim {claim} on {dataset} at K = {K}, expected one;"
                " publish one of them"
            )
    return _adjust_over_measure(table)


def summarize_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Give the verdict on each claim as a whole, for each measure.

    Returns:
        One row for each claim and measure: the datasets and K compared; the verdict in words; at how many of them the
        claim is supported, contradicted, level and inconclusive; the extent of the differences, and of the understated
        KL, in words. "Faster and to a better loss" needs all three measures of the training, so claim 2 has a row for
        them together.
    """
    rows = []
    for name, of_claim in table.groupby("claim", sort=False):
        measures = dict(list(of_claim.groupby("measure", sort=False)))
        rows += [_summary(CLAIMS[name], measure, compared) for measure, compared in measures.items()]
        if name == CONVERGENCE.name:
            together = of_claim.groupby(PLACE)["verdict"].transform(verdict_here, least=len(measures))
            of_all = of_claim.assign(claim_here=together, p_holm_of_measure=holm(of_claim["p"]))
            rows.append(_summary(CONVERGENCE, ALL_MEASURES, of_all))
    return pd.DataFrame(rows, columns=["claim", "measure", "where", "verdict", *KINDS, *SIZES])


def _summary(claim: Claim, measure: str, compared: pd.DataFrame) -> dict[str, str | int]:
    here = compared.drop_duplicates(PLACE)["claim_here"]
    counts = {kind: int((here == kind).sum()) for kind in KINDS}
    categories = compared.groupby("dataset", sort=False)["K"].unique()
    where = "; ".join(f"{dataset} {', '.join(map(str, K))}" for dataset, K in categories.items())
    verdict = _in_words(claim, compared, counts)
    summary = {"claim": claim.name, "measure": measure, "where": where, "verdict": verdict, **counts}
    if measure == ALL_MEASURES:  # nats and epochs
        return summary
    if compared["not_reached"].any():  # then some differences are lower bounds
        return summary | {"differences": f"at least {compared['difference'].min():.2f}"}
    return summary | {name: spell_range(compared[column].dropna()) for name, column in SIZES.items()}


def _in_words(claim: Claim, compared: pd.DataFrame, counts: Mapping[str, int]) -> str:
    """Say the verdict on a claim as a whole, never without its extent. ``counts`` are of the verdicts at its places."""
    run = len(compared.drop_duplicates(PLACE))
    extent = f"of {run}" if run == (claim.places or run) else f"of {run} run, of {claim.places}"
    against = compared[(compared["verdict"] == "higher") & (compared["p_holm_of_measure"] <= SIGNIFICANCE)]
    contradicted = len(against.drop_duplicates(PLACE))
    alike = next((kind for kind in ("level", "inconclusive") if counts[kind] == run), "supported")
    verdict = f"contradicted in {contradicted}" if contradicted else f"{alike} in {counts[alike]}"
    seeds = compared.loc[compared["n"] > 0, "n"]  # a law may lack a bound, or have diverged
    if seeds.empty:
        return f"{verdict} {extent} (nothing to compare)"
    if seeds.min() < PLANNED_SEEDS:
        return f"{verdict} {extent} (interim: {spell_range(seeds, decimals=0)} of {PLANNED_SEEDS} seeds)"
    if seeds.max() > PLANNED_SEEDS:
        return f"{verdict} {extent} ({spell_range(seeds, decimals=0)} seeds, the plan has {PLANNED_SEEDS})"
    return f"{verdict} {extent}"
