"""The exact gradient against finite differences of a plain enumeration, the relaxed one against a plain loop."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from discrete_vae.config.configuration import Control
from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Annealing, Evaluation, Model, Training
from discrete_vae.control import gradients
from discrete_vae.control.gradients import bias_and_variance, exact_gradient, measure_gradients, relaxed_gradients
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.code_probabilities import argmax_probabilities
from discrete_vae.model.network import DiscreteVAE, model_of
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.loop import train
from tiny import IMAGES as BITS
from tiny import in_double, losses_of_all_codes, weights_of

IMAGES = BITS.float()


@pytest.fixture
def model() -> DiscreteVAE:
    return model_of(weights_of(3, times=3), variables=2)


def noise_of(name):
    return NoiseSource(distribution(law_of(PAPER_LAWS[name])), generator(0, "noise"))


@torch.no_grad()
def expected_loss(model, logits, law) -> float:
    q, (codes, losses) = argmax_probabilities(logits, law), losses_of_all_codes(model, IMAGES)
    return (q[:, 0, codes[:, 0]] * q[:, 1, codes[:, 1]] * losses).sum().item()


@pytest.mark.parametrize("name", PAPER_LAWS)
def test_the_exact_gradient_is_that_of_the_enumeration(model, name):
    logits = model.encode(IMAGES).detach().double()
    found = exact_gradient(model, logits, IMAGES, in_double(PAPER_LAWS[name]))
    step = 1e-5
    for index in itertools.product(range(2), range(2), range(3)):
        shift = torch.zeros_like(logits)
        shift[index] = step
        difference = expected_loss(model, logits + shift, in_double(PAPER_LAWS[name])) - expected_loss(
            model, logits - shift, in_double(PAPER_LAWS[name])
        )
        assert found[index].item() == pytest.approx(difference / (2 * step), rel=1e-4, abs=1e-6)


def test_relaxed_gradients_are_those_of_autograd_one_draw_at_a_time(model):
    logits, temperature, samples = model.encode(IMAGES).detach(), 0.6, 4
    found = relaxed_gradients(model, logits, IMAGES, temperature=temperature, noise=noise_of("normal"), samples=samples)
    draws = noise_of("normal").draw((samples, *logits.shape))
    for gamma, gradient in zip(draws, found, strict=True):
        theta = logits.clone().requires_grad_()
        pixel_logits = model.decode(F.softmax((theta + gamma) / temperature, dim=-1))
        F.binary_cross_entropy_with_logits(pixel_logits, IMAGES, reduction="sum").backward()
        torch.testing.assert_close(gradient.float(), theta.grad)


def test_bias_and_variance_are_those_of_the_draws(model):
    temperature, samples = 0.6, 130  # drawn in two parts
    found = bias_and_variance(
        model, IMAGES, temperature, noise_of("normal"), in_double(PAPER_LAWS["normal"]), samples=samples
    )
    logits = model.encode(IMAGES).detach()
    exact = exact_gradient(model, logits, IMAGES, in_double(PAPER_LAWS["normal"])).numpy()
    noise = noise_of("normal")
    options = {"temperature": temperature, "noise": noise}
    parts = [relaxed_gradients(model, logits, IMAGES, **options, samples=part) for part in (100, 30)]
    draws = torch.cat(parts).numpy()
    variance = draws.var(0, ddof=1).sum()
    squared_bias = ((draws.mean(0) - exact) ** 2).sum() - variance / samples
    squared_norm = (exact**2).sum()
    assert found["relative_variance"] == pytest.approx(variance / squared_norm)
    assert found["relative_bias"] == pytest.approx(np.sqrt(max(squared_bias, 0) / squared_norm))


@pytest.mark.parametrize("name", PAPER_LAWS)
def test_a_low_temperature_trades_bias_for_variance(model, name):
    low, high = (
        bias_and_variance(model, IMAGES, temperature, noise_of(name), in_double(PAPER_LAWS[name]), samples=20_000)
        for temperature in (0.1, 2.0)
    )
    assert low["relative_bias"] < 0.5 * high["relative_bias"]
    assert low["relative_variance"] > 2 * high["relative_variance"]


TRAINING = Training(batch_size=10, learning_rate=0.01)
TINY = Control(variables=2, K=3, hidden=8, epochs=1, images=4, samples=10)


def measured(dataset, cells, definitions, training=TRAINING, small_models=TINY):
    laws = {name: law_of(definition) for name, definition in definitions.items()}
    device = torch.device("cpu")
    return measure_gradients(cells, dataset, laws=laws, training=training, small_models=small_models, device=device)


def test_where_no_gradient_can_be_measured_the_columns_are_there(tiny_dataset):
    t5 = {"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}
    table = measured(tiny_dataset, [Cell("tiny", 3, "t5", 0.5, 1)], {"t5": t5})
    assert table[["relative_bias", "relative_variance"]].isna().all(axis=None)


def test_models_whose_codes_tell_nothing_about_the_images_are_left_out(tiny_dataset, caplog):
    """Their exact gradient is next to zero, and what is relative to it says nothing of the noise."""
    cells = [Cell("tiny", 3, "normal", 0.5, 1)]
    table = measured(tiny_dataset, cells, PAPER_LAWS, replace(TRAINING, learning_rate=1e-6))
    assert table["relative_bias"].isna().all()
    assert "no gradients of tiny-K3-normal-tau0.5-seed1: its codes tell nothing about the images" in caplog.text


def test_small_models_are_trained_for_all_their_epochs_whatever_the_patience(tiny_dataset):
    cells, small = [Cell("tiny", 3, "normal", 0.5, 2)], replace(TINY, hidden=32, epochs=60)
    tables = [measured(tiny_dataset, cells, PAPER_LAWS, replace(TRAINING, patience=p), small) for p in (None, 1)]
    assert np.isfinite(tables[0]["relative_bias"]).all()
    pd.testing.assert_frame_equal(*tables)


def test_gradients_of_annealed_models_are_measured_at_the_temperature_of_their_best_epoch(tiny_dataset, monkeypatch):
    """Here every epoch has another one."""
    runs = []
    monkeypatch.setattr(gradients, "bias_and_variance", lambda *what, **samples: {"relative_bias": what[2]})
    monkeypatch.setattr(gradients, "train", lambda *what, **options: runs.extend(train(*what, **options)) or runs)
    annealed = replace(TRAINING, annealing=Annealing(rate=0.001, minimum=0.1, interval=1))
    small = replace(TINY, hidden=32, epochs=60)
    table = measured(tiny_dataset, [Cell("tiny", 3, "normal", 0.5, 2)], PAPER_LAWS, annealed, small)
    (run,) = runs
    temperatures = [epoch["temperature"] for epoch in run.history]
    assert len(set(temperatures)) == 60
    assert run.best_epoch < 60
    assert table["relative_bias"].tolist() == [temperatures[run.best_epoch - 1]]


def test_small_models_of_a_grid_are_measured_and_a_diverged_one_is_missing(tiny_dataset):
    laws = {
        "normal": PAPER_LAWS["normal"],
        "wide": {"distribution": "Logistic", "loc": 0, "scale": 2},
        "broken": {"distribution": "Normal", "loc": float("inf"), "scale": 1},
        "t5": {"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1},
        "lognormal": {"distribution": "LogNormal", "loc": 0, "scale": 1},
        "circular": {"distribution": "VonMises", "loc": 0, "concentration": 2},
        "unbounded": {"distribution": "Weibull", "scale": 1, "concentration": 0.9},
    }
    cells = [Cell("tiny", 3, law, temperature, seed) for seed in (2, 3) for law in laws for temperature in (0.5, 1.0)]
    table = measured(tiny_dataset, cells, laws, small_models=replace(TINY, hidden=32, epochs=100))
    assert [Cell.of(row) for row in table.to_dict("records")] == cells
    counts = table.groupby("perturbation")["relative_bias"].count().to_dict()
    assert counts == {"normal": 4, "wide": 4, "broken": 0, "t5": 0, "lognormal": 0, "circular": 0, "unbounded": 0}
    variances = table.groupby("perturbation")["noise_variance"].first()
    assert variances["wide"] == pytest.approx(4 * np.pi**2 / 3)
    assert variances["t5"] == pytest.approx(5 / 3)
    assert np.isnan(variances["circular"]), "torch knows that of directions only"

    wide = law_of(laws["wide"])
    (trained,) = train(
        [Cell("tiny", 3, "wide", 0.5, 2)],
        tiny_dataset,
        laws={"wide": wide},
        model=Model(variables=2, hidden=32),
        training=replace(TRAINING, epochs=100),
        evaluation=Evaluation(validation_samples=1, selection_samples=1),
        device=torch.device("cpu"),
    )
    images = torch.from_numpy(tiny_dataset.splits["validation"][:4]).flatten(1).float()
    noise = NoiseSource(distribution(wide), generator(2, "gradient noise"))
    model = model_of(trained.weights, variables=2)
    expected = bias_and_variance(model, images, 0.5, noise, distribution(wide, torch.float64), samples=10)
    row = table.query("perturbation == 'wide' and temperature == 0.5 and seed == 2").iloc[0]
    # In a stack and alone, training rounds differently.
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-4)
