"""Strips of images show every law, and say what is missing."""

import numpy as np
import pandas as pd
from discrete_vae.report.strips import draw_images, paper_losses
from planted import selected


def test_images_have_a_labelled_row_per_law():
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (4, 5, 7), dtype=np.uint8)
        for name in ("data", "normal/reconstructions", "normal/samples", "laplace/reconstructions", "laplace/samples")
    }
    figure = draw_images(images, title="t", losses={"normal": 101.26, "laplace": np.nan})
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes]
    assert labels == [["data", "Normal\n101.3 nats", "Laplace"], ["", "Normal\n101.3 nats", "Laplace"]]
    shown = figure.axes[0].images[0].get_array()
    assert np.array_equal(shown[:5, :7], 255 - images["data"][0])
    for ax, kind in zip(figure.axes, ("reconstructions", "samples"), strict=True):
        for row, law in enumerate(("normal", "laplace"), start=1):
            strip = ax.images[0].get_array()[6 * row : 6 * row + 5]
            assert np.array_equal(strip[:, :7], 255 - images[f"{law}/{kind}"][0])


def test_the_loss_of_a_law_is_of_the_model_that_the_paper_loss_selects():
    """The bounds also hold the models that the negative ELBO selects, which are not drawn."""
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,))
    of_elbo = bounds[bounds["perturbation"] == "normal"].assign(temperature=1.0, paper_loss=90.0)
    losses = paper_losses(selection, pd.concat([bounds, of_elbo]))
    assert losses == bounds.set_index("perturbation")["paper_loss"].to_dict()


def test_twenty_samples_of_a_law_stand_in_two_rows():
    samples = np.random.default_rng(0).integers(0, 256, (20, 5, 7), dtype=np.uint8)
    images = {"data": samples[:10], "normal/reconstructions": samples[:10], "normal/samples": samples}
    ax = draw_images(images, title="t", losses={}).axes[1]
    shown = ax.images[0].get_array()
    assert shown.shape == (12, 80)
    for i in range(20):
        top, left = 6 * (i // 10), 8 * (i % 10)
        assert np.array_equal(shown[top : top + 5, left : left + 7], 255 - samples[i])
    assert ax.get_yticks().tolist() == [6]


def test_images_of_which_every_model_diverged_are_still_drawn():
    figure = draw_images({"data": np.zeros((4, 5, 7), dtype=np.uint8)}, title="t", losses={})
    assert [text.get_text() for text in figure.axes[1].texts] == ["diverged"]


def test_without_pictures_the_figure_says_that_nothing_was_evaluated():
    figure = draw_images({}, title="t", losses={})
    assert [text.get_text() for text in figure.texts] == ["t", "not evaluated"]
