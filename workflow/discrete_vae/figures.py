"""The figures of the paper, drawn from the gathered CSV files."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from discrete_vae.cells import AXES
from discrete_vae.files import write_bytes
from discrete_vae.measures import MEASURES
from discrete_vae.selection import at_nearest_temperature, select_temperatures

PAGE_WIDTH = 6.75  # inches: two columns of a conference paper
MARKERS = "osD^v<>"
RANGE = ("pi", 100)  # the band over seeds: from the lowest to the highest

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


def colours(perturbations: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Give each perturbation, in the order of the grid, a colour that colour-blind readers can tell apart."""
    return dict(zip(perturbations, sns.color_palette("colorblind", len(perturbations)), strict=True))


def draw_convergence(histories: pd.DataFrame, *, dataset: str, origin: str, temperature: float) -> Figure:
    """Draw training loss against epoch, one column per K, one colour per noise law, the range over seeds as a band.

    Args:
        histories: what `selection.gather_histories` returns, for one dataset.
        dataset: its name.
        origin: where its images come from.
        temperature: temperature wanted; the nearest one in the histories is drawn.
    """
    shown = at_nearest_temperature(histories, temperature)
    title = f"{dataset}, temperature {shown['temperature'].iloc[0]:g} · {origin} · {_seeds(shown)}"
    return _draw_loss_curves(shown, "training", runs=histories, title=title)


def draw_validation(histories: pd.DataFrame, runs: pd.DataFrame, *, dataset: str, origin: str) -> Figure:
    """Draw validation loss against epoch at the selected temperatures, as `draw_convergence` does the training loss.

    Args:
        histories, runs: what `selection.gather_histories` and `selection.gather_summaries` return, for one dataset.
        dataset: its name.
        origin: where its images come from.
    """
    shown = histories.merge(select_temperatures(runs)[list(AXES)], on=list(AXES))
    title = f"{dataset}, selected temperatures · {origin} · {_seeds(runs)}"
    return _draw_loss_curves(shown, "validation", runs=runs, title=title)


def _draw_loss_curves(shown: pd.DataFrame, split: str, *, runs: pd.DataFrame, title: str) -> Figure:
    """Draw the curves shown, with the columns and colours of all runs of the dataset."""
    loss = f"{split}_loss"
    finite = shown[np.isfinite(shown[loss])]
    categories = runs["K"].unique()
    with style():
        figure, axes = _columns_of_K(categories, title)
        palette = colours(runs["perturbation"].unique())
        for ax, K in zip(axes, categories, strict=True):
            curves = finite[finite["K"] == K]
            if curves.empty:
                ax.text(0.5, 0.5, "diverged", ha="center", transform=ax.transAxes)
                continue
            _plot_curves(ax, curves, x="epoch", y=loss, palette=palette)
            ax.set(xlabel="epoch", ylabel="", xlim=(1 if curves["epoch"].max() > 1 else 0, curves["epoch"].max()))
            ax.set_ylim(*_limits_after_the_start(curves, loss))
        axes[0].set_ylabel(f"{split} loss (nats)")
        _legend(figure, palette)
    return figure


def _limits_after_the_start(curves: pd.DataFrame, loss: str) -> tuple[float, float]:
    """Leave the first epochs' fall out of the picture, as it would flatten all that follows."""
    epochs = curves["epoch"].max() - 1
    start = 1 + min(0.1 * epochs, max(5, 0.03 * epochs))
    shown = curves.loc[curves["epoch"] >= start, loss]
    margin = 0.04 * (shown.max() - shown.min()) or 1.0
    return shown.min() - margin, shown.max() + margin


