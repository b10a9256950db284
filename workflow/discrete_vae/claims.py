"""The study's claims, each split into paired comparisons over seeds with an interval and a verdict.

Seeds are paired because cells of one seed share initial weights and minibatches. An interval is Student's t at 95%; the
p-values of a claim's comparisons are adjusted together by Holm's method, so that the chance of any false verdict among
them is at most 5%.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from discrete_vae.measures import MEASURES
from discrete_vae.selection import at_nearest_temperature, selected_cells
from discrete_vae.statistics import LEVEL, holm, interval_texts, mean_of_images, paired_comparison, standard_error
from discrete_vae.tables import with_bounds

CLAIMED, REFERENCE = "normal", "gumbel"
STUDIED = ("gumbel", "normal", "logistic")
TEST_CLAIM = "1: Normal-Softmax has the lowest test loss at the best temperatures"
WITHOUT_CHOICE = (
    "1 at one temperature: the same where no other was run, though the study's claim is about the best of ten"
)
FURTHER_CLAIM = "beyond the study: Normal-Softmax has a lower test loss than a law of one's own"
CONVERGENCE_CLAIM = "2: Normal-Softmax converges faster and to a better training loss on Omniglot"
CONVERGENCE_OF_VALIDATION = "2 of the validation loss: the same of discrete codes, of which the study does not speak"
CONVERGENCE_ELSEWHERE = "2 on other datasets: the same, of which the study speaks on Omniglot only"
CLAIMS = (
    TEST_CLAIM,
    WITHOUT_CHOICE,
    FURTHER_CLAIM,
    CONVERGENCE_CLAIM,
    CONVERGENCE_OF_VALIDATION,
    CONVERGENCE_ELSEWHERE,
)
CONVERGENCE_DATASET = "omniglot"
COLUMNS = [
    *("claim", "dataset", "K", "measure", "other"),
    *("n", "difference", "low", "high", "p", "p_holm", "image_se", "verdict"),
]
COUNTS = "for / against / open"
NO_COMPARISON = f"No comparison: the grid lacks {CLAIMED} noise or another law to compare it with"
RULE = (
    "supported: the mean difference over paired seeds is below zero with a p-value of at most 0.05 after Holm's"
    " adjustment over the comparisons of its claim; contradicted: above zero, likewise; inconclusive otherwise, and"
    " with one seed. A claim as a whole: supported where every comparison supports it, contradicted where one"
    " contradicts it"
)


def judge(
    selection: pd.DataFrame,
    bounds: pd.DataFrame,
    per_image: Mapping[str, np.ndarray],
    histories: pd.DataFrame,
    *,
    temperature: float,
) -> pd.DataFrame:
    """Compare under every claim: the rows of `compare_test_losses`, then those of `compare_convergence`."""
    comparisons = [compare_test_losses(selection, bounds, per_image), compare_convergence(histories, temperature)]
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
    rows = []
    for (dataset, categories), group in selected.groupby(["dataset", "K"], sort=False):
        claim_of_studied = TEST_CLAIM if (group["runs"] > 1).all() else WITHOUT_CHOICE
        for column, measure in MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            by_image = {
                law: mean_of_images(selected_cells(of_law), column, per_image)
                for law, of_law in group.groupby("perturbation")
            }
            for other in _others(group["perturbation"]):
                claim = claim_of_studied if other in STUDIED else FURTHER_CLAIM
                coordinates = {"claim": claim, "dataset": dataset, "K": categories, "measure": measure, "other": other}
                comparison = paired_comparison(by_seed[CLAIMED] - by_seed[other])
                rows.append(coordinates | comparison | {"image_se": _image_error(by_image, other)})
    return _with_verdicts(rows)


def compare_convergence(histories: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Compare the loss curves of the claimed noise law with the reference law's at one temperature.

    Each for the relaxed training loss, which flatters noise of low variance, and for the discrete validation loss: the
    final loss, the mean over epochs (the area under the curve), and the epochs needed (all of them where it is not
    reached) to the reference law's final training loss, and to its lowest validation loss, as that one may rise again.
    A seed of which either run diverged is left out.

    Args:
        histories: what `selection.gather_histories` returns.
        temperature: temperature wanted; the nearest one in a dataset's histories is compared.

    Returns:
        One row for each dataset, K and measure: the comparison, claimed minus reference, in nats or epochs.
    """
    shown = [at_nearest_temperature(rows, temperature) for _, rows in histories.groupby("dataset", sort=False)]
    rows = []
    for (dataset, categories), group in pd.concat(shown).groupby(["dataset", "K"], sort=False):
        if REFERENCE not in _others(group["perturbation"]):
            continue
        for loss, goal, claimed in (
            ("training_loss", "final", CONVERGENCE_CLAIM),
            ("validation_loss", "lowest", CONVERGENCE_OF_VALIDATION),
        ):
            claim = claimed if dataset == CONVERGENCE_DATASET else CONVERGENCE_ELSEWHERE
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, differences in _curve_differences(curves[CLAIMED], curves[REFERENCE], goal).items():
                name = f"{loss.replace('_', ' ')}: {measure}"
                coordinates = {"claim": claim, "dataset": dataset, "K": categories, "measure": name, "other": REFERENCE}
                rows.append(coordinates | paired_comparison(differences))
    return _with_verdicts(rows)


