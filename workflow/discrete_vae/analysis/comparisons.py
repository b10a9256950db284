"""The comparisons behind the claims: Normal-Softmax against another noise law, paired by seed.

Cells of one seed share initial weights, minibatches and the uniform numbers under their noise. Laws are known by their
definition: Normal-Softmax has Normal(0, 1) noise, whatever its name here.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis import claims
from discrete_vae.analysis.claims import Claim, add_verdicts
from discrete_vae.analysis.selection import at_nearest_temperature, law_definitions
from discrete_vae.analysis.statistics import compare_paired, mean_of_images, standard_errors
from discrete_vae.analysis.test_losses import with_bounds
from discrete_vae.evaluation.selected import selected_cells
from discrete_vae.grid import paper
from discrete_vae.grid.measures import MEASURES

# The claim about each loss, and Gumbel's goal: a validation loss may rise again after its lowest value.
CURVES = (
    ("training_loss", "final", claims.CONVERGENCE),
    ("validation_loss", "lowest", claims.CONVERGENCE_OF_VALIDATION),
)
SENSITIVITY = ("p_welch", "p_sign_flip", "correlation")  # which decides nothing
COLUMNS = [
    *("claim", "dataset", "K", "measure", "other", "n", "difference", "low", "high", "understated_kl", "image_se"),
    *("not_reached", "p", "p_holm", "p_holm_of_measure", "p_level", "verdict", "claim_here", *SENSITIVITY),
]


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
    laws = paper.names_of_laws(law_definitions(runs))
    rows = [
        *compare_test_losses(selection, bounds, per_image, laws),
        *compare_convergence(histories, runs, laws, temperature),
    ]
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    order = list(claims.CLAIMS)
    table = pd.DataFrame(sorted(rows, key=lambda row: order.index(row["claim"]))).reindex(columns=COLUMNS)
    return add_verdicts(table.fillna({"not_reached": 0}))[COLUMNS]


Row = dict[str, object]


def compare_test_losses(
    selection: pd.DataFrame, bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray], laws: Mapping[str, str]
) -> list[Row]:
    """Compare the selected models of Normal noise with those of every other law, under each measure.

    Args:
        selection, bounds, per_image: of the groups.
        laws: the names of the paper's laws, by those of `paper.PAPER_LAWS`.

    Returns:
        One row for each dataset, K, measure and other law: the comparison in nats per image. ``image_se`` is the
        standard error of the difference over the test images, which both laws share. ``understated_kl`` is how much of
        a difference in paper loss is no difference in negative ELBO: KL(softmax) understates the KL of the codes.
    """
    normal = laws.get("normal")
    selected = with_bounds(selection, bounds)
    datasets = set(selected["dataset"])
    rows = []
    for (dataset, K), group in selected.groupby(["dataset", "K"], sort=False):
        present = list(dict.fromkeys(group["perturbation"]))
        losses = {column: group.pivot(index="seed", columns="perturbation", values=column) for column in MEASURES}
        understated = losses["paper_loss"] - losses["negative_elbo"]
        images = {
            law: mean_of_images(selected_cells(of_law), per_image) for law, of_law in group.groupby("perturbation")
        }
        place = (_paper_name(dataset, datasets), K)
        for column, measure in MEASURES.items():
            for other in [law for law in present if law != normal] if normal in present else []:
                claim = _test_claim(*place, from_paper=other in laws.values(), chosen=(group["runs"] > 1).all())
                row = {"claim": claim.name, "dataset": dataset, "K": K, "measure": measure, "other": other}
                row |= compare_paired(losses[column][normal], losses[column][other])
                row["image_se"] = standard_errors(images[normal] - images[other])[column]
                if column == "paper_loss":
                    row["understated_kl"] = (understated[normal] - understated[other]).mean()
                rows.append(row)
    return rows


def compare_convergence(
    histories: pd.DataFrame, runs: pd.DataFrame, laws: Mapping[str, str], temperature: float
) -> list[Row]:
    """Compare the loss curves of Normal noise with those of Gumbel noise at one temperature.

    There are two losses: the relaxed training loss, which flatters noise of low variance, and the discrete validation
    loss. Each has three measures: the final loss, its mean over epochs, and the epochs to Gumbel's goal (see CURVES). A
    seed with a diverged run is left out. A dataset and K with a run that stopped early is not compared.

    Returns:
        One row for each dataset, K and measure: the comparison in nats or epochs.
    """
    normal, gumbel = laws.get("normal"), laws.get("gumbel")
    shown = at_nearest_temperature(histories, temperature)
    stopped = _stopped_early(runs, temperature)
    datasets = set(runs["dataset"])
    rows = []
    for (dataset, K), group in shown.groupby(["dataset", "K"], sort=False):
        if not {normal, gumbel} <= set(group["perturbation"]) or (dataset, K) in stopped:
            continue
        setting = (_paper_name(dataset, datasets), group["temperature"].iloc[0])
        as_studied = (
            setting == (paper.CONVERGENCE_DATASET, paper.CONVERGENCE_TEMPERATURE) and K in paper.PAPER_CATEGORIES
        )
        for loss, goal, claimed in CURVES:
            claim = claimed if as_studied else claims.CONVERGENCE_ELSEWHERE
            curves = group.pivot(index="epoch", columns=["perturbation", "seed"], values=loss)
            for measure, comparison in _compare_curves(curves[normal], curves[gumbel], goal).items():
                name = f"{loss.replace('_', ' ')}: {measure}"
                row = {"claim": claim.name, "dataset": dataset, "K": K, "measure": name, "other": gumbel}
                rows.append({**row, **comparison, "p_level": np.nan})  # the margin is one of test losses
    return rows


def stopped_early(runs: pd.DataFrame, temperature: float) -> list[str]:
    """Say where `compare_convergence` compares nothing, as a run stopped early."""
    return [
        f"claim 2 is not judged on {dataset} at K = {K}: a run stopped early, as training.patience says"
        for dataset, K in _stopped_early(runs, temperature)
    ]


def _stopped_early(runs: pd.DataFrame, temperature: float) -> list[tuple[str, int]]:
    laws = paper.names_of_laws(law_definitions(runs))
    compared = runs[runs["perturbation"].isin([laws.get("normal"), laws.get("gumbel")])]
    compared = at_nearest_temperature(compared, temperature)
    stopped = compared.loc[compared["stopped_early"], ["dataset", "K"]].drop_duplicates()
    return list(stopped.itertuples(index=False, name=None))


def _paper_name(dataset: str, datasets: Collection[str]) -> str:
    """Return the paper's dataset that a dataset is. It may stand for another one, if that one was not run."""
    stands_for = paper.STANDS_FOR.get(dataset)
    return stands_for if stands_for and stands_for not in datasets else dataset


def _test_claim(dataset: str, K: int, *, from_paper: bool, chosen: bool) -> Claim:
    """Return the claim that a comparison is about.

    ``from_paper``: the other law is one of the paper's. ``chosen``: the temperature was chosen from several.
    """
    if not from_paper:
        return claims.FURTHER_LAW
    if dataset not in paper.PAPER_IMAGES or K not in paper.PAPER_CATEGORIES:
        return claims.ELSEWHERE
    return claims.BEST if chosen else claims.WITHOUT_CHOICE


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
