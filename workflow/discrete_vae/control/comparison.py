"""Scale or shape: which of them makes the difference between Gumbel and Normal noise, by a 2 x 2 design.

Both shapes are run with both variances: 1 as in the paper's Normal noise, pi^2/6 as in its Gumbel noise. With the
losses N1, Nv, G1 and Gv of a seed, as the analysis plan says (docs/method.md):

    shape = (N1 + Nv - G1 - Gv) / 2,  variance = (Nv + Gv - N1 - G1) / 2,  interaction = (Nv - N1) - (Gv - G1).
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis.claims import PLANNED_SEEDS
from discrete_vae.analysis.losses import with_bounds
from discrete_vae.analysis.selection import MODEL_AXES, at_nearest_temperature, places_stopped_early, say_not_judged
from discrete_vae.analysis.statistics import SIGNIFICANCE, compare_with_zero, holm
from discrete_vae.grid.measures import MEASURES
from discrete_vae.report.tables import interval_texts, to_markdown

# Claim 1 is about the test losses of the selected models, claim 2 about the training loss.
CONTROL_MEASURES = {**MEASURES, "final_training_loss": "training loss: final"}
COLUMNS = ["dataset", "K", "measure", "effect", "n", "difference", "low", "high", "p", "p_holm", "verdict"]
# Variance of a law of scale 1, by shape.
VARIANCES = {"Normal": 1.0, "Gumbel": math.pi**2 / 6}
NOTES = (
    "shape: Normal minus Gumbel, at one variance. variance: Gumbel's (1.64) minus Normal's (1), at one shape. Both are"
    " averaged over the other. interaction: what the variance does to Normal noise minus what it does to Gumbel noise",
    "difference: of the test losses of the selected models, or of the training losses after the last epoch at"
    " temperature {temperature:g} (or the nearest), in nats per image",
    "only at a dataset and K with all four laws",
    "interval: Student's t at 95% over seeds. lower or higher: p at most 0.05 in a paired t test, after Holm's"
    " adjustment over the three effects within a measure",
    "a wider law is the narrow one with logits and temperature divided by its scale. Both can express the same codes:"
    " training finds them differently, and KL(softmax || uniform) in the paper loss changes",
)

Definition = Mapping[str, str | float]


def design(definitions: Mapping[str, Definition]) -> dict[str, str]:
    """Return the names of the four laws of the design, as N1, Nv, G1 and Gv; {} if a definition is missing."""
    found = {}
    for name, definition in definitions.items():
        shape = definition["distribution"]
        for level, variance in zip("1v", VARIANCES.values(), strict=True):
            if shape in VARIANCES and math.isclose(VARIANCES[shape] * definition["scale"] ** 2, variance, rel_tol=1e-3):
                found.setdefault(f"{shape[0]}{level}", name)
    return found if len(found) == 4 else {}


def losses_of_laws(
    selection: pd.DataFrame, bounds: pd.DataFrame, runs: pd.DataFrame, *, temperature: float
) -> pd.DataFrame:
    """Add a column for each of CONTROL_MEASURES to the selected models, missing where it is not known.

    The training loss is the one after the last epoch at ``training_temperature``: ``temperature``, or the nearest at
    that dataset and K. It is not known at a dataset and K with a run that stopped early there.
    """
    shown = at_nearest_temperature(runs, temperature).rename(columns={"temperature": "training_temperature"})
    stopped = pd.MultiIndex.from_frame(shown[["dataset", "K"]]).isin(places_stopped_early(shown))
    shown["final_training_loss"] = shown["final_training_loss"].mask(stopped)
    columns = [*MODEL_AXES, "training_temperature", "final_training_loss"]
    return with_bounds(selection, bounds).merge(shown[columns], on=MODEL_AXES, how="left")


def notes_on_training_loss(runs: pd.DataFrame, temperature: float) -> list[str]:
    """Say where the training loss is not judged, as a run stopped early."""
    return say_not_judged("the training loss", places_stopped_early(at_nearest_temperature(runs, temperature)))


def with_design(losses: pd.DataFrame, definitions: Mapping[str, Definition]) -> pd.DataFrame:
    """Return the losses at each dataset and K where all four laws of the design were run."""
    laws = set(design(definitions).values())
    complete = losses.groupby(["dataset", "K"])["perturbation"].transform(lambda run: bool(laws) and laws <= set(run))
    return losses[complete.astype(bool)]


def estimate_effects(losses: pd.DataFrame, definitions: Mapping[str, Definition]) -> pd.DataFrame:
    """Estimate the effects of shape and variance, and their interaction, under each measure.

    Returns:
        One row for each dataset, K, measure and effect: the mean over seeds in nats per image, with interval, p-value
        and verdict. Holm's method adjusts the p-values of the three effects within a measure.
    """
    names = {name: corner for corner, name in design(definitions).items()}
    rows = []
    for (dataset, K), group in with_design(losses, definitions).groupby(["dataset", "K"], sort=False):
        for column, measure in CONTROL_MEASURES.items():
            loss = group.pivot(index="seed", columns="perturbation", values=column)[list(names)].rename(columns=names)
            effects = {
                "shape": (loss["N1"] + loss["Nv"] - loss["G1"] - loss["Gv"]) / 2,
                "variance": (loss["Nv"] + loss["Gv"] - loss["N1"] - loss["G1"]) / 2,
                "interaction": (loss["Nv"] - loss["N1"]) - (loss["Gv"] - loss["G1"]),
            }
            for effect, by_seed in effects.items():
                coordinates = {"dataset": dataset, "K": K, "measure": measure, "effect": effect}
                rows.append(coordinates | compare_with_zero(by_seed))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table["p_holm"] = table.groupby(["dataset", "K", "measure"])["p"].transform(holm)
    direction = np.where(table["difference"] < 0, "lower", "higher")
    return table.assign(verdict=np.where(table["p_holm"] <= SIGNIFICANCE, direction, "open"))


def control_to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay out the effects with their notes."""
    if table.empty:
        return "No comparison: the control needs Gumbel and Normal noise, each of variance 1 and of pi^2/6.\n"
    shown = table.assign(interval=interval_texts(table)).rename(columns={"p_holm": "Holm"})
    columns = [*COLUMNS[:6], "interval", "p", "Holm", "verdict"]
    all_notes = [*(note.format(temperature=temperature) for note in NOTES), *notes]
    seeds = table.loc[table["n"] > 0, "n"]  # none where a loss is not known
    if seeds.min() < PLANNED_SEEDS:
        all_notes.insert(0, f"interim: {seeds.min()} of the {PLANNED_SEEDS} seeds that the analysis plan asks for")
    return to_markdown(shown[columns], all_notes, formats={"difference": ".2f", "p": ".2g", "Holm": ".2g"})
