"""The figures of the paper, drawn from the gathered CSV files."""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from pandas.core.groupby import SeriesGroupBy

from discrete_vae.analysis.selection import at_nearest_temperature, select_temperatures
from discrete_vae.control.comparison import CONTROL_MEASURES, laws_by_variance
from discrete_vae.files import write_bytes
from discrete_vae.grid.cells import AXES
from discrete_vae.report.notes import extent

PAGE_WIDTH = 6.75  # inches: two columns of a conference paper
# Beside the colours, for print in grey and for curves that coincide.
DASHES = ("", (4, 1.2), (1.2, 1.2), (4, 1.2, 1.2, 1.2), (6, 1.2, 1.2, 1.2, 1.2, 1.2), (2.5, 1), (6, 2.5))
MARKERS = "osD^v<>"
TRAINING_LOSS = "training loss,\nrelaxed (nats)"
VALIDATION_LOSS = "validation loss,\ndiscrete (nats)"
RANGE = ("pi", 100)  # the band over seeds: from the lowest to the highest
CURVE = ("K", "perturbation")

Palette = Mapping[str, tuple[float, float, float]]

STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.color": "0.9",
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "pdf.fonttype": 42,  # TrueType, which conference systems accept
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the figures, whatever the user's matplotlibrc."""
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg"}), mpl.rc_context(STYLE):
        yield


def save(figure: Figure, paths: Iterable[str]) -> None:
    """Write a figure whole to each path, in the format of its suffix, with no date inside: the same bits each time."""
    for path in paths:
        suffix = Path(path).suffix
        metadata = {"CreationDate": None} if suffix == ".pdf" else {}
        buffer = io.BytesIO()  # on a full disk Matplotlib's own files fail with more than that error
        figure.savefig(buffer, format=suffix[1:], dpi=300, bbox_inches="tight", pad_inches=0.02, metadata=metadata)
        write_bytes(path, buffer.getvalue())


def colours(perturbations: Sequence[str]) -> Palette:
    """Give each perturbation, in the order of the grid, a colour that colour-blind readers can tell apart."""
    return dict(zip(perturbations, sns.color_palette("colorblind", len(perturbations)), strict=True))


def draw_convergence(histories: pd.DataFrame, runs: pd.DataFrame, *, dataset: str, temperature: float) -> Figure:
    """Draw training loss against epoch, one column per K, one colour per noise law, the range over seeds as a band.

    Args:
        histories, runs: see `selection.gather_histories` and `selection.gather_summaries`, for one dataset.
        dataset: its name.
        temperature: temperature wanted; the nearest one in the histories is drawn.
    """
    shown = at_nearest_temperature(histories, temperature)
    origin = runs["data_origin"].iloc[0]
    title = f"{dataset}, temperature {shown['temperature'].iloc[0]:g} · {origin} · {_seeds(shown, CURVE)}"
    return _draw_loss_curves(shown, "training_loss", runs=runs, title=title, label=TRAINING_LOSS)


