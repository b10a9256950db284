"""The figure of the fits to one target."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from discrete_vae.grid.measures import FIT_ERRORS
from discrete_vae.report import style
from discrete_vae.report.means import plot_against_temperature, plot_curves


def describe(name: str, definition: Mapping[str, Any]) -> str:
    """Return a target in words, such as ``mine: poisson, rate = 50, K = 100``."""
    family = definition["family"]
    parameters = {"K": len(definition["probabilities"])} if family == "table" else definition
    words = [f"{key} = {value:g}" for key, value in parameters.items() if key != "family"]
    return f"{name}: {', '.join(words if name == family else [family, *words])}"


def draw_fits(fits: pd.DataFrame, *, target: str, laws: Sequence[str]) -> Figure:
    """Draw the errors of fits to a target, a row for the codes and one for the mean relaxed sample.

    The columns are three temperatures, along the fit, and all temperatures after the last step.

    Args:
        fits: of `fit.fit`, with the column ``perturbation``.
        target: in words.
        laws: all noise laws of the study; a law's place among them decides its look.
    """
    temperatures = sorted(fits["temperature"].unique())
    shown = sorted({temperatures[0], temperatures[len(temperatures) // 2], temperatures[-1]})
    looks = style.looks(fits["perturbation"], laws)
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 3.8), layout="constrained")
        axes = figure.subplots(len(FIT_ERRORS), len(shown) + 1, sharex="col", sharey=True, squeeze=False)
        for row, (error, name) in zip(axes, FIT_ERRORS.items(), strict=True):
            _plot_error(row, fits, error, shown, looks)
            _plot_last_error(row[-1], fits, error, looks, width=style.PAGE_WIDTH / len(row) - 0.5)
            row[0].set_ylabel(name)
        for ax, temperature in zip(axes[0], shown, strict=False):
            ax.set_title(f"temperature {temperature:g}")
        axes[0, -1].set_title(f"after {fits['step'].max()} steps")
        for ax, unit in zip(axes[-1], [*["step"] * len(shown), "temperature"], strict=True):
            ax.set_xlabel(unit)
        means = fits.groupby(["perturbation", "temperature", "step"])[list(FIT_ERRORS)].mean()
        # A single fit may pass the target by chance, far below all curves.
        axes[0, 0].set(yscale="log", ylim=(np.nan_to_num(means.min(axis=None)) / 2 or None, None))
        style.spell_decades(axes[0, 0].yaxis)
        figure.supylabel("total variation distance", fontsize=style.TITLE_SIZE)
        style.set_title(figure, f"{target} · {style.seeds_in_words(fits, ['perturbation'])}")
        style.add_legend(figure, looks, markers=True)
    return figure


def _plot_error(
    axes: Sequence[Axes], fits: pd.DataFrame, error: str, temperatures: Sequence[float], looks: style.Looks
) -> None:
    """Plot an error along the fit at some temperatures."""
    steps = fits["step"].max()
    for ax, temperature in zip(axes, temperatures, strict=False):
        plot_curves(ax, fits[fits["temperature"] == temperature], x="step", y=error, looks=looks)
        ax.set(xlabel="", xlim=(0, steps))


def _plot_last_error(ax: Axes, fits: pd.DataFrame, error: str, looks: style.Looks, *, width: float) -> None:
    """Plot an error after the last step at all temperatures, on axes of some width in inches."""
    last = fits[fits["step"] == fits["step"].max()]
    on = {"looks": looks, "temperatures": fits["temperature"].unique(), "width": width}
    plot_against_temperature(ax, last, y=error, **on)
    ax.set_xlabel("")
