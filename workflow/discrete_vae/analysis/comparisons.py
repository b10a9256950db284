"""The comparisons behind the claims: Normal noise against another noise law, paired by seed.

Cells of one seed share initial weights, minibatches and the uniform numbers under their noise. Laws are known by their
definition: Normal noise is Normal(0, 1), whatever its name here.
"""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis import claims
from discrete_vae.analysis.claims import Claim, add_verdicts
from discrete_vae.analysis.losses import with_bounds
from discrete_vae.analysis.selection import (
    NEGATIVE_ELBO,
    VALIDATION_LOSS,
    at_nearest_temperature,
    law_definitions,
    places_stopped_early,
    say_not_judged,
    selected_cells,
)
from discrete_vae.analysis.statistics import compare_paired, mean_of_images, standard_errors
from discrete_vae.analysis.studied import is_studied, laws_at_all_temperatures
from discrete_vae.files import read_table
from discrete_vae.grid import paper
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.measures import MEASURES, SELECTED_BY_ELBO

# Each loss, the value of Gumbel's curve that is its goal, and the claim about it. A validation loss may fall and rise
# again, so its goal is the lowest value.
CURVES = (
    ("training_loss", "final", claims.CONVERGENCE),
    ("validation_loss", "lowest", claims.CONVERGENCE_OF_VALIDATION),
)
SENSITIVITY = ("p_welch", "p_sign_flip", "correlation")  # which decides nothing
COLUMNS = [
    *("claim", "dataset", "K", "measure", "law", "other"),
    *("n", "difference", "low", "high", "understated_kl", "image_se", "not_reached"),
    *("p", "p_holm", "p_holm_of_measure", "p_level", "verdict", "claim_here", *SENSITIVITY),
]
Row = dict[str, object]


def judge(
    runs: pd.DataFrame,
    selections: Mapping[str, pd.DataFrame],
    bounds: pd.DataFrame,
    per_image: Mapping[str, np.ndarray],
    histories: pd.DataFrame,
    *,
    temperature: float,
) -> pd.DataFrame:
    """Compare under every claim: first the test losses, then the curves.

    ``selections`` are the models selected by the validation loss and by the negative ELBO, under these names.
    """
    rows = [
        *compare_test_losses(selections[VALIDATION_LOSS], bounds, per_image, runs),
        *compare_where_selected_by_elbo(selections[NEGATIVE_ELBO], bounds, per_image, runs),
        *compare_convergence(histories, runs, temperature),
    ]
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    order = list(claims.CLAIMS)
    table = pd.DataFrame(sorted(rows, key=lambda row: order.index(row["claim"]))).reindex(columns=COLUMNS)
    return add_verdicts(table.fillna({"not_reached": 0}))[COLUMNS]


def read_comparisons(path: str) -> pd.DataFrame:
    """Read `judge`'s table from a claims.csv. A claim's name, such as 1, is a text. Raises what `read_table` raises."""
    return read_table(path).astype({"claim": str})


def compare_test_losses(
    selection: pd.DataFrame,
    bounds: pd.DataFrame,
    per_image: Mapping[str, np.ndarray],
    runs: pd.DataFrame,
    measures: Mapping[str, str] = MEASURES,
) -> list[Row]:
    """Compare the selected models of Normal noise with the models of every other law, under measures by column.

    Returns:
        One row for each dataset, K, measure and other law: the comparison in nats per image. ``image_se`` is the
        standard error of the difference over the test images, which both laws share. ``understated_kl`` is how much
        more KL the paper loss leaves out for Normal noise: the difference in negative ELBO minus that in paper loss.
    """
    laws = paper.paper_laws(law_definitions(runs))
    selected = with_bounds(selection, bounds)
    rows = []
    for (dataset, K), group in selected.groupby(["dataset", "K"], sort=False):
        present = group["perturbation"].unique()
        normal = _first(present, laws, "normal")
        of_the_paper = {_first(present, laws, law) for law in paper.PAPER_LAWS} - {None}
        claim_of_the_paper = _claim_of_the_paper(dataset, K, runs, of_the_paper)
        losses = {column: group.pivot(index="seed", columns="perturbation", values=column) for column in MEASURES}
        understated = losses["negative_elbo"] - losses["paper_loss"]
        others = [law for law in present if laws.get(law) != "normal"] if normal else []
        for (column, measure), other in itertools.product(measures.items(), others):
            claim = claim_of_the_paper if other in of_the_paper else claims.FURTHER_LAW
            row = _row(claim, dataset, K, measure, normal, other)
            row |= compare_paired(losses[column][normal], losses[column][other])
            paired = losses[column][[normal, other]].dropna().index
            errors = _errors_of_difference(group[group["seed"].isin(paired)], (normal, other), per_image)
            row["image_se"] = errors[column]
            if column == "paper_loss":
                row["understated_kl"] = (understated[normal] - understated[other])[paired].mean(skipna=False)
            rows.append(row)
    return rows


def compare_where_selected_by_elbo(
    selection: pd.DataFrame, bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray], runs: pd.DataFrame
) -> list[Row]:
    """Compare the models that the negative ELBO selected under the same bound, at each dataset and K of claim 1.

    Returns:
        Rows as of `compare_test_losses`, where a seed is known of both laws.
    """
    rows = compare_test_losses(selection, bounds, per_image, runs, {"negative_elbo": SELECTED_BY_ELBO})
    places = {(row["dataset"], row["K"]) for row in rows if row["claim"] == claims.BEST.name}
    renamed = {claims.BEST.name: claims.BEST_BY_ELBO.name}
    return [
        row | {"claim": renamed.get(row["claim"], row["claim"])}
        for row in rows
        if row["n"] > 0 and (row["dataset"], row["K"]) in places
    ]