def draw_validation(histories: pd.DataFrame, runs: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw validation loss against epoch at the selected temperatures, with a dot at the best epoch of each run.

    Args:
        histories, runs: see `selection.gather_histories` and `selection.gather_summaries`, for one dataset.
        dataset: its name.
    """
    shown = histories.merge(select_temperatures(runs)[[*AXES, "best_epoch"]], on=list(AXES))
    temperatures = runs["temperature"].unique()
    at = "selected temperatures" if len(temperatures) > 1 else f"temperature {temperatures[0]:g}"
    title = f"{dataset}, {at} · {runs['data_origin'].iloc[0]} · {_seeds(runs, CURVE)}"
    figure = _draw_loss_curves(shown, "validation_loss", runs=runs, title=title, label=VALIDATION_LOSS)
    palette = colours(runs["perturbation"].unique())
    best = shown[shown["epoch"] == shown["best_epoch"]]
    for ax, K in zip(figure.axes, runs["K"].unique(), strict=True):
        of_K = best[best["K"] == K]
        colour_of = of_K["perturbation"].map(palette)
        ax.scatter(of_K["epoch"], of_K["validation_loss"], s=8, c=colour_of, zorder=3, clip_on=False)
    return figure


def _draw_loss_curves(shown: pd.DataFrame, loss: str, *, runs: pd.DataFrame, title: str, label: str) -> Figure:
    """Draw the curves shown of a loss, with the columns and colours of all runs of the dataset."""
    finite = _until_one_stops(shown[np.isfinite(shown[loss])], runs)
    categories = runs["K"].unique()
    with style():
        figure, axes = _columns_of_K(categories, title)
        palette = colours(runs["perturbation"].unique())
        for ax, K in zip(axes, categories, strict=True):
            curves = finite[finite["K"] == K]
            if curves.empty:
                _say_diverged(ax)
                continue
            _plot_curves(ax, curves, x="epoch", y=loss, palette=palette)
            ax.set(xlabel="epoch", ylabel="", xlim=(1 if curves["epoch"].max() > 1 else 0, curves["epoch"].max()))
            ax.set_ylim(*_limits_after_the_start(curves, loss))
        axes[0].set_ylabel(label)
        _legend(figure, palette)
    return figure


def _until_one_stops(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """End each curve where the first of its seeds stopped early, as its mean would jump there."""
    stopped = runs.loc[runs["stopped_early"], [*AXES, "epochs_run"]]
    ends = curves[list(AXES)].drop_duplicates().merge(stopped, on=list(AXES)).groupby(list(CURVE))["epochs_run"].min()
    end = curves[list(CURVE)].merge(ends.reset_index(), on=list(CURVE), how="left")["epochs_run"].fillna(np.inf)
    return curves[curves["epoch"].to_numpy() <= end.to_numpy()]


def _limits_after_the_start(curves: pd.DataFrame, loss: str) -> tuple[float, float]:
    """Leave the first epochs' fall out of the picture, as it would flatten all that follows."""
    epochs = curves["epoch"].max() - 1
    start = 1 + min(0.1 * epochs, max(5, 0.03 * epochs))
    shown = curves.loc[curves["epoch"] >= start, loss]
    margin = 0.04 * (shown.max() - shown.min()) or 1.0
    return shown.min() - margin, shown.max() + margin


def draw_temperatures(runs: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw the validation loss of each run's best epoch against temperature, one column per K, one colour per law.

    Where a single temperature was run, the laws stand side by side.

    Args:
        runs: summaries of runs, see `selection.gather_summaries`, for one dataset; diverged runs are left out.
        dataset: its name.
    """
    with style():
        seeds = _seeds(runs, [*CURVE, "temperature"])
        title = f"{dataset} · {runs['data_origin'].iloc[0]} · {seeds}"
        figure, axes = _columns_of_K(runs["K"].unique(), title)
        palette = colours(runs["perturbation"].unique())
        for ax, (_, group) in zip(axes, runs.groupby("K", sort=False), strict=True):
            finite = group[~group["diverged"]]
            if finite.empty:
                _say_diverged(ax)
            elif group["temperature"].nunique() == 1:
                _plot_side_by_side(ax, finite, y="validation_loss", palette=palette)
                ax.set_xlabel(f"noise law, at temperature {group['temperature'].iloc[0]:g}")
            else:
                _plot_curves(
                    ax, finite, x="temperature", y="validation_loss", palette=palette, marker="o", markersize=4
                )
                _set_temperature_axis(ax)
        axes[0].set_ylabel(VALIDATION_LOSS)
        if runs["temperature"].nunique() > 1:  # otherwise the axes name the laws
            _legend(figure, palette)
    return figure


def draw_fits(fits: pd.DataFrame, *, target: str) -> Figure:
    """Draw the errors of fits to a target: along the fit at three temperatures, and after its last step against all.

    Args:
        fits: what `fitting.fit` returns for each noise law, with the column ``perturbation``.
        target: in words.
    """
    temperatures = sorted(fits["temperature"].unique())
    shown = sorted({temperatures[0], temperatures[len(temperatures) // 2], temperatures[-1]})
    last = fits[fits["step"] == fits["step"].max()]
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.3), layout="constrained")
        *along, final = figure.subplots(1, len(shown) + 1, sharey=True, squeeze=False)[0]
        palette = colours(fits["perturbation"].unique())
        for ax, temperature in zip(along, shown, strict=True):
            curves = fits[fits["temperature"] == temperature]
            _plot_curves(ax, curves, x="step", y="discrete_error", palette=palette)
            ax.set(title=f"temperature {temperature:g}", xlabel="step", xlim=(0, fits["step"].max()))
        for error, fill in (("discrete_error", "full"), ("relaxed_error", "none")):
            markers = {"marker": "o", "markersize": 2.5, "fillstyle": fill}
            _plot_curves(final, last, x="temperature", y=error, palette=palette, **markers)
        final.set_title(f"after {fits['step'].max()} steps")
        _set_temperature_axis(final)
        means = fits.groupby(["perturbation", "temperature", "step"])[["discrete_error", "relaxed_error"]].mean()
        along[0].set(yscale="log", ylabel="total variation distance")
        # A single fit may pass the target by chance, far below all curves.
        along[0].set_ylim(bottom=np.nan_to_num(means.min(axis=None)) / 2 or None)
        _spell_decades(along[0].yaxis)
        figure.suptitle(f"{target} · {_seeds(fits, ['perturbation'])}", fontsize=7.5)
        _legend(figure, palette, fills={"codes": "full", "mean relaxed sample": "none"})
    return figure


def draw_images(images: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Draw reconstructions of test images and samples from the prior, one row per noise law.

    Args:
        images: ``data`` (images x height x width), and for each perturbation ``{name}/reconstructions`` and
            ``{name}/samples`` of the same shape, all gray values from 0 to 255. Empty where no model was evaluated.
        title: of the figure.
    """
    if not images:
        return _say_not_evaluated(title)
    perturbations = [name.removesuffix("/samples") for name in images if name.endswith("/samples")]
    columns = {
        "test images and reconstructions": {
            "data": images["data"],
            **{name: images[f"{name}/reconstructions"] for name in perturbations},
        },
        "samples from the prior": {name: images[f"{name}/samples"] for name in perturbations},
    }
    rows = len(perturbations) + 1
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 0.25 + 0.35 * rows), layout="constrained")
        axes = figure.subplots(1, 2)
        for ax, (heading, strips) in zip(axes, columns.items(), strict=True):
            _draw_strips(ax, strips, rows)
            ax.set_title(heading)
        figure.suptitle(title, fontsize=7.5)
    return figure


