"""What all figures share: style, the looks of noise laws, axes, legend, and saving."""

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from discrete_vae.analysis.statistics import spell_range
from discrete_vae.files import write_bytes
from discrete_vae.grid.paper import PAPER_LAWS

PAGE_WIDTH = 6.75  # inches: two columns of a conference paper
TITLE_SIZE, TITLE_HEIGHT = 7.5, 0.13  # points, and inches of a line
# Beside the colours, for print in grey and for curves that coincide.
DASHES = ("", (4, 1.2), (1.2, 1.2), (4, 1.2, 1.2, 1.2), (6, 1.2, 1.2, 1.2, 1.2, 1.2), (1, 2.5), (7, 3))
MARKERS = "osD^v<>"
PALE = 6  # the colour of the palette that is hardly seen on white
LEGEND_WIDTH, LEGEND_HEIGHT = 1.5, 0.16  # inches of an entry
LETTER, LINE = 0.065, 0.11  # width of a letter and height of a label, in inches, with some room


class Look(NamedTuple):
    """How a noise law is drawn, in every figure."""

    colour: tuple[float, float, float]
    dash: tuple[float, ...] | str  # empty for a solid line
    marker: str


Looks = Mapping[str, Look]

DEFAULTS = {**mpl.rcParamsDefault, "backend": "agg"}  # whatever the user's matplotlibrc
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
    # Plain numbers: neither an offset nor a power of ten beside the axis.
    **{"axes.formatter.useoffset": False, "axes.formatter.limits": (-99, 99)},
    **{"xtick.minor.width": 0.4, "xtick.minor.size": 1.5},
    "pdf.fonttype": 42,  # TrueType, which conference systems accept
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw in the style of the figures, whatever the user's matplotlibrc."""
    with mpl.rc_context({**DEFAULTS, **STYLE}):
        yield


def save(figure: Figure, paths: Iterable[str]) -> None:
    """Write a figure to each path, in the format of its suffix. Without a date inside: the same bits each time."""
    with mpl.rc_context(DEFAULTS):
        page = _lay_out(figure)
        for path in paths:
            suffix = Path(path).suffix
            metadata = {"CreationDate": None} if suffix == ".pdf" else {}
            buffer = io.BytesIO()  # on a full disk Matplotlib's own files fail with more than that error
            figure.savefig(buffer, format=suffix[1:], dpi=300, bbox_inches=page, metadata=metadata)
            write_bytes(path, buffer.getvalue())


