"""The study's claims, each split into paired comparisons over seeds with an interval and a verdict.

Seeds are paired because cells of one seed share initial weights and minibatches. An interval is Student's t at 95%; the
p-values of a claim's comparisons are adjusted together by Holm's method, so that the chance of any false verdict among
them is at most 5%.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

from discrete_vae.selection import at_nearest_temperature
from discrete_vae.tables import MEASURES, with_bounds

CLAIMED, REFERENCE = "normal", "gumbel"
LEVEL = 0.05
TEST_CLAIM = "1: Normal-Softmax has the lowest test loss"
CONVERGENCE_CLAIM = "2: Normal-Softmax converges faster and to a better training loss"
RULE = (
    "supported: the mean difference over paired seeds is below zero with a p-value of at most 0.05 after Holm's"
    " adjustment over the comparisons of its claim; contradicted: above zero, likewise; inconclusive otherwise, and"
    " with one seed"
)


def compare_test_losses(selection: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Compare the selected models of the claimed noise law with those of every other law, under each measure.

    Args:
        selection: what `selection.select_temperatures` returns.
        bounds: what `bounds.evaluate_selected` returns.

    Returns:
        One row for each dataset, K, measure and other law: the comparison in nats per image, claimed minus other.
    """
    selected = with_bounds(selection, bounds)
    rows = []
    for (dataset, categories), group in selected.groupby(["dataset", "K"], sort=False):
        for column, measure in MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            for other in _others(group["perturbation"]):
                coordinates = {"dataset": dataset, "K": categories, "measure": measure, "other": other}
                rows.append(coordinates | paired_comparison(by_seed[CLAIMED] - by_seed[other]))
    return _with_verdicts(rows, TEST_CLAIM)


def compare_convergence(histories: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """Compare the loss curves of the claimed noise law with the reference law's at one temperature.

    Each for the relaxed training loss, which flatters noise of low variance, and for the discrete validation loss: the
    final loss, the mean over epochs (the area under the curve), and the epochs needed to reach the lowest loss of the
    reference law (all of them where it is not reached).

    Args:
        histories: what `selection.gather_histories` returns.
        temperature: temperature wanted; the nearest one in the histories is compared.

    Returns:
        One row for each dataset, K and measure: the comparison, claimed minus reference, in nats or epochs.
    """
    shown = at_nearest_temperature(histories, temperature)
    rows = []
    for (dataset, categories), group in shown.groupby(["dataset", "K"], sort=False):
        if REFERENCE not in _others(group["perturbation"]):
            continue
        for loss in ("training_loss", "validation_loss"):
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, differences in _curve_differences(curves[CLAIMED], curves[REFERENCE]).items():
                name = f"{measure} of the {loss.replace('_', ' ')}"
                coordinates = {"dataset": dataset, "K": categories, "measure": name, "other": REFERENCE}
                rows.append(coordinates | paired_comparison(differences))
    return _with_verdicts(rows, CONVERGENCE_CLAIM)


def _others(perturbations: Iterable[str]) -> list[str]:
    present = list(dict.fromkeys(perturbations))
    return [name for name in present if name != CLAIMED] if CLAIMED in present else []


def _curve_differences(claimed: pd.DataFrame, reference: pd.DataFrame) -> Mapping[str, pd.Series]:
    return {
        "final value": claimed.iloc[-1] - reference.iloc[-1],
        "mean over epochs": claimed.mean(skipna=False) - reference.mean(skipna=False),
        "epochs to the reference's lowest": _epochs_to_reach(claimed, reference.min())
        - _epochs_to_reach(reference, reference.min()),
    }


def _epochs_to_reach(curves: pd.DataFrame, targets: pd.Series) -> pd.Series:
    reached = curves.le(targets)
    return reached.idxmax().where(reached.any(), len(curves))


def paired_comparison(differences: Sequence[float] | pd.Series) -> dict[str, float]:
    """Test whether the mean of paired differences is zero.

    Returns:
        ``n`` seeds; ``difference``, the mean; its 95% t interval ``low`` to ``high`` and the two-sided ``p`` of the
        paired t test, all three missing for a single seed. A pair with a missing value is left out.
    """
    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values)]
    comparison = {"n": len(values), "difference": values.mean() if len(values) else np.nan}
    if len(values) < 2 or values.std() == 0:
        return comparison | {"low": np.nan, "high": np.nan, "p": np.nan}
    test = scipy.stats.ttest_1samp(values, 0)
    interval = test.confidence_interval(1 - LEVEL)
    return comparison | {"low": interval.low, "high": interval.high, "p": test.pvalue}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values for their number by the step-down method of Holm (1979); missing ones stay missing."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    adjusted = np.full_like(p, np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


def _with_verdicts(rows: Sequence[Mapping[str, object]], claim: str) -> pd.DataFrame:
    columns = ["claim", "dataset", "K", "measure", "other", "n", "difference", "low", "high", "p", "p_holm", "verdict"]
    if not rows:
        return pd.DataFrame(columns=columns)
    table = pd.DataFrame(rows).assign(claim=claim)
    table["p_holm"] = holm(table["p"])
    certain = table["p_holm"] <= LEVEL
    verdicts = np.where(table["difference"] < 0, "supported", "contradicted")
    table["verdict"] = np.where(certain, verdicts, np.where(table["n"] > 1, "inconclusive", "inconclusive (one seed)"))
    return table[columns]


def to_markdown(table: pd.DataFrame, *, temperature: float) -> str:
    """Lay the claims out in Markdown: how many comparisons have which verdict, and then each of them."""
    if table.empty:
        return f"No comparison: the grid lacks {CLAIMED} noise or another law to compare it with.\n"
    counts = table.groupby(["claim", "measure"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    intervals = [
        "no interval" if np.isnan(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]
    each = table.assign(interval=intervals, difference=table["difference"].map("{:.2f}".format))
    each = each[["claim", "dataset", "K", "measure", "other", "n", "difference", "interval", "verdict"]]
    each["claim"] = each["claim"].str.partition(":")[0]
    return (
        f"{counts.reset_index().to_markdown(index=False)}\n\n"
        f"- {RULE}\n"
        f"- difference: {CLAIMED} minus the other law, in nats per image or epochs; interval: Student's t at 95%\n"
        f"- claim 2 is compared at the temperature nearest to {temperature}\n\n"
        f"{each.to_markdown(index=False, disable_numparse=True)}\n"
    )