def _image_error(by_image: Mapping[str, np.ndarray | None], other: str) -> float:
    if by_image[CLAIMED] is None or by_image[other] is None:
        return np.nan
    return standard_error(by_image[CLAIMED] - by_image[other])


def _others(perturbations: Iterable[str]) -> list[str]:
    present = list(dict.fromkeys(perturbations))
    return [name for name in present if name != CLAIMED] if CLAIMED in present else []


def _curve_differences(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> Mapping[str, pd.Series]:
    target = reference.iloc[-1] if goal == "final" else reference.min()
    epochs = _epochs_to_reach(claimed, target) - _epochs_to_reach(reference, target)
    neither_diverged = np.isfinite(claimed).all() & np.isfinite(reference).all()
    return {
        "final": claimed.iloc[-1] - reference.iloc[-1],
        "mean over epochs": claimed.mean(skipna=False) - reference.mean(skipna=False),
        f"epochs to {REFERENCE}'s {goal}": epochs.where(neither_diverged),
    }


def _epochs_to_reach(curves: pd.DataFrame, targets: pd.Series) -> pd.Series:
    reached = curves.le(targets)
    return reached.idxmax().where(reached.any(), len(curves))


def _with_verdicts(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Add the verdicts, each claim's p-values adjusted together, and put the claims in their order."""
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(sorted(rows, key=lambda row: CLAIMS.index(row["claim"])))
    if "image_se" not in table:
        table["image_se"] = np.nan
    table["p_holm"] = table.groupby("claim")["p"].transform(holm)
    certain = table["p_holm"] <= LEVEL
    verdicts = np.where(table["difference"] < 0, "supported", "contradicted")
    too_few = table["n"].map({0: "inconclusive (no seed)", 1: "inconclusive (one seed)"})
    table["verdict"] = np.where(certain, verdicts, too_few.fillna("inconclusive"))
    return table[COLUMNS]


def verdict_of_all(verdicts: Sequence[str] | pd.Series) -> str:
    """Return the verdict on a claim as a whole from those on its comparisons."""
    if "contradicted" in set(verdicts):
        return "contradicted"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"


def summarize_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Give the verdict on each claim as a whole under each measure, with the numbers of comparisons behind it.

    Args:
        table: the comparisons of `compare_test_losses` and `compare_convergence`.

    Returns:
        One row for each claim and measure; ``for / against / open`` counts the comparisons that support the claim,
        contradict it and are inconclusive.
    """
    if table.empty:
        return pd.DataFrame([{"claim": "none", "measure": NO_COMPARISON, "as a whole": "", COUNTS: ""}])
    claims = table["claim"].str.partition(":")[0].rename("claim")
    by_measure = table.groupby([claims, "measure"], sort=False)["verdict"]
    return by_measure.agg(**{"as a whole": verdict_of_all, COUNTS: _counts}).reset_index()


def _counts(verdicts: pd.Series) -> str:
    kinds = ("supported", "contradicted", "inconclusive")
    return " / ".join(str(verdicts.str.startswith(kind).sum()) for kind in kinds)


def to_markdown(table: pd.DataFrame, *, temperature: float) -> str:
    """Lay the claims out in Markdown: the verdicts by measure, their rule, and each comparison."""
    if table.empty:
        return f"{NO_COMPARISON}.\n"
    each = table.assign(
        claim=table["claim"].str.partition(":")[0],
        difference=_known(table["difference"], ".2f"),
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
    return (
        f"{claims}\n"
        f"{summarize_verdicts(table).to_markdown(index=False, disable_numparse=True)}\n\n"
        f"- {RULE}\n"
        f"- n: seeds; difference: {CLAIMED} minus the other law, in nats per image or epochs; interval: Student's t\n"
        "  at 95% over seeds; image s.e.: standard error of the difference over the test images, for these seeds; p:\n"
        "  of the paired t test; Holm: the same after the adjustment\n"
        f"- claim 2 compares {CLAIMED} with {REFERENCE} noise at the temperature nearest to {temperature}, by the\n"
        "  means over all images; a law that does not get to the other's loss counts all its epochs, so that it needs\n"
        "  at least the difference more\n\n"
        f"{each.to_markdown(index=False, disable_numparse=True)}\n"
    )


def _known(values: pd.Series, form: str) -> pd.Series:
    return values.map(lambda value: "" if np.isnan(value) else format(value, form))
