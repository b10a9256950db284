"""Results with planted effects, which the tests of the analysis and of the report share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from discrete_vae.analysis.comparisons import judge
from discrete_vae.analysis.losses import summarize_test_losses
from discrete_vae.analysis.selection import LOSSES, NEGATIVE_ELBO, VALIDATION_LOSS, select_temperatures
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.measures import MEASURES
from discrete_vae.grid.paper import PAPER_TEMPERATURES, STUDIED_IMAGES

SEEDS = (1, 2, 3, 4, 5)


def runs_of(validation: dict, diverged=()) -> pd.DataFrame:
    """Make runs from losses by (perturbation, temperature, seed)."""
    rows = []
    for (perturbation, temperature, seed), loss in validation.items():
        broken = (perturbation, temperature, seed) in diverged
        kl = 10 / (1 + loss)  # the lower the loss, the higher its KL
        losses = dict(zip(LOSSES, (loss, loss - kl, kl, kl + 1), strict=True))
        rows.append(
            dict(zip(AXES, ("digits", 10, perturbation, temperature, seed), strict=True))
            | {
                "law": definition(perturbation),
                "diverged": broken,
                "diverged_epoch": 3 if broken else np.nan,
                "epochs_run": 3 if broken else 9,
                **(dict.fromkeys(LOSSES, np.nan) if broken else losses),
            }
        )
    return pd.DataFrame(rows).assign(
        stopped_early=False,
        device="cpu",
        best_epoch=5,
        data_origin="a_test & more",
        model=AS_STUDIED["model"],
        training='{"batch_size": 100, "learning_rate": 0.001, "annealing": null}',
        evaluation='{"validation_samples": 100, "selection_samples": 100}',
    )


def bounds_of(selection: pd.DataFrame) -> pd.DataFrame:
    """Make paper losses equal to the validation losses and bounds 1 and 2 nats below, and none for logistic noise."""
    selected = selection.dropna(subset="temperature")
    bounds = selected[list(AXES)].assign(samples=100, paper_loss=selected["validation_loss"])
    bounds["negative_elbo"] = (bounds["paper_loss"] - 1).where(bounds["perturbation"] != "logistic")
    bounds["importance_weighted_bound"] = bounds["negative_elbo"] - 1
    return bounds


def summarized(runs: pd.DataFrame) -> pd.DataFrame:
    selections = {by: select_temperatures(runs, by=by) for by in (VALIDATION_LOSS, NEGATIVE_ELBO)}
    return summarize_test_losses(selections, bounds_of(selections[VALIDATION_LOSS]), {})


def two_laws() -> pd.DataFrame:
    """Make runs of gumbel noise with its best temperature at the edge, and of normal noise with the lower losses."""
    losses = {
        **{("gumbel", t, s): 20.0 + s + t for t in (0.1, 0.5, 1.0) for s in (1, 2)},
        **{("normal", t, s): 10.0 + 2 * s + abs(t - 0.5) for t in (0.1, 0.5, 1.0) for s in (1, 2)},
    }
    return runs_of(losses)


def selected(
    effects: dict[str, float], seeds=SEEDS, temperatures: int = 10, dataset: str = "mnist", K: int = 10
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make selected models whose paper losses differ by planted effects, and whose negative ELBOs do the other way."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in seeds:
        shared = rng.normal(0, 5)  # a seed's own level, which pairing takes out
        for law, effect in effects.items():
            loss = 100 + shared + effect + rng.normal(0, 0.1)
            losses = (loss, loss - 2 * effect, 100 + shared + rng.normal(0, 0.1))
            rows.append((dataset, K, law, 0.5, seed, temperatures, *losses))
    table = pd.DataFrame(rows, columns=[*AXES, "runs", *MEASURES])
    return table.drop(columns=list(MEASURES)), table.drop(columns="runs")


def definition(law: str) -> str:
    """Return the definition of a law of a name, standard, as summaries hold it."""
    return f'{{"distribution": "{law.capitalize()}", "loc": 0.0, "scale": 1.0}}'


# Of runs that are as in the paper, whatever the test plants in them.
AS_STUDIED = {
    "stopped_early": False,
    "diverged": False,
    "model": '{"variables": 10, "hidden": 300}',
    "training": "{}",
    "evaluation": "{}",
}


def as_studied(runs: pd.DataFrame) -> pd.DataFrame:
    """Complete runs as they are in the paper: standard noise laws, its options, and its images under their names."""
    return runs.assign(
        law=runs["perturbation"].map(definition), data_origin=runs["dataset"].map(STUDIED_IMAGES), **AS_STUDIED
    )


def by_loss(selection: pd.DataFrame, by_elbo: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """Name the models that each loss selected; by default the negative ELBO selected none."""
    return {VALIDATION_LOSS: selection, NEGATIVE_ELBO: selection.iloc[:0] if by_elbo is None else by_elbo}


NO_HISTORIES = pd.DataFrame(columns=[*AXES, "epoch", "training_loss", "validation_loss"])


def judged(
    selection: pd.DataFrame,
    bounds: pd.DataFrame,
    per_image: dict | None = None,
    temperatures: Sequence[float] = (*PAPER_TEMPERATURES, 0.6),
    by_elbo: pd.DataFrame | None = None,
    **laws: str,
) -> pd.DataFrame:
    """Judge test losses alone.

    Each model was run at the first of ``temperatures``. ``by_elbo`` are the models that the negative ELBO selected.
    ``laws`` are definitions of noise laws that are not what their names say.
    """
    runs = selection.reset_index(drop=True)
    runs = runs.loc[runs.index.repeat(runs["runs"]), list(AXES)]
    temperatures = runs.groupby(runs.index).cumcount().map(dict(enumerate(temperatures)))
    runs = as_studied(runs.assign(temperature=temperatures))
    runs["law"] = [laws.get(name, law) for name, law in runs[["perturbation", "law"]].to_numpy()]
    return judge(runs, by_loss(selection, by_elbo), bounds, per_image or {}, NO_HISTORIES, temperature=1.0)


def judged_curves(histories: pd.DataFrame, temperature: float = 1.0) -> pd.DataFrame:
    """Judge curves alone."""
    return judged_together(runs_of_histories(histories), histories, temperature=temperature)


def judged_together(
    runs: pd.DataFrame, histories: pd.DataFrame, tests: tuple | None = None, temperature: float = 1.0
) -> pd.DataFrame:
    """Judge curves, and test losses as `selected` plants them, of some runs."""
    selection, bounds = tests or selected({})
    return judge(runs, by_loss(selection), bounds, {}, histories, temperature=temperature)


def curves(normal_rate: float, temperature: float = 1.0, dataset: str = "omniglot") -> pd.DataFrame:
    """Make training losses that fall at a rate each, and validation losses lowest at epoch 24 over the rate."""
    epochs = np.arange(1, 51)
    rng = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame(
            {
                "dataset": dataset,
                "K": 10,
                "perturbation": law,
                "temperature": temperature,
                "seed": seed,
                "epoch": epochs,
                "training_loss": 100 * np.exp(-rate * epochs / 50) + seed + rng.normal(0, 0.01),
                "validation_loss": 100 - 0.1 * rate + 0.01 * (epochs * rate - 24) ** 2 + seed + rng.normal(0, 0.01),
            }
        )
        for seed in SEEDS
        for law, rate in (("gumbel", 1.0), ("normal", normal_rate))
    )


def runs_of_histories(histories: pd.DataFrame, stopped: str = "none") -> pd.DataFrame:
    """Make the summaries of the runs of some histories, of which one noise law stopped early."""
    runs = as_studied(histories[list(AXES)].drop_duplicates())
    return runs.assign(stopped_early=runs["perturbation"] == stopped)
