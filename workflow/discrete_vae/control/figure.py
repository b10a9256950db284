"""The control's figure: losses and gradients against the variance of the noise."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from discrete_vae.control.comparison import CONTROL_MEASURES, Definition, with_design
from discrete_vae.grid.measures import MEASURES
from discrete_vae.report import style
from discrete_vae.report.curves import CURVE
from discrete_vae.report.means import mean_and_range, plot_against_temperature, plot_mean_and_range, plot_side_by_side

SMALL = {"markersize": 3.5, "markeredgewidth": 0}
COUNT = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 5.5, "color": "0.4"}


def draw_control(
    losses: pd.DataFrame,
    gradients: pd.DataFrame,
    definitions: Mapping[str, Definition],
    *,
    laws: Sequence[str],
) -> Figure:
    """Draw one dataset's losses against the variance of the noise, and the gradients of small models.

    A small number at a point counts its seeds where others have more. Each K with all four laws of the control's design
    is drawn. If there is none, all K are drawn.

    Args:
        losses, gradients: of `comparison.losses_of_laws` and `gradients.measure_gradients`.
        definitions: of the noise laws by name.
        laws: all noise laws of the study; a law's place among them decides its look.
    """
    complete = with_design(losses, definitions)
    losses = losses if complete.empty else complete
    measured = gradients.groupby("perturbation", sort=False)["noise_variance"].first()
    variances = measured.reindex(list(dict.fromkeys([*measured.index, *losses["perturbation"]])))
    looks = style.looks(variances.index, laws)
    rows = losses["K"].nunique()
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 2.7 + 1.9 * rows), layout="constrained")
        models, small_models = figure.subfigures(2, 1, height_ratios=(rows, 1.1))
        seeds = style.seeds_in_words(losses, CURVE)
        style.set_title(models, f"{losses['dataset'].iloc[0]}, losses of each noise law (nats) · {seeds}")
        at = " and ".join(f"{temperature:g}" for temperature in losses["training_temperature"].dropna().unique())
        titles = {**CONTROL_MEASURES, "final_training_loss": f"final training loss,\nat temperature {at}"}
        _plot_losses(models, losses, variances, looks, titles)
        known = gradients.dropna(subset="relative_bias")
        seeds = style.seeds_in_words(known, ["perturbation", "temperature"])
        style.set_title(small_models, f"relaxed against exact gradient, on small models · {seeds}")
        _plot_gradients(small_models, gradients, {law: looks[law] for law in measured.index})
        style.add_legend(figure, looks, lines=gradients["temperature"].nunique() > 1, markers=True)
    return figure


def _plot_losses(
    figure: SubFigure, losses: pd.DataFrame, variances: pd.Series, looks: style.Looks, titles: Mapping[str, str]
) -> None:
    """Plot a row for each K and a column for each measure, by its title. Laws of one variance stand beside each other.

    The test losses share their axis.
    """
    levels = _laws_by_variance(variances[variances.index.isin(losses["perturbation"])])
    places = {
        law: level + 0.2 * (i - (len(laws) - 1) / 2) for level, laws in enumerate(levels) for i, law in enumerate(laws)
    }
    of_levels = [variances[laws[0]] for laws in levels]
    labels = [f"{variance:.3g}" if np.isfinite(variance) else "unknown" for variance in of_levels]
    of_K = losses.groupby("K", sort=False)
    axes = figure.subplots(len(of_K), len(titles), sharex=True, squeeze=False)
    for row in axes:
        _share_test_losses(row)
    for row, (K, group) in zip(axes, of_K, strict=True):
        row[0].set_ylabel(f"nats, $K$ = {K}")
        for ax, column in zip(row, titles, strict=True):
            for law, place in places.items():
                values = group.loc[group["perturbation"] == law, column]
                plot_mean_and_range(ax, place, values, color=looks[law].colour, marker=looks[law].marker)
                _print_count(ax, place, values, of=losses["seed"].nunique())
            ax.set(xticks=range(len(levels)), xticklabels=labels, xlim=(-0.6, len(levels) - 0.3))
    for ax, title in zip(axes[0], titles.values(), strict=True):
        ax.set_title(title)
    for ax in axes[-1]:
        ax.set_xlabel("variance of the noise")


def _share_test_losses(row: Sequence[Axes]) -> None:
    first, *others = [ax for ax, column in zip(row, CONTROL_MEASURES, strict=True) if column in MEASURES]
    for ax in others:
        ax.sharey(first)
        ax.tick_params(labelleft=False)


def _laws_by_variance(variances: pd.Series) -> list[list[str]]:
    """Group noise laws of equal variance, to a thousandth, the narrowest first. Unknown variances come last."""
    groups: list[list[str]] = []
    for law, variance in variances.sort_values(kind="stable").items():
        if groups and np.isclose(variance, variances[groups[-1][0]], rtol=1e-3, equal_nan=True):
            groups[-1].append(law)
        else:
            groups.append([law])
    return groups


def _print_count(ax: Axes, x: float, values: pd.Series, *, of: int) -> None:
    """Print the number of seeds beside a mean, if there are fewer than others have."""
    if 0 < values.count() < of:
        ax.annotate(str(values.count()), (x, values.mean()), **COUNT)


def _plot_gradients(figure: SubFigure, gradients: pd.DataFrame, looks: style.Looks) -> None:
    by_variance, by_bias, tradeoff = figure.subplots(1, 3)
    tradeoff.sharey(by_bias)
    temperatures = gradients["temperature"].unique()
    on = {"looks": looks, "temperatures": temperatures, "width": style.PAGE_WIDTH / 3 - 0.8}
    for ax, column in ((by_variance, "relative_variance"), (by_bias, "relative_bias")):
        if len(temperatures) == 1:
            plot_side_by_side(ax, gradients, y=column, looks=looks)
            for place, law in enumerate(looks):
                values = gradients.loc[gradients["perturbation"] == law, column]
                _print_count(ax, place, values, of=gradients["seed"].nunique())
            ax.set_xlabel(f"noise law, at temperature {temperatures[0]:g}")
        else:
            plot_against_temperature(ax, gradients, y=column, **on)
    by_variance.set(yscale="log", ylabel="relative variance")
    for ax in (by_bias, tradeoff):
        ax.set_ylabel("relative bias")
    _plot_tradeoff(tradeoff, gradients, looks)
    for axis in (by_variance.yaxis, tradeoff.xaxis):
        style.spell_decades(axis)


def _plot_tradeoff(ax: Axes, gradients: pd.DataFrame, looks: style.Looks) -> None:
    """Plot bias against variance, one marker a noise law and temperature."""
    for law, look in looks.items():
        models = gradients[gradients["perturbation"] == law].groupby("temperature")
        variance, ranges_of_variance = mean_and_range(models["relative_variance"])
        bias, ranges_of_bias = mean_and_range(models["relative_bias"])
        marker = {"color": look.colour, "marker": look.marker, "linestyle": "", "elinewidth": 0.6, **SMALL}
        ax.errorbar(variance, bias, xerr=ranges_of_variance, yerr=ranges_of_bias, **marker)
    ax.set(xscale="log", xlabel="relative variance")
    ax.tick_params(labelleft=False)
