"""The study's claims, each split into paired comparisons over seeds with an interval and a verdict.

Seeds are paired because cells of one seed share initial weights and minibatches. An interval is Student's t at 95%; the
p-values of a claim's comparisons are adjusted together by Holm's method, so that the chance of any false verdict among
them is at most 5%.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import at_nearest_temperature, selected_cells
from discrete_vae.analysis.statistics import (
    LEVEL,
    holm,
    interval_texts,
    mean_of_images,
    paired_comparison,
    standard_error,
)
from discrete_vae.grid.measures import MEASURES
from discrete_vae.grid.paper import (
    CONVERGENCE_DATASET,
    CONVERGENCE_TEMPERATURE,
    PAPER_CATEGORIES,
    PAPER_IMAGES,
    PAPER_LAWS,
    STANDS_FOR,
)
from discrete_vae.report.tables import with_bounds

CLAIMED, REFERENCE = "normal", "gumbel"
TEST_CLAIM = "1: Normal-Softmax has the lowest test loss at the best temperatures"
WITHOUT_CHOICE = (
    "1 at one temperature: the same where no other was run, though the study's claim is about the best of ten"
)
FURTHER_CLAIM = "beyond the study: Normal-Softmax has a lower test loss than a law of one's own"
ELSEWHERE = "1 elsewhere: the same on datasets or K of which the study does not speak"
CONVERGENCE_CLAIM = "2: Normal-Softmax converges faster and to a better training loss on Omniglot at temperature 1"
CONVERGENCE_OF_VALIDATION = "2 of the validation loss: the same of discrete codes, of which the study does not speak"
CONVERGENCE_ELSEWHERE = "2 elsewhere: the same on datasets, K or temperatures of which the study does not speak"
CLAIMS = (
    TEST_CLAIM,
    WITHOUT_CHOICE,
    ELSEWHERE,
    FURTHER_CLAIM,
    CONVERGENCE_CLAIM,
    CONVERGENCE_OF_VALIDATION,
    CONVERGENCE_ELSEWHERE,
)
COLUMNS = [
    *("claim", "dataset", "K", "measure", "other"),
    *("n", "difference", "low", "high", "p", "p_holm", "image_se", "not_reached", "verdict"),
]
WHERE, COUNTS = "datasets and K", "for / against / open / not reached"
NOT_REACHED = "not reached"
NO_COMPARISON = f"No comparison: the grid lacks {CLAIMED} noise or another law to compare it with"
RULE = (
    "supported: the mean difference over paired seeds is below zero with a p-value of at most 0.05 after Holm's"
    " adjustment over the comparisons of its claim; contradicted: above zero, likewise; inconclusive otherwise, and"
    " with one seed. A claim as a whole, so far as it was run: supported where every comparison supports it,"
    " contradicted where one contradicts it. No p-value is adjusted for verdicts read before, with fewer seeds"
)


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
    """Compare the selected models of the claimed noise law with those of every other law, under each measure.

    Args:
        selection: what `selection.select_temperatures` returns.
        bounds, per_image: what `bounds.evaluate_selected` returns.

    Returns:
        One row for each dataset, K, measure and other law: the comparison in nats per image, claimed minus other, with
        ``image_se``, the standard error of the difference over the test images, which both laws share.
    """
    selected = with_bounds(selection, bounds)
    datasets = set(selected["dataset"])
    rows = []
    for (dataset, categories), group in selected.groupby(["dataset", "K"], sort=False):
        chosen = (group["runs"] > 1).all()
        for column, measure in MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            by_image = {
                law: mean_of_images(selected_cells(of_law), column, per_image)
                for law, of_law in group.groupby("perturbation")
            }
            for other in _others(group["perturbation"]):
                claim = _test_claim(_paper_name(dataset, datasets), categories, other, chosen=chosen)
                coordinates = {"claim": claim, "dataset": dataset, "K": categories, "measure": measure, "other": other}
                comparison = paired_comparison(by_seed[CLAIMED] - by_seed[other])
                rows.append(coordinates | comparison | {"image_se": _image_error(by_image, other)})
    return _with_verdicts(rows)


def compare_convergence(histories: pd.DataFrame, runs: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Compare the loss curves of the claimed noise law with the reference law's at one temperature.

    Each for the relaxed training loss, which flatters noise of low variance, and for the discrete validation loss: the
    final loss, the mean over epochs (the area under the curve), and the epochs needed (all of them where it is not
    reached) to the reference law's final training loss, and to its lowest validation loss, as that one may rise again.
    A seed of which either run diverged is left out. Where a run stopped early (patience), nothing is compared.

    Args:
        histories: what `selection.gather_histories` returns.
        runs: summaries of runs, see `selection.gather_summaries`.
        temperature: temperature wanted; the nearest one in a dataset's histories is compared.

    Returns:
        One row for each dataset, K and measure: the comparison, claimed minus reference, in nats or epochs.
    """
    shown = at_nearest_temperature(histories, temperature)
    stopped = _stopped_early(runs, temperature)
    datasets = set(runs["dataset"])
    rows = []
    for (dataset, categories), group in shown.groupby(["dataset", "K"], sort=False):
        if REFERENCE not in _others(group["perturbation"]) or (dataset, categories) in stopped:
            continue
        setting = (_paper_name(dataset, datasets), group["temperature"].iloc[0])
        as_studied = setting == (CONVERGENCE_DATASET, CONVERGENCE_TEMPERATURE)
        for loss, goal, claimed in (
            ("training_loss", "final", CONVERGENCE_CLAIM),
            ("validation_loss", "lowest", CONVERGENCE_OF_VALIDATION),
        ):
            claim = claimed if as_studied and categories in PAPER_CATEGORIES else CONVERGENCE_ELSEWHERE
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, comparison in _compare_curves(curves[CLAIMED], curves[REFERENCE], goal).items():
                name = f"{loss.replace('_', ' ')}: {measure}"
                coordinates = {"claim": claim, "dataset": dataset, "K": categories, "measure": name, "other": REFERENCE}
                rows.append(coordinates | comparison)
    return _with_verdicts(rows)


