"""Reconstructions and samples against a plain decoder."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import LAWS
from discrete_vae.config.definitions import law_of
from discrete_vae.evaluation.pictures import draw_selected, reconstruct, sample_prior
from discrete_vae.evaluation.selected import SelectedModel
from discrete_vae.grid.cells import Cell
from discrete_vae.model.network import Architecture, DiscreteVAE, initial_weights, model_of
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator

N, K = 3, 4


@pytest.fixture
def model() -> DiscreteVAE:
    architecture = Architecture(pixels=12, hidden=7, variables=N, categories=K)
    drawn = initial_weights(architecture, generator(1, "weights"))
    return model_of({name: 4 * values for name, values in drawn.items()}, variables=N)


@torch.no_grad()
def gray(model: DiscreteVAE, codes: torch.Tensor) -> np.ndarray:
    return 255 * torch.sigmoid(model.decode(F.one_hot(codes, K).float())).numpy()


@torch.no_grad()
def test_a_reconstruction_is_decoded_from_one_code_drawn_with_noise(model):
    images = np.random.default_rng(0).integers(0, 2, (5, 3, 4)).astype(np.uint8)
    law = distribution(law_of(LAWS["normal"]))
    gamma = NoiseSource(law, generator(2, "noise")).draw((5, N, K))
    codes = (model.encode(torch.from_numpy(images).flatten(1).float()) + gamma).argmax(-1)
    found = reconstruct(model, images, NoiseSource(law, generator(2, "noise")))
    assert np.abs(found - gray(model, codes).reshape(5, 3, 4)).max() < 0.501, "rounded to whole gray values"


def test_samples_are_decoded_from_uniform_codes(model):
    samples = sample_prior(model, (3, 4), count=20_000, seed=0)
    every_code = torch.cartesian_prod(*[torch.arange(K)] * N)
    assert samples.reshape(20_000, 12).mean(0) == pytest.approx(gray(model, every_code).mean(0), abs=3)


def test_every_selected_model_has_a_row_of_reconstructions_and_one_of_samples(model, tiny_dataset, tmp_path):
    torch.save(model.state_dict(), tmp_path / "model.pt")
    cells = [Cell("tiny", K, law, 0.5, 1) for law in ("normal", "gumbel")]
    models = [SelectedModel(cell, law_of(LAWS[cell.perturbation]), N, str(tmp_path / "model.pt")) for cell in cells]
    drawn = draw_selected(models, tiny_dataset)
    kinds = [f"{law}/{kind}" for law in ("normal", "gumbel") for kind in ("reconstructions", "samples")]
    assert list(drawn) == ["data", *kinds]
    assert drawn["data"].shape == drawn["gumbel/reconstructions"].shape == (8, 3, 4)
    assert drawn["gumbel/samples"].shape == (20, 3, 4)
    assert np.array_equal(drawn["normal/samples"], drawn["gumbel/samples"]), "one model, and the same prior codes"
