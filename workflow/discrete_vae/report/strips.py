"""Figures of images: reconstructions and samples of the selected models, a strip a noise law."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from discrete_vae.report import style


def draw_images(images: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Draw reconstructions of test images and samples from the prior, one row a noise law.

    Args:
        images: images x height x width of gray values from 0 to 255: ``data``, and for each law
            ``{name}/reconstructions`` and ``{name}/samples``. Empty if no model was evaluated.
        title: of the figure.
    """
    if not images:
        return _say_not_evaluated(title)
    laws = [name.removesuffix("/samples") for name in images if name.endswith("/samples")]
    reconstructions = {law: images[f"{law}/reconstructions"] for law in laws}
    columns = {
        "test images and reconstructions": {"data": images["data"], **reconstructions},
        "samples from the prior": {law: images[f"{law}/samples"] for law in laws},
    }
    rows = len(laws) + 1
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.25 + 0.35 * rows), layout="constrained")
        for ax, (heading, strips) in zip(figure.subplots(1, 2), columns.items(), strict=True):
            _draw_strips(ax, strips, rows)
            ax.set_title(heading)
        figure.suptitle(title, fontsize=style.TITLE_SIZE)
    return figure


def _draw_strips(ax: Axes, strips: Mapping[str, np.ndarray], rows: int) -> None:
    """Draw one labelled row of images for each strip, aligned at the bottom of the given number of rows."""
    if not strips:
        style.say_diverged(ax)
        ax.set_axis_off()
        return
    count, height, width = next(iter(strips.values())).shape
    gap = max(1, height // 14)
    first, row_height = rows - len(strips), height + gap
    blank = np.full((first * row_height, count * (width + gap)), 255, dtype=np.uint8)
    margins = ((0, 0), (0, gap), (0, gap))
    drawn = [np.hstack(np.pad(255 - strip, margins, constant_values=255)) for strip in strips.values()]
    canvas = np.vstack([blank, *drawn])
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([(row + 0.5) * row_height for row in range(first, rows)], list(strips))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _say_not_evaluated(title: str) -> Figure:
    """Draw an empty figure, for results that are older than its pictures."""
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 1), layout="constrained")
        figure.suptitle(title, fontsize=style.TITLE_SIZE)
        figure.text(0.5, 0.4, "not evaluated", ha="center")
    return figure