def draw_control(losses: pd.DataFrame, gradients: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw losses against the variance of the noise, and the gradients of small models.

    Args:
        losses: what `control.losses_of_laws` returns, for one dataset.
        gradients: what `gradients.measure_gradients` returns, for the dataset.
        dataset: its name.
    """
    variances = gradients.groupby("perturbation", sort=False)["noise_variance"].first()
    palette = colours(list(variances.index))
    markers = dict(zip(palette, itertools.cycle(MARKERS), strict=False))
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 8), layout="constrained")
        models, small_models = figure.subfigures(2, 1, height_ratios=(12, 4))
        models.suptitle(f"{dataset}, losses of each noise law · {_seeds(losses, CURVE)}", fontsize=7.5)
        _plot_losses_against_variance(models, losses, variances, palette, markers)
        seeds = _seeds(gradients, ["perturbation", "temperature"])
        small_models.suptitle(f"relaxed against exact gradient, on small models · {seeds}", fontsize=7.5)
        _plot_gradients(small_models, gradients, palette, markers)
        _legend(figure, palette, markers=markers)
    return figure


def _plot_losses_against_variance(
    figure: SubFigure, losses: pd.DataFrame, variances: pd.Series, palette: Palette, markers: Mapping[str, str]
) -> None:
    """Plot a column for each K and a row for each measure; laws of one variance stand beside each other."""
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
                _plot_mean_and_range(ax, place, values, color=palette[law], marker=markers[law])
            ax.set(xticks=range(len(levels)), xticklabels=labels, xlim=(-0.5, len(levels) - 0.5))
    for ax, K in zip(axes[0], categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    for ax in axes[-1]:
        ax.set_xlabel("variance of the noise")


def _plot_gradients(figure: SubFigure, gradients: pd.DataFrame, palette: Palette, markers: Mapping[str, str]) -> None:
    by_variance, by_bias, tradeoff = figure.subplots(1, 3)
    lines = {"markersize": 3.5, "markeredgewidth": 0}
    temperatures = gradients["temperature"].unique()
    for ax, column in ((by_variance, "relative_variance"), (by_bias, "relative_bias")):
        if len(temperatures) == 1:
            _plot_side_by_side(ax, gradients, y=column, palette=palette, markers=markers)
            ax.set(xticks=[], xlabel=f"noise law, at temperature {temperatures[0]:g}")  # the legend names them
        else:
            _plot_curves(ax, gradients, x="temperature", y=column, palette=palette, markers=markers, **lines)
            _set_temperature_axis(ax)
    by_variance.set(yscale="log", ylabel="relative variance")
    by_bias.set_ylabel("relative bias")
    for law, colour in palette.items():
        models = gradients[gradients["perturbation"] == law].groupby("temperature")
        variance, ranges_of_variance = _mean_and_range(models["relative_variance"])
        bias, ranges_of_bias = _mean_and_range(models["relative_bias"])
        marker = {"color": colour, "marker": markers[law], "linestyle": "", "elinewidth": 0.6, **lines}
        tradeoff.errorbar(variance, bias, xerr=ranges_of_variance, yerr=ranges_of_bias, **marker)
    tradeoff.set(xscale="log", xlabel="relative variance", ylabel="relative bias")
    for axis in (by_variance.yaxis, tradeoff.xaxis):
        _spell_decades(axis)


def _set_temperature_axis(ax: Axes) -> None:
    ax.set(xscale="log", xlabel="temperature", ylabel="")
    ax.xaxis.set_major_formatter("{x:g}")


def _spell_decades(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, of which even part of a decade has some."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _draw_strips(ax: Axes, strips: Mapping[str, np.ndarray], rows: int) -> None:
    """Draw one labelled row of images for each strip, aligned at the bottom of the given number of rows."""
    if not strips:
        _say_diverged(ax)
        ax.set_axis_off()
        return
    count, height, width = next(iter(strips.values())).shape
    gap = max(1, height // 14)
    canvas = np.full((rows * (height + gap), count * (width + gap)), 255, dtype=np.uint8)
    first = rows - len(strips)
    for row, strip in enumerate(strips.values(), start=first):
        for column, image in enumerate(strip):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = 255 - image
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([(row + 0.5) * (height + gap) for row in range(first, rows)], list(strips))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _plot_curves(ax: Axes, table: pd.DataFrame, *, x: str, y: str, palette: Palette, **line: object) -> None:
    """Plot one curve per noise law, the mean over seeds with their range as a band."""
    laws = {"hue": "perturbation", "palette": palette, "style": "perturbation", "dashes": _dashes(palette)}
    band = {"errorbar": RANGE, "err_kws": {"linewidth": 0, "alpha": 0.2}}
    sns.lineplot(table, x=x, y=y, ax=ax, legend=False, **laws, **{"markeredgecolor": None, **band, **line})
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_locator(MaxNLocator(6))


def _dashes(laws: Iterable[str]) -> dict[str, tuple[float, ...] | str]:
    return dict(zip(laws, itertools.cycle(DASHES), strict=False))


def _plot_side_by_side(
    ax: Axes, table: pd.DataFrame, *, y: str, palette: Palette, markers: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Plot the mean over seeds of each noise law with their range as a bar."""
    for place, (law, colour) in enumerate(palette.items()):
        values = table.loc[table["perturbation"] == law, y]
        _plot_mean_and_range(ax, place, values, color=colour, marker=markers.get(law, "o"))
    ax.set(xticks=range(len(palette)), xticklabels=palette, xlim=(-0.5, len(palette) - 0.5))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    if len(palette) > 3:
        ax.tick_params(axis="x", rotation=90)


def _plot_mean_and_range(ax: Axes, x: float, values: pd.Series, **marker: object) -> None:
    """Plot the mean and range of the values that are known, if any; a logarithmic axis fails on missing ones alone."""
    if values.notna().any():
        mean, (below, above) = _mean_and_range(values)
        ax.errorbar(x, mean, [[below], [above]], markersize=3, **marker)


def _mean_and_range(values: pd.Series | SeriesGroupBy) -> tuple[float | pd.Series, tuple[float | pd.Series, ...]]:
    """Return the mean over seeds, and how far the lowest and the highest value lie from it."""
    mean = values.mean()
    return mean, (mean - values.min(), values.max() - mean)


def _say_not_evaluated(title: str) -> Figure:
    """Draw an empty figure, for results that are older than its pictures."""
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 1), layout="constrained")
        figure.suptitle(title, fontsize=7.5)
        figure.text(0.5, 0.4, "not evaluated", ha="center")
    return figure


