"""Means over seeds with their ranges: as curves, against temperature, and side by side.

A band or a bar goes from the lowest seed to the highest.
"""

from collections.abc import Collection, Iterable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from pandas.core.groupby import SeriesGroupBy

from discrete_vae.report import style

FINE = {"linewidth": 0.9, "elinewidth": 0.8, "markersize": 3.5, "markeredgewidth": 0}


def plot_curves(ax: Axes, table: pd.DataFrame, *, x: str, y: str, looks: style.Looks, **line: object) -> None:
    """Plot one curve a noise law, the mean with a band."""
    colours = {law: look.colour for law, look in looks.items()}
    dashes = {law: look.dash for law, look in looks.items()}
    laws = {"hue": "perturbation", "palette": colours, "style": "perturbation", "dashes": dashes}
    band = {"errorbar": ("pi", 100), "err_kws": {"linewidth": 0, "alpha": 0.2}}
    sns.lineplot(table, x=x, y=y, ax=ax, legend=False, **laws, **{"markeredgecolor": None, **band, **line})
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_locator(MaxNLocator(6))


def plot_against_temperature(
    ax: Axes, table: pd.DataFrame, *, y: str, looks: style.Looks, temperatures: Sequence[float], width: float
) -> dict[tuple[str, float], float]:
    """Plot one line a noise law, the mean at each temperature with a bar, on axes of some width in inches.

    Returns:
        The place of each noise law and temperature on the horizontal axis.
    """
    places = _places(temperatures, looks)
    for law, look in looks.items():
        mean, ranges = mean_and_range(table[table["perturbation"] == law].groupby("temperature")[y])
        if mean.notna().any():  # a logarithmic axis fails without one
            line = {"color": look.colour, "marker": look.marker, "linestyle": (0, look.dash) if look.dash else "-"}
            ax.errorbar([places[law, temperature] for temperature in mean.index], mean, ranges, **line, **FINE)
    style.set_temperature_axis(ax, temperatures, width=width)
    return places


def _places(temperatures: Iterable[float], laws: Collection[str]) -> dict[tuple[str, float], float]:
    """Place temperatures at equal distances, from 0, and noise laws beside each other at each of them."""
    step = min(0.15, 0.6 / len(laws))
    return {
        (law, temperature): place + step * (i - (len(laws) - 1) / 2)
        for place, temperature in enumerate(sorted(temperatures))
        for i, law in enumerate(laws)
    }


def plot_side_by_side(ax: Axes, table: pd.DataFrame, *, y: str, looks: style.Looks, named: bool = False) -> None:
    """Plot one place a noise law, the mean with a bar. ``named``: below the axis."""
    for place, (law, look) in enumerate(looks.items()):
        values = table.loc[table["perturbation"] == law, y]
        plot_mean_and_range(ax, place, values, color=look.colour, marker=look.marker)
    names = [style.name_of(law) for law in looks] if named else []
    ax.set(xticks=range(len(names)), xticklabels=names, xlim=(-0.5, len(looks) - 0.5))
    ax.yaxis.set_major_locator(MaxNLocator(6))


def plot_mean_and_range(ax: Axes, x: float, values: pd.Series, **marker: object) -> None:
    """Plot the mean of the known values with a bar, if any is known: a logarithmic axis fails without one."""
    if values.notna().any():
        mean, (below, above) = mean_and_range(values)
        ax.errorbar(x, mean, [[below], [above]], markersize=3, **marker)


def mean_and_range(values: pd.Series | SeriesGroupBy) -> tuple[float | pd.Series, tuple[float | pd.Series, ...]]:
    """Return the mean over seeds, and how far the lowest and the highest value lie from it."""
    mean = values.mean()
    return mean, (mean - values.min(), values.max() - mean)