def _lay_out(figure: Figure) -> Bbox:
    """Lay a figure out and return its page in inches, both rounded: their last digits depend on the processor."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position().bounds, 6))
    return Bbox(np.round(figure.get_tightbbox().padded(0.02), 3))


def looks(shown: Iterable[str], laws: Iterable[str]) -> Looks:
    """Give each noise law that is shown its look, by its place among the paper's laws and then ``laws``, the study's.

    So a law looks the same in each figure of a study, whatever laws the figure shows. The colours can be told apart by
    colour-blind readers.
    """
    palette = [colour for place, colour in enumerate(sns.color_palette("colorblind")) if place != PALE]
    places = {law: place for place, law in enumerate(dict.fromkeys([*PAPER_LAWS, *laws, *shown]))}
    return {
        law: Look(*(options[places[law] % len(options)] for options in (palette, DASHES, MARKERS)))
        for law in dict.fromkeys(shown)
    }


def name_of(law: str) -> str:
    """Spell a noise law as it stands in a figure, such as Normal for ``normal``."""
    return law[:1].upper() + law[1:]


def columns_of_K(categories: Sequence[int], title: str, *, sharey: bool = True) -> tuple[Figure, Sequence[Axes]]:
    """Make a figure with a column for each K, named above it unless it is alone."""
    several = len(categories) > 1
    figure = Figure(layout="constrained")
    figure.set_figwidth(PAGE_WIDTH if several else 0.7 * PAGE_WIDTH)
    set_title(figure, title)
    figure.set_figheight((2.3 if several else 2.1) + TITLE_HEIGHT * (1 + figure.get_suptitle().count("\n")))
    axes = figure.subplots(1, len(categories), sharey=sharey, squeeze=False)[0]
    for ax, K in zip(axes, categories, strict=True):
        ax.set_title(f"$K$ = {K}" if several else "")
    return figure, axes


def set_title(figure: Figure | SubFigure, title: str, **font: str) -> None:
    """Write a title above a figure. Lines that are wider are broken, first at a dot, then between words."""
    letters = int(figure.figure.get_figwidth() / LETTER)
    parts = (part for line in title.split("\n") for part in (line.split(" · ") if len(line) > letters else [line]))
    lines = [line for part in parts for line in textwrap.wrap(part, letters)]
    figure.suptitle("\n".join(lines), fontsize=TITLE_SIZE, **font)


def set_temperature_axis(ax: Axes, temperatures: Sequence[float], *, width: float) -> None:
    """Label the places 0, 1, 2, ... of the horizontal axis with temperatures, in rising order, where there is room.

    ``width`` is how wide the axes are, in inches.
    """
    names = [f"{temperature:g}" for temperature in sorted(temperatures)]
    places = np.arange(len(names)) * width / len(names)
    named = _with_room(places, [LETTER * len(name) for name in names])
    if len(named) < len(names):
        named = _with_room(places, [LINE] * len(names))
        ax.tick_params(axis="x", rotation=90)
    ax.set_xticks(range(len(names)), [name if i in named else "" for i, name in enumerate(names)])
    ax.set(xlabel="temperature", ylabel="", xlim=(-0.5, len(names) - 0.5))


def _with_room(places: np.ndarray, widths: Sequence[float]) -> list[int]:
    """Choose labels that do not touch each other: the last, the first, then from the right."""
    chosen: list[int] = []
    for i in [len(places) - 1, 0, *range(len(places) - 2, 0, -1)]:
        if all(abs(places[i] - places[j]) > (widths[i] + widths[j]) / 2 for j in chosen):
            chosen.append(i)
    return chosen


def spell_decades(axis: Axis, *, subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Label a logarithmic axis with plain numbers, at some multiples of each power of ten."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def say_diverged(ax: Axes) -> None:
    """Write into empty axes that all runs diverged."""
    ax.text(0.5, 0.5, "diverged", ha="center", transform=ax.transAxes)


def seeds_in_words(table: pd.DataFrame, of: Sequence[str]) -> str:
    """Say how many seeds a mean is over, for each K where these differ.

    There is one mean for each combination of the columns ``of``.
    """
    if table.empty:
        return "none is known"
    counts = table.groupby(list(of))["seed"].nunique()
    if counts.max() == 1:
        return "one seed"
    by_K = counts.groupby("K").agg(spell_range, decimals=0) if "K" in of else pd.Series()
    if by_K.nunique() > 1:
        *others, last = by_K
        return f"mean and range over {', '.join(others)} and {last} seeds"
    return f"mean and range over {spell_range(counts, decimals=0)} seeds"


def add_legend(
    figure: Figure, laws: Looks, *, lines: bool = True, markers: bool = False, others: Sequence[Line2D] = ()
) -> None:
    """Name the noise laws below the figure, with the lines and markers that are drawn, and the ``others`` it shows."""
    handles = []
    for law, look in laws.items():
        drawn = {"dashes": look.dash or (None, None)} if lines else {"linestyle": ""}
        drawn |= {"marker": look.marker, "markersize": 4} if markers else {}
        handles.append(Line2D([], [], color=look.colour, label=f"{name_of(law)} noise", **drawn))
    handles += others
    columns = int(figure.get_figwidth() // LEGEND_WIDTH)
    rows = math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_HEIGHT * (rows - 1))
    figure.legend(handles=handles, loc="outside lower center", ncols=math.ceil(len(handles) / rows), frameon=False)