def draw_temperatures(runs: pd.DataFrame, *, dataset: str, origin: str) -> Figure:
    """Draw the validation loss of each run's best epoch against temperature, one column per K, one colour per law.

    Args:
        runs: what `selection.gather_summaries` returns, for one dataset; diverged runs are left out.
        dataset: its name.
        origin: where its images come from.
    """
    with style():
        figure, axes = _columns_of_K(runs["K"].unique(), f"{dataset} · {origin} · {_seeds(runs)}")
        palette = colours(runs["perturbation"].unique())
        for ax, (_, group) in zip(axes, runs.groupby("K", sort=False), strict=True):
            finite = group[~group["diverged"].astype(bool)]
            markers = {"marker": "o", "markersize": 4, "markeredgewidth": 0}
            _plot_curves(ax, finite, x="temperature", y="validation_loss", palette=palette, **markers)
            ax.set(xscale="log", xlabel="temperature", ylabel="")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes[0].set_ylabel("validation loss (nats)")
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
        # Laws with equal tails coincide at many categories: a thinner curve leaves the one under it to be seen.
        widths = {"size": "perturbation", "sizes": dict(zip(palette, np.linspace(2.2, 0.8, len(palette)), strict=True))}
        for ax, temperature in zip(along, shown, strict=True):
            curves = fits[fits["temperature"] == temperature]
            _plot_curves(ax, curves, x="step", y="discrete_error", palette=palette, **widths)
            ax.set(title=f"temperature {temperature:g}", xlabel="step", xlim=(0, fits["step"].max()))
        markers = {"marker": "o", "markersize": 3, "markeredgewidth": 0}
        _plot_curves(final, last, x="temperature", y="discrete_error", palette=palette, **markers, **widths)
        dotted = {"errorbar": None, "linestyle": ":"}
        _plot_curves(final, last, x="temperature", y="relaxed_error", palette=palette, **dotted, **widths)
        final.set(title=f"after {fits['step'].max()} steps", xscale="log", xlabel="temperature")
        final.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        means = fits.groupby(["perturbation", "temperature", "step"])[["discrete_error", "relaxed_error"]].mean()
        along[0].set(yscale="log", ylabel="total variation distance")
        # A single fit may pass the target by chance, far below all curves.
        along[0].set_ylim(bottom=np.nan_to_num(means.min(axis=None)) / 2 or None)
        along[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        along[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        along[0].yaxis.set_minor_formatter(NullFormatter())
        figure.suptitle(f"{target} · {_seeds(fits)}", fontsize=7.5)
        _legend(figure, palette, {"codes": "-", "mean relaxed sample": ":"})
    return figure


def draw_images(images: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Draw reconstructions of test images and samples from the prior, one row per noise law.

    Args:
        images: ``data`` (images x height x width), and for each perturbation ``{name}/reconstructions`` and
            ``{name}/samples`` of the same shape, all gray values from 0 to 255.
        title: of the figure.
    """
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


def draw_control(selected: pd.DataFrame, gradients: pd.DataFrame, *, dataset: str) -> Figure:
    """Draw the losses of the selected models against the variance of their noise, and the gradients of small models.

    Args:
        selected: what `tables.with_bounds` returns, for one dataset.
        gradients: what `gradients.measure_gradients` returns, for the dataset.
        dataset: its name.
    """
    variances = gradients.groupby("perturbation", sort=False)["noise_variance"].first()
    palette = colours(list(variances.index))
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 7.0), layout="constrained")
        losses, small_models = figure.subfigures(2, 1, height_ratios=(5, 2))
        losses.suptitle(f"{dataset}, test losses of the selected models · {_seeds(selected)}", fontsize=7.5)
        _plot_losses_against_variance(losses, selected, variances, palette)
        small_models.suptitle("Relaxed against exact gradient, on small models", fontsize=7.5)
        _plot_gradients(small_models, gradients, palette)
        _legend(figure, palette)
    return figure


def _plot_losses_against_variance(
    figure: SubFigure, selected: pd.DataFrame, variances: pd.Series, palette: Mapping[str, tuple[float, float, float]]
) -> None:
    categories = selected["K"].unique()
    axes = figure.subplots(len(MEASURES), len(categories), sharex=True, squeeze=False)
    for row, (column, measure) in zip(axes, MEASURES.items(), strict=True):
        row[0].set_ylabel(f"{measure} (nats)")
        for ax, K in zip(row, categories, strict=True):
            of_K = selected[selected["K"] == K]
            for place, (law, variance) in enumerate(variances.items()):
                values = of_K.loc[of_K["perturbation"] == law, column].dropna()
                if values.empty:
                    continue
                # Laws of one variance stand beside each other, not on top of each other.
                x = variance * (1 + 0.012 * (place - len(variances) / 2))
                spread = [[values.mean() - values.min()], [values.max() - values.mean()]]
                ax.errorbar(
                    x, values.mean(), spread, color=palette[law], marker=MARKERS[place % len(MARKERS)], markersize=4
                )
    for ax, K in zip(axes[0], categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    for ax in axes[-1]:
        ax.set_xlabel("variance of the noise")


def _plot_gradients(
    figure: SubFigure, gradients: pd.DataFrame, palette: Mapping[str, tuple[float, float, float]]
) -> None:
    by_variance, by_bias, tradeoff = figure.subplots(1, 3)
    lines = {"marker": "o", "markersize": 3, "markeredgewidth": 0}
    for ax, column in ((by_variance, "relative_variance"), (by_bias, "relative_bias")):
        _plot_curves(ax, gradients, x="temperature", y=column, palette=palette, **lines)
        ax.set(xscale="log", xlabel="temperature")
    by_variance.set(yscale="log", ylabel="variance / squared norm")
    by_bias.set_ylabel("bias / norm")
    means = gradients.groupby(["perturbation", "temperature"], sort=False)[
        ["relative_variance", "relative_bias"]
    ].mean()
    for law, colour in palette.items():
        tradeoff.plot(*means.loc[law].T.to_numpy(), color=colour, **lines)
    tradeoff.set(xscale="log", xlabel="variance / squared norm", ylabel="bias / norm")
    for ax in (by_variance, by_bias):
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_strips(ax: Axes, strips: Mapping[str, np.ndarray], rows: int) -> None:
    """Draw one labelled row of images for each strip, aligned at the bottom of the given number of rows."""
    if not strips:
        ax.text(0.5, 0.5, "diverged", ha="center", transform=ax.transAxes)
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


def _plot_curves(
    ax: Axes, table: pd.DataFrame, *, x: str, y: str, palette: Mapping[str, tuple[float, float, float]], **line: object
) -> None:
    """Plot one curve per noise law, the mean over seeds with their range as a band."""
    hue = {"hue": "perturbation", "palette": palette, "legend": False}
    band = {"errorbar": RANGE, "err_kws": {"linewidth": 0, "alpha": 0.25}}
    sns.lineplot(table, x=x, y=y, ax=ax, **hue, **{**band, **line})


def _columns_of_K(categories: Sequence[int], title: str) -> tuple[Figure, Sequence[Axes]]:
    width = PAGE_WIDTH if len(categories) > 1 else 0.7 * PAGE_WIDTH
    figure = Figure(figsize=(width, 2.3), layout="constrained")
    axes = figure.subplots(1, len(categories), squeeze=False)[0]
    for ax, K in zip(axes, categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    figure.suptitle(title, fontsize=7.5)
    return figure, axes


def _seeds(table: pd.DataFrame) -> str:
    count = table["seed"].nunique()
    return "one seed" if count == 1 else f"mean and range over {count} seeds"


def _legend(
    figure: Figure, palette: Mapping[str, tuple[float, float, float]], linestyles: Mapping[str, str] | None = None
) -> None:
    handles = [mpl.lines.Line2D([], [], color=colour, label=name) for name, colour in palette.items()]
    for name, linestyle in (linestyles or {}).items():
        handles.append(mpl.lines.Line2D([], [], color="0.4", linestyle=linestyle, label=name))
    columns = min(4, len(palette)) + len(linestyles or {})
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
