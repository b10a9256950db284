"""The paper's claims, each split into paired comparisons over seeds with an interval and a verdict.

Cells of one seed share initial weights and minibatches, so seeds are paired. An interval is Student's t at 95%. Holm's
method adjusts the p-values of all comparisons of a claim together: any false verdict among them has a chance of at most
5%.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import at_nearest_temperature
from discrete_vae.analysis.statistics import LEVEL, holm, mean_of_images, paired_comparison, standard_errors
from discrete_vae.analysis.test_losses import with_bounds
from discrete_vae.evaluation.selected import selected_cells
from discrete_vae.grid import paper
from discrete_vae.grid.measures import MEASURES

CLAIMED, REFERENCE = "normal", "gumbel"
TEST_CLAIM = "1: Normal-Softmax has the lowest test loss at the best temperatures"
WITHOUT_CHOICE = (
    "1 at one temperature: the same where no other was run, though the paper's claim is about the best of ten"
)
ELSEWHERE = "1 elsewhere: the same on datasets or K that the paper does not report"
FURTHER_CLAIM = "beyond the paper: Normal-Softmax has a lower test loss than a law of one's own"
CONVERGENCE_CLAIM = "2: Normal-Softmax converges faster and to a better training loss on Omniglot at temperature 1"
CONVERGENCE_OF_VALIDATION = "2 of the validation loss: the same of discrete codes, that the paper does not report"
CONVERGENCE_ELSEWHERE = "2 elsewhere: the same on datasets, K or temperatures that the paper does not report"
CLAIMS = (
    *(TEST_CLAIM, WITHOUT_CHOICE, ELSEWHERE, FURTHER_CLAIM),
    *(CONVERGENCE_CLAIM, CONVERGENCE_OF_VALIDATION, CONVERGENCE_ELSEWHERE),
)
# The claim about each loss, and the reference law's goal. A validation loss may rise again after its lowest value.
CURVES = (("training_loss", "final", CONVERGENCE_CLAIM), ("validation_loss", "lowest", CONVERGENCE_OF_VALIDATION))
COLUMNS = [
    *("claim", "dataset", "K", "measure", "other"),
    *("n", "difference", "low", "high", "p", "p_holm", "image_se", "not_reached", "verdict"),
]
WHERE, COUNTS = "datasets and K", "for / against / open / not reached"
NOT_REACHED = "not reached"
NO_COMPARISON = f"No comparison: the grid lacks {CLAIMED} noise or another law to compare it with"


def judge(
    runs: pd.DataFrame,
    selection: pd.DataFrame,
    bounds: pd.DataFrame,
    per_image: Mapping[str, np.ndarray],
    histories: pd.DataFrame,
    *,
    temperature: float,
) -> pd.DataFrame:
    """Compare under every claim: the rows of `compare_test_losses`, then those of `compare_convergence`."""
    comparisons = [compare_test_losses(selection, bounds, per_image), compare_convergence(histories, runs, temperature)]
    # An empty table would turn the numbers of the other one into objects.
    return pd.concat([table for table in comparisons if len(table)] or comparisons, ignore_index=True)


def compare_test_losses(
    selection: pd.DataFrame, bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Compare the selected models of the claimed noise law with every other law, under each measure.

    Returns:
        One row for each dataset, K, measure and other law: the comparison in nats per image, claimed minus other.
        ``image_se`` is the standard error of the difference over the test images, which both laws share.
    """
    selected = with_bounds(selection, bounds)
    datasets = set(selected["dataset"])
    rows = []
    for (dataset, K), group in selected.groupby(["dataset", "K"], sort=False):
        chosen = (group["runs"] > 1).all()
        images = {
            law: mean_of_images(selected_cells(of_law), per_image) for law, of_law in group.groupby("perturbation")
        }
        for column, measure in MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            for other in _others(group["perturbation"]):
                claim = _test_claim(_paper_name(dataset, datasets), K, other, chosen=chosen)
                comparison = paired_comparison(by_seed[CLAIMED] - by_seed[other])
                comparison["image_se"] = standard_errors(images[CLAIMED] - images[other])[column]
                rows.append(dict(zip(COLUMNS, (claim, dataset, K, measure, other), strict=False)) | comparison)
    return _with_verdicts(rows)


def compare_convergence(histories: pd.DataFrame, runs: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Compare the loss curves of the claimed noise law with the reference law's at one temperature.

    There are two losses: the relaxed training loss, which flatters noise of low variance, and the discrete validation
    loss. Each has three measures: the final loss, its mean over epochs, and the epochs to the reference law's goal (see
    CURVES). A seed with a diverged run is left out. A dataset and K with a run that stopped early is not compared.

    Returns:
        One row for each dataset, K and measure: the comparison, claimed minus reference, in nats or epochs.
    """
    shown = at_nearest_temperature(histories, temperature)
    stopped = _stopped_early(runs, temperature)
    datasets = set(runs["dataset"])
    rows = []
    for (dataset, K), group in shown.groupby(["dataset", "K"], sort=False):
        if REFERENCE not in _others(group["perturbation"]) or (dataset, K) in stopped:
            continue
        setting = (_paper_name(dataset, datasets), group["temperature"].iloc[0])
        as_studied = (
            setting == (paper.CONVERGENCE_DATASET, paper.CONVERGENCE_TEMPERATURE) and K in paper.PAPER_CATEGORIES
        )
        for loss, goal, claimed in CURVES:
            claim = claimed if as_studied else CONVERGENCE_ELSEWHERE
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, comparison in _compare_curves(curves[CLAIMED], curves[REFERENCE], goal).items():
                name = f"{loss.replace('_', ' ')}: {measure}"
                rows.append(dict(zip(COLUMNS, (claim, dataset, K, name, REFERENCE), strict=False)) | comparison)
    return _with_verdicts(rows)


def stopped_early(runs: pd.DataFrame, temperature: float) -> list[str]:
    """Say where `compare_convergence` compares nothing, as a run stopped early."""
    return [
        f"claim 2 is not judged on {dataset} at K = {K}: a run stopped early, as training.patience says"
        for dataset, K in _stopped_early(runs, temperature)
    ]


def _stopped_early(runs: pd.DataFrame, temperature: float) -> list[tuple[str, int]]:
    compared = at_nearest_temperature(runs[runs["perturbation"].isin([CLAIMED, REFERENCE])], temperature)
    stopped = compared.loc[compared["stopped_early"], ["dataset", "K"]].drop_duplicates()
    return list(stopped.itertuples(index=False, name=None))


def _paper_name(dataset: str, datasets: Collection[str]) -> str:
    """Return the paper's dataset that a dataset is. It may stand for another one, if that one was not run."""
    stands_for = paper.STANDS_FOR.get(dataset)
    return stands_for if stands_for and stands_for not in datasets else dataset


