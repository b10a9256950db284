"""Scale or shape: which of them makes the difference between noise laws, by paired comparisons over seeds.

Two laws of one shape differ in scale. Two laws of equal variance differ in shape.
"""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import at_nearest_temperature
from discrete_vae.analysis.statistics import LEVEL, holm, paired_comparison
from discrete_vae.analysis.test_losses import with_bounds
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.measures import MEASURES
from discrete_vae.report.tables import interval_texts, to_markdown

# For the paper's first claim the test losses of the selected models, for its second one the loss in training.
CONTROL_MEASURES = {**MEASURES, "training_loss": "training loss: final"}
COLUMNS = [
    *("differ_in", "dataset", "K", "measure", "perturbation", "other"),
    *("n", "difference", "low", "high", "p", "p_holm", "verdict"),
]
# Parameters that move or stretch a law. The others make its shape.
LOCATION_AND_SCALE = {"loc", "scale", "rate", "low", "high"}
NOTES = (
    "scale: laws of one shape, the wider one minus the other. shape: laws of equal variance. A law without a finite"
    " variance is in neither",
    "difference: of the test losses of the selected models, or of the training losses after the last epoch at"
    " temperature {temperature:g} (or the nearest), in nats per image",
    "interval: Student's t at 95% over seeds. lower or higher: p at most 0.05 in a paired t test, after Holm's"
    " adjustment over all comparisons of scale, or of shape",
    "a wider law is the narrow one with logits and temperature divided by its scale. Both can express the same codes:"
    " training finds them differently, and KL(softmax || uniform) in the paper loss changes",
)

Definition = Mapping[str, str | float]


def shape(definition: Definition) -> dict[str, str | float]:
    """Return the shape of a law: its distribution, and the parameters other than location and scale."""
    # The logarithm turns a scale into a location, and a power into a scale.
    location_and_scale = {"loc"} if definition["distribution"] == "LogNormal" else LOCATION_AND_SCALE
    return {key: value for key, value in definition.items() if key not in location_and_scale}


def laws_by_variance(variances: Mapping[str, float]) -> list[list[str]]:
    """Group noise laws of equal variance, to a thousandth, the narrowest first. Unknown variances come last."""
    groups: list[list[str]] = []
    for law, variance in pd.Series(variances).sort_values(kind="stable").items():
        if groups and np.isclose(variance, variances[groups[-1][0]], rtol=1e-3, equal_nan=True):
            groups[-1].append(law)
        else:
            groups.append([law])
    return groups


def pairs_of_laws(
    perturbations: Mapping[str, Definition], variances: Mapping[str, float]
) -> list[tuple[str, tuple[str, str]]]:
    """List the pairs of noise laws that differ in ``scale`` only, the wider law first, or in ``shape`` only."""
    pairs = []
    level = {law: level for level, laws in enumerate(laws_by_variance(variances)) for law in laws}
    for pair in itertools.combinations(perturbations, 2):
        equal_variance = level[pair[0]] == level[pair[1]]
        same_shape = shape(perturbations[pair[0]]) == shape(perturbations[pair[1]])
        if same_shape and not equal_variance:
            pairs.append(("scale", tuple(sorted(pair, key=variances.get, reverse=True))))
        elif not same_shape and equal_variance:
            pairs.append(("shape", pair))
    return pairs


def losses_of_laws(
    selection: pd.DataFrame, bounds: pd.DataFrame, histories: pd.DataFrame, *, temperature: float
) -> pd.DataFrame:
    """Add a column for each of CONTROL_MEASURES to the selected models, missing where it is not known.

    The training loss is the one after the last epoch at ``temperature``, or the nearest.
    """
    shown = at_nearest_temperature(histories, temperature)
    last = shown[shown["epoch"] == shown.groupby("dataset")["epoch"].transform("max")]
    of_a_law = [axis for axis in AXES if axis != "temperature"]
    return with_bounds(selection, bounds).merge(last[[*of_a_law, "training_loss"]], on=of_a_law, how="left")


def compare_scale_and_shape(
    losses: pd.DataFrame, perturbations: Mapping[str, Definition], variances: Mapping[str, float]
) -> pd.DataFrame:
    """Compare laws that differ in scale only, or in shape only, under each measure.

    Laws without a finite variance are left out, and laws that a dataset was not run with.

    Returns:
        One row for each dataset, K, measure and pair: the difference in nats per image, first minus other, with
        interval, p-value and verdict. Holm's method adjusts the p-values of scale together, and those of shape.
    """
    rows = []
    for (dataset, K), group in losses.groupby(["dataset", "K"], sort=False):
        run = set(group["perturbation"])
        known = {name: law for name, law in perturbations.items() if name in run and np.isfinite(variances[name])}
        pairs = pairs_of_laws(known, variances)
        for column, measure in CONTROL_MEASURES.items():
            by_seed = group.pivot(index="seed", columns="perturbation", values=column)
            for kind, (first, second) in pairs:
                coordinates = (kind, dataset, K, measure, first, second)
                comparison = paired_comparison(by_seed[first] - by_seed[second])
                rows.append(dict(zip(COLUMNS, coordinates, strict=False)) | comparison)
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(rows).sort_values("differ_in", kind="stable", ignore_index=True)
    table["p_holm"] = table.groupby("differ_in")["p"].transform(holm)
    direction = np.where(table["difference"] < 0, "lower", "higher")
    table["verdict"] = np.where(table["p_holm"] <= LEVEL, direction, "inconclusive")
    return table[COLUMNS]


def control_to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay out the number of each verdict by kind and measure, the notes, and every comparison."""
    if table.empty:
        return "No comparison: no two noise laws of the grid share a shape or a variance.\n"
    kinds = table.assign(size=table["difference"].abs()).groupby(["differ_in", "measure"], sort=False)
    counts = kinds["verdict"].value_counts().unstack(fill_value=0)
    counts.insert(0, "median size (nats)", kinds["size"].median())
    all_notes = [*(note.format(temperature=temperature) for note in NOTES), *notes]
    above = to_markdown(counts.reset_index(), all_notes, formats={"median size (nats)": ".2f"})
    each = table.assign(interval=interval_texts(table))[[*COLUMNS[:8], "interval", "verdict"]]
    return f"{above}\n{to_markdown(each, formats={'difference': '.2f'})}"
