"""Strips of images show every law, and say what is missing."""

import numpy as np
from discrete_vae.report.strips import draw_images


def test_images_have_a_labelled_row_per_law():
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (4, 5, 7), dtype=np.uint8)
        for name in ("data", "normal/reconstructions", "normal/samples", "laplace/reconstructions", "laplace/samples")
    }
    figure = draw_images(images, title="t")
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes]
    assert labels == [["data", "normal", "laplace"], ["normal", "laplace"]]
    shown = figure.axes[0].images[0].get_array()
    assert np.array_equal(shown[:5, :7], 255 - images["data"][0])


def test_images_of_which_every_model_diverged_are_still_drawn():
    figure = draw_images({"data": np.zeros((4, 5, 7), dtype=np.uint8)}, title="t")
    assert [text.get_text() for text in figure.axes[1].texts] == ["diverged"]


def test_without_pictures_the_figure_says_that_nothing_was_evaluated():
    figure = draw_images({}, title="t")
    assert [text.get_text() for text in figure.texts] == ["t", "not evaluated"]
