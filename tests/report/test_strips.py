"""Strips of images show every law, and say what is missing."""

import json

import numpy as np
import pandas as pd
import pytest
from discrete_vae.report.strips import describe_models, draw_images
from planted import runs_of, selected


def test_images_have_a_labelled_row_per_law():
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (4, 5, 7), dtype=np.uint8)
        for name in ("data", "normal/reconstructions", "normal/samples", "laplace/reconstructions", "laplace/samples")
    }
    figure = draw_images(images, title="t", labels={"normal": "Normal at 0.5"})
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes]
    assert labels == [["data", "Normal at 0.5", "Laplace"], ["", "", ""]]
    shown = figure.axes[0].images[0].get_array()
    assert np.array_equal(shown[:5, :7], 255 - images["data"][0])
    for ax, kind in zip(figure.axes, ("reconstructions", "samples"), strict=True):
        for row, law in enumerate(("normal", "laplace"), start=1):
            strip = ax.images[0].get_array()[6 * row : 6 * row + 5]
            assert np.array_equal(strip[:, :7], 255 - images[f"{law}/{kind}"][0])


@pytest.mark.parametrize(("annealed", "word"), [(False, "at"), (True, "from")])
def test_a_label_has_the_temperature_and_both_losses_of_the_model_that_the_paper_loss_selects(annealed, word):
    """The bounds also hold the models that the negative ELBO selects, which are not drawn."""
    selection, bounds = selected({"gumbel": 1.0, "normal": 0.0}, seeds=(1,))
    bounds = bounds.assign(paper_loss=[101.24, 100.1], negative_elbo=[np.nan, 102.26])
    of_elbo = bounds[bounds["perturbation"] == "normal"].assign(temperature=1.0, paper_loss=90.0)
    options = {"annealing": {"rate": 1e-5} if annealed else None}
    runs = runs_of({("normal", 0.5, 1): 0.0}).assign(training=json.dumps(options))
    what, labels = describe_models(selection, pd.concat([bounds, of_elbo]), runs)
    assert what == "selected models of seed 1, paper loss | negative ELBO in nats"
    assert labels == {
        "gumbel": f"Gumbel {word} 0.5\n101.2 | not known",
        "normal": f"Normal {word} 0.5\n100.1 | 102.3",
    }


def test_models_without_bounds_have_no_label():
    selection, bounds = selected({"gumbel": 1.0}, seeds=(1,))
    _, labels = describe_models(selection.assign(temperature=np.nan), bounds[:0], runs_of({("gumbel", 0.5, 1): 0.0}))
    assert labels == {}


def test_of_more_samples_the_first_ten_are_drawn():
    """Older groups have twenty. The figures of all groups then align."""
    samples = np.random.default_rng(0).integers(0, 256, (20, 5, 7), dtype=np.uint8)
    images = {"data": samples[:10], "normal/reconstructions": samples[:10], "normal/samples": samples}
    shown = draw_images(images, title="t", labels={}).axes[1].images[0].get_array()
    assert shown.shape == (12, 80)
    for i in range(10):
        assert np.array_equal(shown[6:11, 8 * i : 8 * i + 7], 255 - samples[i])


def test_of_fewer_test_images_as_many_are_drawn_and_ten_samples():
    samples = np.random.default_rng(0).integers(0, 256, (10, 5, 7), dtype=np.uint8)
    images = {"data": samples[:6], "normal/reconstructions": samples[:6], "normal/samples": samples}
    reconstructed, drawn = (ax.images[0].get_array() for ax in draw_images(images, title="t", labels={}).axes)
    assert reconstructed.shape == drawn.shape == (12, 80)
    assert (reconstructed[:, 48:] == 255).all()


def test_images_of_which_every_model_diverged_are_still_drawn():
    figure = draw_images({"data": np.zeros((4, 5, 7), dtype=np.uint8)}, title="t", labels={})
    assert [text.get_text() for text in figure.axes[1].texts] == ["diverged"]


def test_without_pictures_the_figure_says_that_nothing_was_evaluated():
    figure = draw_images({}, title="t", labels={})
    assert [text.get_text() for text in figure.texts] == ["t", "not evaluated"]