def _claim_of_the_paper(dataset: str, K: int, runs: pd.DataFrame, laws: set[str]) -> Claim:
    """Return the claim about the paper's ``laws`` that the runs of a dataset and K belong to."""
    if not is_studied(dataset, K, runs):
        return claims.ELSEWHERE
    whole = laws_at_all_temperatures(runs[(runs["dataset"] == dataset) & (runs["K"] == K)])
    return claims.BEST if laws <= whole else claims.FEWER_TEMPERATURES


def _errors_of_difference(
    selected: pd.DataFrame, laws: tuple[str, str], per_image: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return the standard error of the difference of two laws over the test images, for each measure."""
    cells = (selected_cells(selected[selected["perturbation"] == law]) for law in laws)
    first, second = (mean_of_images(of_law, per_image) for of_law in cells)
    return standard_errors(first - second)


def compare_convergence(histories: pd.DataFrame, runs: pd.DataFrame, temperature: float) -> list[Row]:
    """Compare the loss curves of Normal and of Gumbel noise at one temperature.

    There are two losses: the relaxed training loss, which flatters noise of low variance, and the discrete validation
    loss. Each has three measures: the final loss, its mean over epochs, and the epochs to Gumbel's goal (see CURVES). A
    seed with a diverged run is left out. A dataset and K with a run that stopped early is not compared.

    Returns:
        One row for each dataset, K and measure: the comparison in nats or epochs.
    """
    laws = paper.paper_laws(law_definitions(runs))
    diverged = pd.MultiIndex.from_frame(runs.loc[runs["diverged"], list(AXES)])
    shown = at_nearest_temperature(histories, temperature)
    # Also where only the other loss, of validation or of training, was not finite.
    shown.loc[pd.MultiIndex.from_frame(shown[list(AXES)]).isin(diverged), [loss for loss, *_ in CURVES]] = np.nan
    stopped = _stopped_early(runs, temperature)
    rows = []
    for (dataset, K), group in shown.groupby(["dataset", "K"], sort=False):
        normal, gumbel = (_first(group["perturbation"].unique(), laws, law) for law in ("normal", "gumbel"))
        if not (normal and gumbel) or (dataset, K) in stopped:
            continue
        setting = (paper.STANDS_FOR.get(dataset, dataset), group["temperature"].iloc[0])
        as_studied = setting == (paper.CONVERGENCE_DATASET, paper.CONVERGENCE_TEMPERATURE) and is_studied(
            dataset, K, runs
        )
        for loss, goal, claimed in CURVES:
            claim = claimed if as_studied else claims.CONVERGENCE_ELSEWHERE
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, comparison in _compare_curves(curves[normal], curves[gumbel], goal).items():
                name = f"{loss.replace('_', ' ')}: {measure}"
                row = _row(claim, dataset, K, name, normal, gumbel)
                rows.append({**row, **comparison, "p_level": np.nan})  # the margin is one of test losses
    return rows


def _row(claim: Claim, dataset: str, K: int, measure: str, normal: str, other: str) -> Row:
    return {"claim": claim.name, "dataset": dataset, "K": K, "measure": measure, "law": normal, "other": other}


def _first(names: Iterable[str], laws: Mapping[str, str], law: str) -> str | None:
    """Return the first of some names that stands for a law of the paper, None if there is none."""
    return next((name for name in names if laws.get(name) == law), None)


def notes_on_early_stops(runs: pd.DataFrame, temperature: float) -> list[str]:
    """Say where `compare_convergence` compares nothing, as a run stopped early."""
    return say_not_judged("convergence (claim 2)", _stopped_early(runs, temperature))


def _stopped_early(runs: pd.DataFrame, temperature: float) -> list[tuple[str, int]]:
    laws = paper.paper_laws(law_definitions(runs))
    shown = at_nearest_temperature(runs, temperature)
    return places_stopped_early(shown[shown["perturbation"].map(laws).isin(["normal", "gumbel"])])


def _compare_curves(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, dict[str, float]]:
    """Compare curves of epochs x seeds under the three measures."""
    return {
        "final": compare_paired(claimed.iloc[-1], reference.iloc[-1]),
        "mean over epochs": compare_paired(claimed.mean(skipna=False), reference.mean(skipna=False)),
        f"epochs to Gumbel's {goal}": _compare_epochs(claimed, reference, goal),
    }


def _compare_epochs(claimed: pd.DataFrame, reference: pd.DataFrame, goal: str) -> dict[str, float]:
    """Compare the epochs until each law reaches the reference's goal.

    A run that never reaches it counts all its epochs, and ``not_reached`` counts such runs. The mean difference is then
    a lower bound, whose interval and p-values are missing.
    """
    target = reference.iloc[-1] if goal == "final" else reference.min()
    neither_diverged = np.isfinite(claimed).all() & np.isfinite(reference).all()
    reached = claimed.le(target)
    epochs = reached.idxmax().where(reached.any(), len(claimed)).where(neither_diverged)
    comparison = compare_paired(epochs, reference.le(target).idxmax())
    not_reached = int((neither_diverged & ~reached.any()).sum())
    if not_reached:
        comparison |= dict.fromkeys(("low", "high", "p", *SENSITIVITY), np.nan)
    return comparison | {"not_reached": not_reached}
