"""What all figures share: style, colours, axes, legend, and saving."""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from discrete_vae.files import write_bytes
from discrete_vae.report.notes import extent

PAGE_WIDTH = 6.75  # inches: two columns of a conference paper
TITLE_SIZE = 7.5
# Beside the colours, for print in grey and for curves that coincide.
DASHES = ("", (4, 1.2), (1.2, 1.2), (4, 1.2, 1.2, 1.2), (6, 1.2, 1.2, 1.2, 1.2, 1.2), (2.5, 1), (6, 2.5))

Palette = Mapping[str, tuple[float, float, float]]
Strings = Mapping[str, str]
NONE: Strings = MappingProxyType({})

STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "font.family": "DejaVu Sans",
    **dict.fromkeys(["font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize"], 8),
    **dict.fromkeys(["xtick.labelsize", "ytick.labelsize"], 7),
    **dict.fromkeys(["axes.spines.top", "axes.spines.right"], False),
    **{"axes.grid": True, "grid.linewidth": 0.4, "grid.color": "0.9", "lines.linewidth": 1.2},
    **dict.fromkeys(["axes.linewidth", "xtick.major.width", "ytick.major.width"], 0.6),
    **dict.fromkeys(["xtick.major.size", "ytick.major.size"], 3),
    **{"xtick.minor.width": 0.4, "xtick.minor.size": 1.5},
    "pdf.fonttype": 42,  # TrueType, which conference systems accept
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw in the style of the figures, whatever the user's matplotlibrc."""
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg"}), mpl.rc_context(STYLE):
        yield


def save(figure: Figure, paths: Iterable[str]) -> None:
    """Write a figure to each path, in the format of its suffix. Without a date inside: the same bits each time."""
    for path in paths:
        suffix = Path(path).suffix
        metadata = {"CreationDate": None} if suffix == ".pdf" else {}
        buffer = io.BytesIO()  # on a full disk Matplotlib's own files fail with more than that error
        figure.savefig(buffer, format=suffix[1:], dpi=300, bbox_inches="tight", pad_inches=0.02, metadata=metadata)
        write_bytes(path, buffer.getvalue())


def colours(perturbations: Sequence[str]) -> Palette:
    """Give each perturbation, in the order of the grid, a colour that colour-blind readers can tell apart."""
    return dict(zip(perturbations, sns.color_palette("colorblind", len(perturbations)), strict=True))


def dashes(perturbations: Iterable[str]) -> dict[str, tuple[float, ...] | str]:
    """Give each perturbation a dash pattern, empty for a solid line."""
    return dict(zip(perturbations, itertools.cycle(DASHES), strict=False))


def columns_of_K(categories: Sequence[int], title: str) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure with a column for each K."""
    width = PAGE_WIDTH if len(categories) > 1 else 0.7 * PAGE_WIDTH
    figure = Figure(figsize=(width, 2.3), layout="constrained")
    axes = figure.subplots(1, len(categories), squeeze=False)[0]
    for ax, K in zip(axes, categories, strict=True):
        ax.set_title(f"$K$ = {K}")
    figure.suptitle(title, fontsize=TITLE_SIZE)
    return figure, axes


def set_temperature_axis(ax: Axes) -> None:
    """Make the horizontal axis one of temperatures."""
    ax.set(xscale="log", xlabel="temperature", ylabel="")
    ax.xaxis.set_major_formatter("{x:g}")


def spell_decades(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers. Even part of a decade has some."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def say_diverged(ax: Axes) -> None:
    """Write into empty axes that all runs diverged."""
    ax.text(0.5, 0.5, "diverged", ha="center", transform=ax.transAxes)


def seeds_in_words(table: pd.DataFrame, of: Sequence[str]) -> str:
    """Say how many seeds a mean is over. There is one mean for each combination of the columns ``of``."""
    if table.empty:
        return "none is known"
    counts = table.groupby(list(of))["seed"].nunique()
    return "one seed" if counts.max() == 1 else f"mean and range over {extent(counts)} seeds"


def add_legend(figure: Figure, palette: Palette, *, markers: Strings = NONE, fills: Strings = NONE) -> None:
    """Name the noise laws below the figure, with their markers, and what each fill of a marker stands for."""
    handles = [Line2D([], [], color=palette[law], marker=markers.get(law), markersize=4, label=law) for law in palette]
    for handle, pattern in zip(handles, dashes(palette).values(), strict=True):
        handle.set_dashes(pattern or (None, None))
    handles += [Line2D([], [], color="0.4", marker="o", fillstyle=fill, label=name) for name, fill in fills.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), frameon=False)
