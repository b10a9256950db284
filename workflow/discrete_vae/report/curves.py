"""Figures of losses: against epoch at one temperature or at the selected ones, and against temperature.

Curves and places show the mean over seeds. A band or a bar goes from the lowest seed to the highest.
"""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pandas.core.groupby import SeriesGroupBy

from discrete_vae.analysis.selection import at_nearest_temperature, select_temperatures
from discrete_vae.grid.cells import AXES
from discrete_vae.report import style

TRAINING_LOSS = "training loss,\nrelaxed (nats)"
VALIDATION_LOSS = "validation loss,\ndiscrete (nats)"
CURVE = ["K", "perturbation"]


def draw_convergence(histories: pd.DataFrame, runs: pd.DataFrame, *, dataset: str, temperature: float) -> Figure:
    """Draw one dataset's training loss against epoch at one temperature, a column a K, a colour a noise law."""
    shown = at_nearest_temperature(histories, temperature)
    what = f"{dataset}, temperature {shown['temperature'].iloc[0]:g}"
    title = _title(what, runs, style.seeds_in_words(shown, CURVE))
    return _draw_loss_curves(shown, "training_loss", runs=runs, title=title, label=TRAINING_LOSS)


def draw_validation(histories: pd.DataFrame, runs: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw one dataset's validation loss against epoch at the selected temperatures, with a dot at each best epoch."""
    shown = histories.merge(select_temperatures(runs)[[*AXES, "best_epoch"]], on=list(AXES))
    temperatures = runs["temperature"].unique()
    at = "selected temperatures" if len(temperatures) > 1 else f"temperature {temperatures[0]:g}"
    title = _title(f"{dataset}, {at}", runs, style.seeds_in_words(runs, CURVE))
    figure = _draw_loss_curves(shown, "validation_loss", runs=runs, title=title, label=VALIDATION_LOSS)
    palette = style.colours(runs["perturbation"].unique())
    best = shown[shown["epoch"] == shown["best_epoch"]]
    for ax, K in zip(figure.axes, runs["K"].unique(), strict=True):
        of_K = best[best["K"] == K]
        colour_of = of_K["perturbation"].map(palette)
        ax.scatter(of_K["epoch"], of_K["validation_loss"], s=8, c=colour_of, zorder=3, clip_on=False)
    return figure


def draw_temperatures(runs: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw the validation loss of each best epoch of one dataset against temperature, a column a K, a colour a law.

    If there is a single temperature, the laws stand side by side. Diverged runs are left out.
    """
    title = _title(dataset, runs, style.seeds_in_words(runs, [*CURVE, "temperature"]))
    palette = style.colours(runs["perturbation"].unique())
    with style.applied():
        figure, axes = style.columns_of_K(runs["K"].unique(), title)
        for ax, (_, group) in zip(axes, runs.groupby("K", sort=False), strict=True):
            _plot_against_temperature(ax, group, palette)
        axes[0].set_ylabel(VALIDATION_LOSS)
        if runs["temperature"].nunique() > 1:  # otherwise the axes name the laws
            style.add_legend(figure, palette)
    return figure


def _plot_against_temperature(ax: Axes, runs: pd.DataFrame, palette: style.Palette) -> None:
    finite = runs[~runs["diverged"]]
    if finite.empty:
        style.say_diverged(ax)
    elif runs["temperature"].nunique() == 1:
        plot_side_by_side(ax, finite, y="validation_loss", palette=palette)
        ax.set_xlabel(f"noise law, at temperature {runs['temperature'].iloc[0]:g}")
    else:
        plot_curves(ax, finite, x="temperature", y="validation_loss", palette=palette, marker="o", markersize=4)
        style.set_temperature_axis(ax)


def _title(what: str, runs: pd.DataFrame, seeds: str) -> str:
    return f"{what} · {runs['data_origin'].iloc[0]} · {seeds}"


def _draw_loss_curves(shown: pd.DataFrame, loss: str, *, runs: pd.DataFrame, title: str, label: str) -> Figure:
    """Draw a loss against epoch, with the columns and colours of all runs of the dataset."""
    finite = _until_one_stops(shown[np.isfinite(shown[loss])], runs)
    categories = runs["K"].unique()
    palette = style.colours(runs["perturbation"].unique())
    with style.applied():
        figure, axes = style.columns_of_K(categories, title)
        for ax, K in zip(axes, categories, strict=True):
            curves = finite[finite["K"] == K]
            if curves.empty:
                style.say_diverged(ax)
                continue
            plot_curves(ax, curves, x="epoch", y=loss, palette=palette)
            ax.set(xlabel="epoch", ylabel="", xlim=(1 if curves["epoch"].max() > 1 else 0, curves["epoch"].max()))
            ax.set_ylim(*_limits_after_the_start(curves, loss))
        axes[0].set_ylabel(label)
        style.add_legend(figure, palette)
    return figure


def _until_one_stops(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """End each curve where the first of its seeds stopped early, as its mean would jump there."""
    stopped = runs.loc[runs["stopped_early"], [*AXES, "epochs_run"]]
    ends = curves[list(AXES)].drop_duplicates().merge(stopped, on=list(AXES)).groupby(CURVE)["epochs_run"].min()
    end = curves[CURVE].merge(ends.reset_index(), on=CURVE, how="left")["epochs_run"].fillna(np.inf)
    return curves[curves["epoch"].to_numpy() <= end.to_numpy()]


def _limits_after_the_start(curves: pd.DataFrame, loss: str) -> tuple[float, float]:
    """Leave the first epochs' fall out of the picture, as it would flatten all that follows."""
    epochs = curves["epoch"].max() - 1
    start = 1 + min(0.1 * epochs, max(5, 0.03 * epochs))
    shown = curves.loc[curves["epoch"] >= start, loss]
    margin = 0.04 * (shown.max() - shown.min()) or 1.0
    return shown.min() - margin, shown.max() + margin


def plot_curves(ax: Axes, table: pd.DataFrame, *, x: str, y: str, palette: style.Palette, **line: object) -> None:
    """Plot one curve a noise law, the mean with a band."""
    laws = {"hue": "perturbation", "palette": palette, "style": "perturbation", "dashes": style.dashes(palette)}
    band = {"errorbar": ("pi", 100), "err_kws": {"linewidth": 0, "alpha": 0.2}}
    sns.lineplot(table, x=x, y=y, ax=ax, legend=False, **laws, **{"markeredgecolor": None, **band, **line})
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_locator(MaxNLocator(6))


def plot_side_by_side(
    ax: Axes, table: pd.DataFrame, *, y: str, palette: style.Palette, markers: style.Strings = style.NONE
) -> None:
    """Plot one place a noise law, the mean with a bar."""
    for place, (law, colour) in enumerate(palette.items()):
        values = table.loc[table["perturbation"] == law, y]
        plot_mean_and_range(ax, place, values, color=colour, marker=markers.get(law, "o"))
    ax.set(xticks=range(len(palette)), xticklabels=palette, xlim=(-0.5, len(palette) - 0.5))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    if len(palette) > 3:
        ax.tick_params(axis="x", rotation=90)


def plot_mean_and_range(ax: Axes, x: float, values: pd.Series, **marker: object) -> None:
    """Plot the mean of the known values with a bar, if any is known: a logarithmic axis fails without one."""
    if values.notna().any():
        mean, (below, above) = mean_and_range(values)
        ax.errorbar(x, mean, [[below], [above]], markersize=3, **marker)


def mean_and_range(values: pd.Series | SeriesGroupBy) -> tuple[float | pd.Series, tuple[float | pd.Series, ...]]:
    """Return the mean over seeds, and how far the lowest and the highest value lie from it."""
    mean = values.mean()
    return mean, (mean - values.min(), values.max() - mean)
