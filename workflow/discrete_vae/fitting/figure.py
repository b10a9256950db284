"""The figure of the fits to one target."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from discrete_vae.report import style
from discrete_vae.report.curves import plot_curves

FILLS = {"discrete_error": "full", "relaxed_error": "none"}


def describe(name: str, definition: Mapping[str, Any]) -> str:
    """Return a target in words, such as ``mine: poisson, rate = 50, K = 100``."""
    family = definition["family"]
    parameters = {"K": len(definition["probabilities"])} if family == "table" else definition
    words = [f"{key} = {value:g}" for key, value in parameters.items() if key != "family"]
    return f"{name}: {', '.join(words if name == family else [family, *words])}"


def draw_fits(fits: pd.DataFrame, *, target: str) -> Figure:
    """Draw the errors of fits to a target: along the fit at three temperatures, and after its last step at all.

    ``fits`` are of `fit.fit`, with the column ``perturbation``.
    """
    temperatures = sorted(fits["temperature"].unique())
    shown = sorted({temperatures[0], temperatures[len(temperatures) // 2], temperatures[-1]})
    palette = style.colours(fits["perturbation"].unique())
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 2.3), layout="constrained")
        *along, final = figure.subplots(1, len(shown) + 1, sharey=True, squeeze=False)[0]
        for ax, temperature in zip(along, shown, strict=True):
            curves = fits[fits["temperature"] == temperature]
            plot_curves(ax, curves, x="step", y="discrete_error", palette=palette)
            ax.set(title=f"temperature {temperature:g}", xlabel="step", xlim=(0, fits["step"].max()))
        _plot_after_last_step(final, fits, palette)
        means = fits.groupby(["perturbation", "temperature", "step"])[list(FILLS)].mean()
        along[0].set(yscale="log", ylabel="total variation distance")
        # A single fit may pass the target by chance, far below all curves.
        along[0].set_ylim(bottom=np.nan_to_num(means.min(axis=None)) / 2 or None)
        style.spell_decades(along[0].yaxis)
        figure.suptitle(f"{target} · {style.seeds_in_words(fits, ['perturbation'])}", fontsize=style.TITLE_SIZE)
        style.add_legend(figure, palette, fills={"codes": "full", "mean relaxed sample": "none"})
    return figure


def _plot_after_last_step(ax: Axes, fits: pd.DataFrame, palette: style.Palette) -> None:
    steps = fits["step"].max()
    for error, fill in FILLS.items():
        markers = {"marker": "o", "markersize": 2.5, "fillstyle": fill}
        plot_curves(ax, fits[fits["step"] == steps], x="temperature", y=error, palette=palette, **markers)
    ax.set_title(f"after {steps} steps")
    style.set_temperature_axis(ax)
