"""Figures of losses: against epoch at one temperature or at the selected ones, and against temperature.

``laws`` are all noise laws of the study: a law's place among them decides its look.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discrete_vae.analysis.selection import at_nearest_temperature, is_annealed, law_definitions, select_temperatures
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.paper import PAPER_IMAGES, paper_laws
from discrete_vae.report import style
from discrete_vae.report.means import plot_against_temperature, plot_curves, plot_side_by_side

TRAINING_LABEL = "training loss,\nrelaxed (nats)"
VALIDATION_LABEL = "validation loss,\ndiscrete (nats)"
CURVE = ["K", "perturbation"]
STOPS = ["epochs_run", "stopped_early"]
SIDE_BY_SIDE = 3  # noise laws whose names fit below an axis
GOAL = {"color": "0.4", "linewidth": 0.6, "zorder": 1}
DOT = {"linestyle": "", "marker": "o", "markersize": 3}
RING = {"linestyle": "", "marker": "o", "markersize": 7.5, "markeredgewidth": 0.8, "fillstyle": "none"}


def without_control_laws(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep only the runs of the paper's noise laws. If there are none, keep all runs."""
    own = paper_laws(law_definitions(runs))
    return runs[runs["perturbation"].isin(own)] if own else runs


def draw_convergence(histories: pd.DataFrame, runs: pd.DataFrame, *, temperature: float, laws: Sequence[str]) -> Figure:
    """Draw one dataset's training loss against epoch at one temperature: the laws of ``runs``, a column for each K.

    A thin line is the goal of claim 2, Gumbel's final loss, where no run stopped early. Diverged runs are left out, as
    a mean would jump where one ends.
    """
    runs = at_nearest_temperature(runs, temperature)
    shown = histories.merge(runs.loc[~runs["diverged"], [*AXES, *STOPS]], on=list(AXES))
    temperatures = " and ".join(f"{temperature:g}" for temperature in runs["temperature"].unique())
    title = _title(runs, f", {_how(runs)} temperature {temperatures}", _seeds_of_curves(shown))
    looks = style.looks(runs["perturbation"], laws)
    with style.applied():
        figure, axes = style.columns_of_K(runs["K"].unique(), title)
        finite = _plot_against_epoch(axes, shown, "training_loss", runs, looks)
        if len(finite):
            axes[0].set_ylim(*_limits_after_the_start(finite["training_loss"], finite["epoch"]))
        axes[0].set_ylabel(TRAINING_LABEL)
        goals = _goals(finite, runs)
        for ax, K in zip(axes, runs["K"].unique(), strict=True):
            if K in goals:
                ax.axhline(goals[K], **GOAL)
        others = [Line2D([], [], label="Gumbel's final loss", **GOAL)] if len(goals) else []
        style.add_legend(figure, looks, others=others)
    return figure


def draw_validation(histories: pd.DataFrame, runs: pd.DataFrame, *, laws: Sequence[str]) -> Figure:
    """Draw one dataset's validation loss against epoch at the selected temperatures.

    A dot marks the best epoch of a seed, also beyond the end of its curve. The epochs are logarithmic, as the best ones
    may be early. Each K has its own scale, as late losses differ widely.
    """
    selected = select_temperatures(runs)[[*AXES, "best_epoch"]].merge(runs[[*AXES, *STOPS]], on=list(AXES))
    shown = histories.merge(selected, on=list(AXES))
    temperatures = runs["temperature"].unique()
    at = "selected temperatures" if len(temperatures) > 1 else f"temperature {temperatures[0]:g}"
    title = _title(runs, f", {_how(runs)} {at}", _seeds_of_curves(shown))
    looks = style.looks(runs["perturbation"], laws)
    with style.applied():
        figure, axes = style.columns_of_K(runs["K"].unique(), title, sharey=False)
        finite = _plot_against_epoch(axes, shown, "validation_loss", runs, looks)
        of_best_epochs = shown[shown["epoch"] == shown["best_epoch"]]
        for ax, K in zip(axes, runs["K"].unique(), strict=True):
            curves, best = finite[finite["K"] == K], of_best_epochs[of_best_epochs["K"] == K]
            if len(curves):
                _set_logarithmic_epochs(ax, curves, best)
            colour_of = [looks[law].colour for law in best["perturbation"]]
            ax.scatter(best["epoch"], best["validation_loss"], s=8, c=colour_of, zorder=3, clip_on=False)
        axes[0].set_ylabel(VALIDATION_LABEL)
        style.add_legend(figure, looks, others=[Line2D([], [], color="0.4", label="best epoch of a seed", **DOT)])
    return figure


def draw_temperatures(runs: pd.DataFrame, *, laws: Sequence[str]) -> Figure:
    """Draw the validation loss of each best epoch of one dataset against temperature, a column for each K.

    A ring marks each temperature that a seed selected. If there is a single temperature, the laws stand side by side.
    Diverged runs are left out. Each K has its own scale.
    """
    title = _title(runs, "", style.seeds_in_words(runs[~runs["diverged"]], [*CURVE, "temperature"]))
    looks = style.looks(runs["perturbation"], laws)
    with style.applied():
        figure, axes = style.columns_of_K(runs["K"].unique(), title, sharey=False)
        for ax, (_, group) in zip(axes, runs.groupby("K", sort=False), strict=True):
            _plot_validation(ax, group, looks, width=figure.get_figwidth() / len(axes) - 0.8)
        axes[0].set_ylabel(VALIDATION_LABEL)
        ring = Line2D([], [], color="0.4", label="selected by a seed", **RING)
        if runs["temperature"].nunique() > 1:
            style.add_legend(figure, looks, markers=True, others=[ring])
        elif len(looks) > SIDE_BY_SIDE:
            style.add_legend(figure, looks, lines=False, markers=True)
    return figure