def _say_diverged(ax: Axes) -> None:
    ax.text(0.5, 0.5, "diverged", ha="center", transform=ax.transAxes)


def _columns_of_K(categories: Sequence[int], title: str) -> tuple[Figure, Sequence[Axes]]:
    width = PAGE_WIDTH if len(categories) > 1 else 0.7 * PAGE_WIDTH
    figure = Figure(figsize=(width, 2.3), layout="constrained")
    axes = figure.subplots(1, len(categories), squeeze=False)[0]
    for ax, K in zip(axes, categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    figure.suptitle(title, fontsize=7.5)
    return figure, axes


def _seeds(table: pd.DataFrame, of: Sequence[str]) -> str:
    """Say over how many seeds the means are that a figure shows, one for each combination of the axes `of`."""
    counts = table.groupby(list(of))["seed"].nunique()
    return "one seed" if counts.max() == 1 else f"mean and range over {extent(counts)} seeds"


def _legend(
    figure: Figure,
    palette: Palette,
    *,
    markers: Mapping[str, str] = MappingProxyType({}),
    fills: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Name the noise laws below the figure, and what a filled or an open marker stands for."""
    handles = []
    for law, dashes in _dashes(palette).items():
        handle = mpl.lines.Line2D([], [], color=palette[law], marker=markers.get(law), markersize=4, label=law)
        handle.set_dashes(dashes or (None, None))
        handles.append(handle)
    for name, fill in fills.items():
        handles.append(mpl.lines.Line2D([], [], color="0.4", marker="o", fillstyle=fill, label=name))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), frameon=False)
