"""Figures of images: reconstructions and samples of the selected models, a strip a noise law."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from discrete_vae.analysis.losses import with_bounds
from discrete_vae.analysis.selection import is_annealed
from discrete_vae.evaluation.image_rows import IMAGES, in_rows
from discrete_vae.report import style


def describe_models(selection: pd.DataFrame, bounds: pd.DataFrame, runs: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """Return what the selected models of one group have in common, and a label for the model of each law.

    The label has the temperature, and below it two losses on the test set: the paper's and the negative ELBO.
    """
    models = with_bounds(selection, bounds).dropna(subset="paper_loss").set_index("perturbation")
    temperatures = models["temperature"].map(("from {:g}" if is_annealed(runs) else "at {:g}").format)
    losses = models[["paper_loss", "negative_elbo"]].map("{:.1f}".format).replace("nan", "not known")
    losses = losses.agg(" | ".join, axis=1)
    labels = {law: f"{style.name_of(law)} {temperatures[law]}\n{losses[law]}" for law in models.index}
    return f"selected models of seed {selection['seed'].iloc[0]}, paper loss | negative ELBO in nats", labels


def draw_images(images: Mapping[str, np.ndarray], *, title: str, labels: Mapping[str, str]) -> Figure:
    """Draw reconstructions of test images, and the first samples from the prior, ten of each.

    Args:
        images: images x height x width of gray values from 0 to 255: ``data``, and for each law
            ``{name}/reconstructions`` and ``{name}/samples``. Empty if no model was evaluated.
        title: of the figure.
        labels: of the model of each law; without one it has the law's name.
    """
    if not images:
        return _say_not_evaluated(title)
    laws = [name.removesuffix("/samples") for name in images if name.endswith("/samples")]
    nothing = np.zeros_like(images["data"])  # a law is then at one height in both columns
    reconstructions = [images["data"], *(images[f"{law}/reconstructions"] for law in laws)]
    samples = [nothing, *(images[f"{law}/samples"][:IMAGES] for law in laws)] if laws else []
    names = ["data", *(labels.get(law, style.name_of(law)) for law in laws)]
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.5 + 0.28 * (1 + len(laws))), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_strips(left, reconstructions, names)
        _draw_strips(right, samples, [""] * len(names))
        left.set_title("test images and reconstructions")
        right.set_title("samples from the prior")
        style.set_title(figure, title)
    return figure


def _draw_strips(ax: Axes, strips: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Draw each strip of images in a row, with its name at the middle."""
    if not strips:
        style.say_diverged(ax)
        ax.set_axis_off()
        return
    drawn = [in_rows(255 - strip, columns=IMAGES, gap=max(1, strip.shape[1] // 14)) for strip in strips]
    ax.imshow(np.vstack(drawn), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_xticks([])
    height = len(drawn[0])
    ax.set_yticks([height * (row + 0.5) for row in range(len(drawn))], names)
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
