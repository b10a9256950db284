"""Pictures are the decoded codes of a trained model, as gray values."""

import numpy as np
import pytest
from discrete_vae.config.definitions import law_of
from discrete_vae.evaluation import pictures
from discrete_vae.evaluation.pictures import draw_selected
from discrete_vae.evaluation.trained import TrainedModel
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.network import Architecture, model_of
from tiny import weights_of

N, K = 3, 4


def test_every_selected_model_has_reconstructions_of_some_test_images_and_samples(tiny_dataset, monkeypatch):
    weights = weights_of(1, times=4, sizes=Architecture(pixels=12, hidden=7, variables=N, categories=K))
    network = model_of(weights, variables=N)
    models = [
        TrainedModel(Cell("tiny", K, law, 0.5, 1), law_of(PAPER_LAWS[law]), network, (3, 4))
        for law in ("normal", "gumbel")
    ]

    drawn = draw_selected(models, tiny_dataset)

    kinds = [f"{law}/{kind}" for law in ("normal", "gumbel") for kind in ("reconstructions", "samples")]
    assert list(drawn) == ["data", *kinds]
    assert np.array_equal(drawn["data"], 255 * tiny_dataset.splits["test"]), "all images, as there are fewer than ten"
    for model in models:
        codes = model.draw_codes(model.encode(drawn["data"] // 255))
        for kind, images in (("reconstructions", model.decode(codes)), ("samples", model.sample(10))):
            found = drawn[f"{model.cell.perturbation}/{kind}"]
            assert found == pytest.approx(255 * images.numpy(), abs=0.501), "rounded to whole gray values"
    assert not np.array_equal(drawn["normal/reconstructions"], drawn["gumbel/reconstructions"]), "noise of each law"
    assert np.array_equal(drawn["normal/samples"], drawn["gumbel/samples"]), "one model, and the same prior codes"

    monkeypatch.setattr(pictures, "IMAGES", 3)
    chosen = np.random.default_rng(0).choice(8, size=3, replace=False)
    assert np.array_equal(draw_selected(models, tiny_dataset)["data"], drawn["data"][np.sort(chosen)])
