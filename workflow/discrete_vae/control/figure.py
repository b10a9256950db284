"""The control's figure: losses and gradients against the variance of the noise."""

import itertools

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from discrete_vae.control.comparison import CONTROL_MEASURES, laws_by_variance
from discrete_vae.report import style
from discrete_vae.report.curves import CURVE, mean_and_range, plot_curves, plot_mean_and_range, plot_side_by_side

MARKERS = "osD^v<>"
SMALL = {"markersize": 3.5, "markeredgewidth": 0}


def draw_control(losses: pd.DataFrame, gradients: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw one dataset's losses against the variance of the noise, and the gradients of small models.

    ``losses`` are of `comparison.losses_of_laws`, ``gradients`` of `gradients.measure_gradients`.
    """
    variances = gradients.groupby("perturbation", sort=False)["noise_variance"].first()
    palette = style.colours(list(variances.index))
    markers = dict(zip(palette, itertools.cycle(MARKERS), strict=False))
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 8), layout="constrained")
        models, small_models = figure.subfigures(2, 1, height_ratios=(12, 4))
        seeds = style.seeds_in_words(losses, CURVE)
        models.suptitle(f"{dataset}, losses of each noise law · {seeds}", fontsize=style.TITLE_SIZE)
        _plot_losses(models, losses, variances, palette, markers)
        seeds = style.seeds_in_words(gradients, ["perturbation", "temperature"])
        small_models.suptitle(f"relaxed against exact gradient, on small models · {seeds}", fontsize=style.TITLE_SIZE)
        _plot_gradients(small_models, gradients, palette, markers)
        style.add_legend(figure, palette, markers=markers)
    return figure


def _plot_losses(
    figure: SubFigure, losses: pd.DataFrame, variances: pd.Series, palette: style.Palette, markers: style.Strings
) -> None:
    """Plot a column for each K and a row for each measure. Laws of one variance stand beside each other."""
    levels = laws_by_variance(variances)
    places = {
        law: level + 0.1 * (i - (len(laws) - 1) / 2) for level, laws in enumerate(levels) for i, law in enumerate(laws)
    }
    labels = [f"{variances[laws[0]]:.3g}" for laws in levels]
    categories = losses["K"].unique()
    axes = figure.subplots(len(CONTROL_MEASURES), len(categories), sharex=True, squeeze=False)
    for row, (column, measure) in zip(axes, CONTROL_MEASURES.items(), strict=True):
        row[0].set_ylabel(f"{measure}\n(nats)")
        for ax, K in zip(row, categories, strict=True):
            of_K = losses[losses["K"] == K]
            for law, place in places.items():
                values = of_K.loc[of_K["perturbation"] == law, column]
                plot_mean_and_range(ax, place, values, color=palette[law], marker=markers[law])
            ax.set(xticks=range(len(levels)), xticklabels=labels, xlim=(-0.5, len(levels) - 0.5))
    for ax, K in zip(axes[0], categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    for ax in axes[-1]:
        ax.set_xlabel("variance of the noise")


def _plot_gradients(figure: SubFigure, gradients: pd.DataFrame, palette: style.Palette, markers: style.Strings) -> None:
    by_variance, by_bias, tradeoff = figure.subplots(1, 3)
    temperatures = gradients["temperature"].unique()
    for ax, column in ((by_variance, "relative_variance"), (by_bias, "relative_bias")):
        if len(temperatures) == 1:
            plot_side_by_side(ax, gradients, y=column, palette=palette, markers=markers)
            ax.set(xticks=[], xlabel=f"noise law, at temperature {temperatures[0]:g}")  # the legend names them
        else:
            plot_curves(ax, gradients, x="temperature", y=column, palette=palette, markers=markers, **SMALL)
            style.set_temperature_axis(ax)
    by_variance.set(yscale="log", ylabel="relative variance")
    by_bias.set_ylabel("relative bias")
    _plot_tradeoff(tradeoff, gradients, palette, markers)
    for axis in (by_variance.yaxis, tradeoff.xaxis):
        style.spell_decades(axis)


def _plot_tradeoff(ax: Axes, gradients: pd.DataFrame, palette: style.Palette, markers: style.Strings) -> None:
    """Plot bias against variance, one marker a noise law and temperature."""
    for law, colour in palette.items():
        models = gradients[gradients["perturbation"] == law].groupby("temperature")
        variance, ranges_of_variance = mean_and_range(models["relative_variance"])
        bias, ranges_of_bias = mean_and_range(models["relative_bias"])
        marker = {"color": colour, "marker": markers[law], "linestyle": "", "elinewidth": 0.6, **SMALL}
        ax.errorbar(variance, bias, xerr=ranges_of_variance, yerr=ranges_of_bias, **marker)
    ax.set(xscale="log", xlabel="relative variance", ylabel="relative bias")