def _test_claim(dataset: str, K: int, other: str, *, chosen: bool) -> str:
    """Return the claim that a comparison is about. ``chosen``: the temperature was chosen from several."""
    if other not in paper.PAPER_LAWS:
        return FURTHER_CLAIM
    if dataset not in paper.PAPER_IMAGES or K not in paper.PAPER_CATEGORIES:
        return ELSEWHERE
    return TEST_CLAIM if chosen else WITHOUT_CHOICE


def _others(perturbations: Iterable[str]) -> list[str]:
    present = list(dict.fromkeys(perturbations))
    return [name for name in present if name != CLAIMED] if CLAIMED in present else []


def _compare_curves(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, dict[str, float]]:
    """Compare curves of epochs x seeds under the three measures."""
    return {
        "final": paired_comparison(claimed.iloc[-1] - reference.iloc[-1]),
        "mean over epochs": paired_comparison(claimed.mean(skipna=False) - reference.mean(skipna=False)),
        f"epochs to {REFERENCE}'s {goal}": _compare_epochs(claimed, reference, goal),
    }


def _compare_epochs(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, float]:
    """Compare the epochs until each law reaches the reference's goal.

    A run that never reaches it counts all its epochs, and ``not_reached`` counts such runs. The mean difference is then
    a lower bound, whose interval and p-value are missing.
    """
    target = reference.iloc[-1] if goal == "final" else reference.min()
    neither_diverged = np.isfinite(claimed).all() & np.isfinite(reference).all()
    reached = claimed.le(target)
    epochs = reached.idxmax().where(reached.any(), len(claimed)) - reference.le(target).idxmax()
    comparison = paired_comparison(epochs.where(neither_diverged))
    not_reached = int((neither_diverged & ~reached.any()).sum())
    if not_reached:
        comparison |= dict.fromkeys(("low", "high", "p"), np.nan)
    return comparison | {"not_reached": not_reached}


def _with_verdicts(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Put the claims in their order, adjust each claim's p-values together and add the verdicts."""
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(sorted(rows, key=lambda row: CLAIMS.index(row["claim"]))).reindex(columns=COLUMNS)
    table["p_holm"] = table.groupby("claim")["p"].transform(holm)
    verdicts = np.where(table["difference"] < 0, "supported", "contradicted")
    too_few = table["n"].map({0: "inconclusive (nothing to compare)", 1: "inconclusive (one seed)"})
    table["verdict"] = np.where(table["p_holm"] <= LEVEL, verdicts, too_few.fillna("inconclusive"))
    unreached = table["not_reached"] > 0
    counts = [f"{NOT_REACHED} in {k:.0f} of {n:.0f}" for k, n in table.loc[unreached, ["not_reached", "n"]].to_numpy()]
    table.loc[unreached, "verdict"] = counts
    return table


def verdict_of_all(verdicts: Sequence[str] | pd.Series) -> str:
    """Return the verdict on a claim as a whole from the verdicts on its comparisons."""
    if all(verdict.startswith(NOT_REACHED) for verdict in verdicts):
        return f"none ({NOT_REACHED})"
    if "contradicted" in set(verdicts):
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"


def summarize_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Give the verdict on each claim as a whole, for the comparisons that were run.

    Returns:
        One row for each claim and measure: the datasets and K compared, the verdict, and the numbers of comparisons
        that support the claim, contradict it, do neither, or have a run that never reaches its goal.
    """
    if table.empty:
        return pd.DataFrame([{"claim": "none", "measure": NO_COMPARISON, WHERE: "", "as a whole": "", COUNTS: ""}])
    kinds = ("supported", "contradicted", "inconclusive", NOT_REACHED)
    return pd.DataFrame(
        {
            "claim": claim,
            "measure": measure,
            WHERE: _where(rows),
            "as a whole": verdict_of_all(rows["verdict"]),
            COUNTS: " / ".join(str(rows["verdict"].str.startswith(kind).sum()) for kind in kinds),
        }
        for (claim, measure), rows in table.groupby([short_names(table["claim"]), "measure"], sort=False)
    )


def _where(rows: pd.DataFrame) -> str:
    categories = rows.groupby("dataset", sort=False)["K"].unique()
    return "; ".join(f"{dataset} {', '.join(map(str, of_dataset))}" for dataset, of_dataset in categories.items())


def short_names(claims: pd.Series) -> pd.Series:
    """Return the claims' names before the colon, such as ``1 elsewhere``."""
    return claims.str.partition(":")[0].rename("claim")