def stopped_early(runs: pd.DataFrame, temperature: float) -> list[str]:
    """Say where convergence is not judged, as a run that would be compared stopped early.

    Args:
        runs, temperature: see `compare_convergence`.
    """
    return [
        f"claim 2 is not judged on {dataset} at K = {categories}: a run stopped early, as training.patience says"
        for dataset, categories in _stopped_early(runs, temperature)
    ]


def _stopped_early(runs: pd.DataFrame, temperature: float) -> list[tuple[str, int]]:
    compared = at_nearest_temperature(runs[runs["perturbation"].isin([CLAIMED, REFERENCE])], temperature)
    stopped = compared.loc[compared["stopped_early"], ["dataset", "K"]].drop_duplicates()
    return list(stopped.itertuples(index=False, name=None))


def _paper_name(dataset: str, datasets: Collection[str]) -> str:
    """Return the paper's dataset that a dataset is or, where that one was not run, stands for."""
    stands_for = STANDS_FOR.get(dataset)
    return stands_for if stands_for and stands_for not in datasets else dataset


def _test_claim(dataset: str, categories: int, other: str, *, chosen: bool) -> str:
    """Return the claim that a comparison with another law is about; `chosen` from several temperatures or not."""
    if other not in PAPER_LAWS:
        return FURTHER_CLAIM
    if dataset not in PAPER_IMAGES or categories not in PAPER_CATEGORIES:
        return ELSEWHERE
    return TEST_CLAIM if chosen else WITHOUT_CHOICE


def _image_error(by_image: Mapping[str, np.ndarray | None], other: str) -> float:
    if by_image[CLAIMED] is None or by_image[other] is None:
        return np.nan
    return standard_error(by_image[CLAIMED] - by_image[other])


def _others(perturbations: Iterable[str]) -> list[str]:
    present = list(dict.fromkeys(perturbations))
    return [name for name in present if name != CLAIMED] if CLAIMED in present else []


def _compare_curves(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, dict[str, float]]:
    """Compare the curves of the claimed law with the reference's, each epochs x seeds, under three measures."""
    return {
        "final": paired_comparison(claimed.iloc[-1] - reference.iloc[-1]),
        "mean over epochs": paired_comparison(claimed.mean(skipna=False) - reference.mean(skipna=False)),
        f"epochs to {REFERENCE}'s {goal}": _compare_epochs(claimed, reference, goal),
    }


