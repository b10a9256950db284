"""Figures of images: reconstructions and samples of the selected models, a strip a noise law."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from discrete_vae.analysis.losses import with_bounds
from discrete_vae.evaluation.image_rows import in_rows
from discrete_vae.report import style

IMAGES_IN_A_ROW = 10


def paper_losses(selection: pd.DataFrame, bounds: pd.DataFrame) -> dict[str, float]:
    """Return the paper loss of the selected model of each law of one group, on the test set."""
    return with_bounds(selection, bounds).set_index("perturbation")["paper_loss"].to_dict()


def draw_images(images: Mapping[str, np.ndarray], *, title: str, losses: Mapping[str, float]) -> Figure:
    """Draw reconstructions of test images and samples from the prior, at most ten in a row.

    Args:
        images: images x height x width of gray values from 0 to 255: ``data``, and for each law
            ``{name}/reconstructions`` and ``{name}/samples``. Empty if no model was evaluated.
        title: of the figure.
        losses: of the model of each law, in nats, as far as they are known.
    """
    if not images:
        return _say_not_evaluated(title)
    laws = [name.removesuffix("/samples") for name in images if name.endswith("/samples")]
    labels = {law: _label(law, losses) for law in laws}
    reconstructions = {labels[law]: images[f"{law}/reconstructions"] for law in laws}
    samples = {labels[law]: images[f"{law}/samples"] for law in laws}
    if samples and all(_rows(strip) == 1 for strip in samples.values()):
        samples = {"": np.zeros_like(images["data"]), **samples}  # a law is then at one height in both columns
    columns = {
        "test images and reconstructions": {"data": images["data"], **reconstructions},
        "samples from the prior": samples,
    }
    rows = max(sum(_rows(strip) for strip in strips.values()) for strips in columns.values())
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.5 + 0.28 * rows), layout="constrained")
        for ax, (heading, strips) in zip(figure.subplots(1, 2), columns.items(), strict=True):
            _draw_strips(ax, strips)
            ax.set_title(heading)
        style.set_title(figure, title)
    return figure


def _label(law: str, losses: Mapping[str, float]) -> str:
    loss = losses.get(law, np.nan)
    return style.name_of(law) if np.isnan(loss) else f"{style.name_of(law)}\n{loss:.1f} nats"


def _rows(strip: np.ndarray) -> int:
    return math.ceil(len(strip) / IMAGES_IN_A_ROW)


def _draw_strips(ax: Axes, strips: Mapping[str, np.ndarray]) -> None:
    """Draw the images of each strip in rows, with the strip's label at their middle."""
    ax.set_anchor("N")
    if not strips:
        style.say_diverged(ax)
        ax.set_axis_off()
        return
    drawn = [
        in_rows(255 - strip, columns=min(len(strip), IMAGES_IN_A_ROW), gap=max(1, strip.shape[1] // 14))
        for strip in strips.values()
    ]
    canvas = np.vstack(drawn)
    ends = np.cumsum([len(rows) for rows in drawn])
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([end - len(rows) / 2 for end, rows in zip(ends, drawn, strict=True)], list(strips))
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _say_not_evaluated(title: str) -> Figure:
    """Draw the words "not evaluated", for groups without pictures."""
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 1), layout="constrained")
        style.set_title(figure, title)
        figure.text(0.5, 0.4, "not evaluated", ha="center")
    return figure