def _plot_validation(ax: Axes, runs: pd.DataFrame, looks: style.Looks, *, width: float) -> None:
    """Plot the validation losses of one K on axes of some width in inches."""
    finite = runs[~runs["diverged"]]
    temperatures = runs["temperature"].unique()
    if finite.empty:
        style.say_diverged(ax)
    elif len(temperatures) == 1:
        present = {law: look for law, look in looks.items() if law in set(finite["perturbation"])}
        plot_side_by_side(ax, finite, y="validation_loss", looks=present, named=len(looks) <= SIDE_BY_SIDE)
        ax.set_xlabel(f"noise law, {_how(runs)} temperature {temperatures[0]:g}")
    else:
        on = {"looks": looks, "temperatures": temperatures, "width": width}
        places = plot_against_temperature(ax, finite, y="validation_loss", **on)
        means = finite.groupby(["perturbation", "temperature"])["validation_loss"].mean()
        selected = select_temperatures(runs).dropna(subset="temperature")
        for law, temperature in dict.fromkeys(zip(selected["perturbation"], selected["temperature"], strict=True)):
            ax.plot(places[law, temperature], means[law, temperature], color=looks[law].colour, **RING)
        if is_annealed(runs):
            ax.set_xlabel("temperature at the start")


def _how(runs: pd.DataFrame) -> str:
    return "annealed from" if is_annealed(runs) else "at"


def _seeds_of_curves(shown: pd.DataFrame) -> str:
    """Say how many seeds the curves are over, and that a mean ends where one of them did, see `_until_one_stops`."""
    seeds = style.seeds_in_words(shown, CURVE)
    are_means = (shown.groupby(CURVE)["seed"].nunique() > 1).any()
    return f"{seeds}, until the first stopped early" if are_means and shown["stopped_early"].any() else seeds


def _title(runs: pd.DataFrame, what: str, seeds: str) -> str:
    """Name the dataset, what is shown, K if there is one, the seeds, and the images if they are not the paper's."""
    dataset, origin = runs[["dataset", "data_origin"]].iloc[0]
    of_K = f", $K$ = {runs['K'].iloc[0]}" if runs["K"].nunique() == 1 else ""
    images = "" if origin == PAPER_IMAGES.get(dataset) else f"\n{origin}".replace("$", r"\$")  # no formula
    return f"{dataset}{what}{of_K} · {seeds}{images}"


def _plot_against_epoch(
    axes: Sequence[Axes], shown: pd.DataFrame, loss: str, runs: pd.DataFrame, looks: style.Looks
) -> pd.DataFrame:
    """Plot a loss against epoch, with a column for each K of all runs of the dataset. Return what is shown."""
    finite = _until_one_stops(shown[np.isfinite(shown[loss])])
    for ax, K in zip(axes, runs["K"].unique(), strict=True):
        curves = finite[finite["K"] == K]
        if curves.empty:
            style.say_diverged(ax)
            continue
        last = curves["epoch"].max()
        plot_curves(ax, curves, x="epoch", y=loss, looks=looks, marker="o" if last == 1 else None)
        ax.set(xlabel="epoch", ylabel="", xlim=(1, last) if last > 1 else (0.5, 1.5))
    return finite


def _goals(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.Series:
    """Return the final training loss of Gumbel noise, its mean over seeds, at each K where claim 2 can be judged."""
    law_of = curves["perturbation"].map(paper_laws(law_definitions(runs)))
    judged = curves[law_of.isin(["gumbel", "normal"])].assign(law=law_of).groupby("K")
    judged = judged.filter(lambda group: group["law"].nunique() == 2 and not group["stopped_early"].any())
    final = judged[(judged["law"] == "gumbel") & (judged["epoch"] == judged["epoch"].max())]
    return final.groupby("K")["training_loss"].mean()


def _set_logarithmic_epochs(ax: Axes, curves: pd.DataFrame, best: pd.DataFrame) -> None:
    """Begin where the first curve comes below the upper edge, and end with the last curve or best epoch."""
    drawn = pd.concat([curves, best])
    low, high = _limits_after_the_start(drawn["validation_loss"], drawn["epoch"])
    first, last = curves.loc[curves["validation_loss"] <= high, "epoch"].min(), drawn["epoch"].max()
    ax.set(xscale="log", xlim=(first if first < last else last / 2, last), ylim=(low, high))
    style.spell_decades(ax.xaxis, subs=(1, 3))


def _until_one_stops(curves: pd.DataFrame) -> pd.DataFrame:
    """End each curve where the first of its seeds stopped early, as its mean would jump there."""
    stops = curves["epochs_run"].where(curves["stopped_early"], np.inf)
    return curves[curves["epoch"] <= stops.groupby([curves[axis] for axis in CURVE]).transform("min")]


def _limits_after_the_start(losses: pd.Series, epochs: pd.Series) -> tuple[float, float]:
    """Leave the first epochs' fall out of the picture, as it would flatten all that follows.

    Fewer than ten epochs are shown whole.
    """
    last = epochs.max()
    start = 1 + min(0.1 * (last - 1), max(5, 0.03 * (last - 1))) if last >= 10 else 1
    low, high = losses.min(), losses[epochs >= start].max()
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
