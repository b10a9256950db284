"""Scale or shape: which of them makes the difference between noise laws, by paired comparisons over seeds.

Two laws of one shape differ in scale; two laws of equal variance differ in shape.
"""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import at_nearest_temperature
from discrete_vae.analysis.statistics import LEVEL, holm, interval_texts, paired_comparison
from discrete_vae.config.laws import shape
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.measures import MEASURES
from discrete_vae.report.tables import with_bounds

# The test losses of the selected models, for the study's first claim, and for its second the loss in training.
CONTROL_MEASURES = {**MEASURES, "training_loss": "training loss: final"}
COLUMNS = [
    *("differ_in", "dataset", "K", "measure", "perturbation", "other"),
    *("n", "difference", "low", "high", "p", "p_holm", "verdict"),
]


def laws_by_variance(variances: Mapping[str, float]) -> list[list[str]]:
    """Group noise laws of equal variance, to a thousandth, the narrowest first; unknown variances come last."""
    groups: list[list[str]] = []
    for law, variance in pd.Series(variances).sort_values(kind="stable").items():
        if groups and np.isclose(variance, variances[groups[-1][0]], rtol=1e-3, equal_nan=True):
            groups[-1].append(law)
        else:
            groups.append([law])
    return groups


def pairs_of_laws(
    perturbations: Mapping[str, Mapping[str, str | float]], variances: Mapping[str, float]
) -> list[tuple[str, tuple[str, str]]]:
    """List the pairs of noise laws that differ in scale only, or in shape only.

    Args:
        perturbations: the definition of each law, by its name.
        variances: its variance.

    Returns:
        ``scale`` or ``shape`` with each pair; in a pair that differs in scale the wider law comes first.
    """
    pairs = []
    level = {law: level for level, laws in enumerate(laws_by_variance(variances)) for law in laws}
    for first, second in itertools.combinations(perturbations, 2):
        equal_variance = level[first] == level[second]
        same_shape = shape(perturbations[first]) == shape(perturbations[second])
        if same_shape and not equal_variance:
            wider_first = (first, second) if variances[first] > variances[second] else (second, first)
            pairs.append(("scale", wider_first))
        elif not same_shape and equal_variance:
            pairs.append(("shape", (first, second)))
    return pairs


def losses_of_laws(
    selection: pd.DataFrame, bounds: pd.DataFrame, histories: pd.DataFrame, *, temperature: float
) -> pd.DataFrame:
    """Join the test losses of the selected models with the training losses after the last epoch at one temperature.

    Args:
        selection: what `selection.select_temperatures` returns.
        bounds: what `bounds.evaluate_selected` returns.
        histories: what `selection.gather_histories` returns.
        temperature: temperature wanted; the nearest one in a dataset's histories is taken.

    Returns:
        The selection with a column for each measure in ``CONTROL_MEASURES``, missing where it is not known.
    """
    shown = at_nearest_temperature(histories, temperature)
    last = shown[shown["epoch"] == shown.groupby("dataset")["epoch"].transform("max")]
    of_a_law = [axis for axis in AXES if axis != "temperature"]
    return with_bounds(selection, bounds).merge(last[[*of_a_law, "training_loss"]], on=of_a_law, how="left")


def compare_scale_and_shape(
    losses: pd.DataFrame, perturbations: Mapping[str, Mapping[str, str | float]], variances: Mapping[str, float]
) -> pd.DataFrame:
    """Compare laws that differ in scale only, or in shape only, under each measure.

    Args:
        losses: what `losses_of_laws` returns.
        perturbations, variances: see `pairs_of_laws`; laws without a finite variance, and those that a dataset was not
            run with, are left out.

    Returns:
        One row for each dataset, K, measure and pair: the difference in nats per image, first minus other, with its
        interval, p-value (adjusted by Holm's method over the rows that differ in the same) and verdict.
    """
    rows = []
    for (dataset, K), group in losses.groupby(["dataset", "K"], sort=False):
        run = set(group["perturbation"])
        known = {name: law for name, law in perturbations.items() if name in run and np.isfinite(variances[name])}
        pairs = pairs_of_laws(known, variances)
        for column, measure in CONTROL_MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            for kind, (first, second) in pairs:
                coordinates = {"differ_in": kind, "dataset": dataset, "K": K, "measure": measure}
                comparison = paired_comparison(by_seed[first] - by_seed[second])
                rows.append(coordinates | {"perturbation": first, "other": second} | comparison)
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(rows).sort_values("differ_in", kind="stable", ignore_index=True)
    table["p_holm"] = table.groupby("differ_in")["p"].transform(holm)
    direction = np.where(table["difference"] < 0, "lower", "higher")
    table["verdict"] = np.where(table["p_holm"] <= LEVEL, direction, "inconclusive")
    return table[COLUMNS]


def to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay the comparisons out in Markdown: the number of each verdict by kind and measure, then every comparison.

    Args:
        table: what `compare_scale_and_shape` returns.
        temperature: that of the training losses.
        notes: on the runs.
    """
    if table.empty:
        return "No comparison: no two noise laws of the grid share a shape or a variance.\n"
    counts = table.groupby(["differ_in", "measure"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    sizes = table.assign(size=table["difference"].abs()).groupby(["differ_in", "measure"], sort=False)["size"]
    counts.insert(0, "median size (nats)", sizes.median().map("{:.2f}".format))
    each = table.assign(difference=table["difference"].map("{:.2f}".format), interval=interval_texts(table))
    each = each[
        ["differ_in", "dataset", "K", "measure", "perturbation", "other", "n", "difference", "interval", "verdict"]
    ]
    notes_on_runs = "".join(f"- {note}\n" for note in notes)
    return (
        f"{counts.reset_index().to_markdown(index=False, disable_numparse=True)}\n\n"
        "- scale: laws of one shape, the wider one minus the other; shape: laws of equal variance; a law without a\n"
        "  finite variance is in neither\n"
        "- difference: of the test losses of the selected models, or of the training losses after the last epoch at\n"
        f"  temperature {temperature:g} (or the nearest), in nats per image; interval: Student's t at 95% over seeds;\n"
        "  lower or higher: p at most 0.05 in a paired t test, after Holm's adjustment over the kind\n"
        "- a wider law is the narrow one with logits and temperature divided by its scale: what the codes can say is\n"
        "  the same, and only how training finds it differs; KL(softmax || uniform), in the paper loss, does change\n"
        f"{notes_on_runs}\n"
        f"{each.to_markdown(index=False, disable_numparse=True)}\n"
    )