def _compare_epochs(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, float]:
    """Compare the epochs until each reaches the reference's goal.

    A run that does not reach it counts all its epochs, and the mean difference is then a lower bound, of which the
    spread over seeds says nothing: ``not_reached`` counts such runs, and interval and p-value are missing.
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
    """Add the verdicts, each claim's p-values adjusted together, and put the claims in their order."""
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(sorted(rows, key=lambda row: CLAIMS.index(row["claim"]))).reindex(columns=COLUMNS)
    table["p_holm"] = table.groupby("claim")["p"].transform(holm)
    certain = table["p_holm"] <= LEVEL
    verdicts = np.where(table["difference"] < 0, "supported", "contradicted")
    too_few = table["n"].map({0: "inconclusive (nothing to compare)", 1: "inconclusive (one seed)"})
    table["verdict"] = np.where(certain, verdicts, too_few.fillna("inconclusive"))
    unreached = table["not_reached"] > 0
    counts = [f"{NOT_REACHED} in {k:.0f} of {n:.0f}" for k, n in table.loc[unreached, ["not_reached", "n"]].to_numpy()]
    table.loc[unreached, "verdict"] = counts
    return table


def verdict_of_all(verdicts: Sequence[str] | pd.Series) -> str:
    """Return the verdict on a claim as a whole from those on its comparisons."""
    if all(verdict.startswith(NOT_REACHED) for verdict in verdicts):
        return f"none ({NOT_REACHED})"
    if "contradicted" in set(verdicts):
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"


def summarize_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Give the verdict on each claim as a whole under each measure, with the numbers of comparisons behind it.

    Args:
        table: the comparisons of `compare_test_losses` and `compare_convergence`.

    Returns:
        One row for each claim and measure: the datasets and K that were compared, the verdict, and ``for / against /
        open / not reached``, the numbers of comparisons that support the claim, contradict it, do neither, and of which
        a run does not get to the other's loss.
    """
    if table.empty:
        return pd.DataFrame([{"claim": "none", "measure": NO_COMPARISON, WHERE: "", "as a whole": "", COUNTS: ""}])
    claims = table["claim"].str.partition(":")[0].rename("claim")
    return pd.DataFrame(
        {
            "claim": claim,
            "measure": measure,
            WHERE: _where(rows),
            "as a whole": verdict_of_all(rows["verdict"]),
            COUNTS: _counts(rows["verdict"]),
        }
        for (claim, measure), rows in table.groupby([claims, "measure"], sort=False)
    )


def _where(rows: pd.DataFrame) -> str:
    categories = rows.groupby("dataset", sort=False)["K"].unique()
    return "; ".join(f"{dataset} {', '.join(map(str, of_dataset))}" for dataset, of_dataset in categories.items())


def _counts(verdicts: pd.Series) -> str:
    kinds = ("supported", "contradicted", "inconclusive", NOT_REACHED)
    return " / ".join(str(verdicts.str.startswith(kind).sum()) for kind in kinds)


def to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay the claims out in Markdown: the verdicts by measure, their rule, notes on the runs, and each comparison."""
    if table.empty:
        return f"{NO_COMPARISON}.\n"
    each = table.assign(
        claim=table["claim"].str.partition(":")[0],
        difference=np.where(table["not_reached"] > 0, "at least ", "") + _known(table["difference"], ".2f"),
        interval=interval_texts(table),
        **{
            "image s.e.": _known(table["image_se"], ".2f"),
            "p": _known(table["p"], ".2g"),
            "Holm": _known(table["p_holm"], ".2g"),
        },
    )
    columns = ["claim", "dataset", "K", "measure", "other", "n", "difference", "interval", "image s.e.", "p", "Holm"]
    each = each[[*columns, "verdict"]]
    claims = "".join(f"- {claim}\n" for claim in table["claim"].unique())
    notes_on_runs = "".join(f"- {note}\n" for note in notes)
    return (
        f"{claims}\n"
        f"{summarize_verdicts(table).to_markdown(index=False, disable_numparse=True)}\n\n"
        f"- {RULE}\n"
        f"- n: seeds; difference: {CLAIMED} minus the other law, in nats per image or epochs; interval: Student's t\n"
        "  at 95% over seeds; image s.e.: standard error of the difference over the test images, for these seeds; p:\n"
        "  of the paired t test; Holm: the same after the adjustment\n"
        f"- claim 2 compares {CLAIMED} with {REFERENCE} noise at the temperature nearest to {temperature}, by the\n"
        "  means over all images; relaxed training losses at one temperature flatter noise of low variance; a run\n"
        f"  that does not get to {REFERENCE}'s loss counts all its epochs, so that the difference is a lower bound,\n"
        "  without interval or verdict\n"
        f"{notes_on_runs}\n"
        f"{each.to_markdown(index=False, disable_numparse=True)}\n"
    )


def _known(values: pd.Series, form: str) -> pd.Series:
    return values.map(lambda value: "" if np.isnan(value) else format(value, form))
