"""Losses of the selected models against enumeration of the codes, and their use of codes against planted cases."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from discrete_vae.config.definitions import law_of
from discrete_vae.evaluation import bounds
from discrete_vae.evaluation.bounds import evaluate_images, evaluate_selected, use_of_codes
from discrete_vae.evaluation.trained import TrainedModel
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model import code_probabilities
from discrete_vae.model.code_probabilities import argmax_probabilities, kl_of_codes
from discrete_vae.model.network import kl_to_uniform, model_of, stack
from discrete_vae.model.noise import NoiseSource
from discrete_vae.model.random_streams import generator
from tiny import IMAGES, in_double, losses_of_all_codes, weights_of

SCALED = {
    "narrow": {"distribution": "Gumbel", "loc": 0, "scale": 0.5},
    "wide": {"distribution": "Normal", "loc": 0, "scale": 2.5},
}


@torch.no_grad()
@pytest.mark.parametrize("name", PAPER_LAWS)
def test_bounds_approach_the_likelihood_from_above(name):
    """The likelihood is a finite sum over codes; many importance samples reach it."""
    weights = weights_of(3, times=1.5)
    module = model_of(weights, variables=2)
    codes, losses = losses_of_all_codes(module, IMAGES)
    log_joint = -losses - 2 * math.log(3)
    negative_log_likelihood = -log_joint.logsumexp(-1)
    q = argmax_probabilities(module.encode(IMAGES.float()), in_double(PAPER_LAWS[name]))
    q_of_codes = q[:, 0, codes[:, 0]] * q[:, 1, codes[:, 1]]
    exact_negative_elbo = (q_of_codes * (q_of_codes.log() - log_joint)).sum(-1)

    noise = NoiseSource(in_double(PAPER_LAWS[name]), generator(0, "noise"))
    losses = evaluate_images(stack([weights]), IMAGES, noise, code_law=noise.law, variables=2, samples=100_000)
    torch.testing.assert_close(losses.negative_elbo, exact_negative_elbo, atol=0.03, rtol=0)
    torch.testing.assert_close(losses.importance_weighted_bound, negative_log_likelihood, atol=0.03, rtol=0)
    exact_kl = kl_to_uniform(module.encode(IMAGES.float()).double()).sum(-1)
    torch.testing.assert_close(losses.paper_loss - losses.reconstruction, exact_kl)
    assert (exact_negative_elbo > negative_log_likelihood).all()


@torch.no_grad()
@pytest.mark.parametrize("name", [*PAPER_LAWS, *SCALED])
def test_bounds_of_few_samples_agree_with_a_plain_loop(name, monkeypatch):
    monkeypatch.setattr(bounds, "FEWER_SAMPLES", (2, 3))
    weights, samples = weights_of(3, times=6), 4
    module, law = model_of(weights, variables=2), in_double({**PAPER_LAWS, **SCALED}[name])
    theta = module.encode(IMAGES.float())
    q = argmax_probabilities(theta, law)
    noise = NoiseSource(law, generator(0, "noise")).draw((2, samples, 2, 3))
    log_weights = torch.empty(2, samples, dtype=torch.float64)
    for image, draw in itertools.product(range(2), range(samples)):
        code = (theta[image] + noise[image, draw]).argmax(-1)
        pixel_logits = module.decode(F.one_hot(code, 3).float())
        loss = F.binary_cross_entropy_with_logits(pixel_logits, IMAGES[image].float(), reduction="sum")
        log_weights[image, draw] = -loss - 2 * math.log(3) - q[image, [0, 1], code].log().sum()

    source = NoiseSource(law, generator(0, "noise"))
    losses = evaluate_images(stack([weights]), IMAGES, source, code_law=law, variables=2, samples=samples)
    weights = log_weights.exp()
    expected = {
        "importance_weighted_bound": -weights.mean(1).log(),
        "bound_of_10_samples": -(weights[:, :2].mean(1).log() + weights[:, 2:].mean(1).log()) / 2,  # here of two
        "bound_of_100_samples": -weights[:, :3].mean(1).log(),  # here of three
        "effective_samples": weights.sum(1).square() / weights.square().sum(1),
    }
    for measure, values in expected.items():
        torch.testing.assert_close(getattr(losses, measure), values, atol=1e-5, rtol=1e-5)
    kl = (q * (q * 3).log()).nansum((1, 2))
    torch.testing.assert_close(losses.negative_elbo - losses.reconstruction, kl, atol=1e-6, rtol=1e-6)


SEVEN_IMAGES = np.random.default_rng(0).integers(0, 2, (7, 2, 3)).astype(np.uint8)
NETWORK = model_of(weights_of(3), variables=2)


def evaluate(*points):
    """Evaluate one network as models of some definitions of noise laws and seeds."""
    models = [
        TrainedModel(Cell("d", 3, f"law{place}", 0.5, seed), law_of(definition), NETWORK, (2, 3))
        for place, (definition, seed) in enumerate(points)
    ]
    return evaluate_selected(models, SEVEN_IMAGES, samples=50, device=torch.device("cpu"))


def evaluate_one(definition):
    table, per_image = evaluate((definition, 1))
    (of_images,) = per_image.values()
    return table.iloc[0], of_images


@pytest.mark.parametrize("name", ["normal", *SCALED])
def test_the_table_holds_the_means_of_what_is_kept_for_each_image(name):
    definition = {**PAPER_LAWS, **SCALED}[name]
    row, per_image = evaluate_one(definition)
    assert per_image.shape == (3, 7)
    assert per_image.dtype == np.float32
    for column, values in zip(("paper_loss", "negative_elbo", "importance_weighted_bound"), per_image, strict=True):
        assert row[column] == pytest.approx(values.mean(dtype=np.float64), rel=1e-14)
    logits = NETWORK.encode(torch.from_numpy(SEVEN_IMAGES).flatten(1).float()).detach()
    q = argmax_probabilities(logits, in_double(definition))
    assert row["kl_of_codes"] == pytest.approx(kl_of_codes(q).sum(-1).mean().item())
    assert row["paper_loss"] == pytest.approx(row["reconstruction"] + row["kl_of_softmax"], rel=1e-6)
    assert row["negative_elbo"] == pytest.approx(row["reconstruction"] + row["kl_of_codes"], rel=1e-6)


def test_a_law_without_distribution_function_has_the_paper_loss_alone():
    row, per_image = evaluate_one({"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1})
    assert np.isfinite(row["paper_loss"])
    assert np.isnan([row["negative_elbo"], row["importance_weighted_bound"], row["active_variables"]]).all()
    assert np.isfinite(per_image).all(1).tolist() == [True, False, False]


def test_a_bound_of_more_samples_than_there_are_is_missing():
    row, _ = evaluate_one(PAPER_LAWS["normal"])
    assert row["samples"] == 50
    assert row["bound_of_10_samples"] > row["importance_weighted_bound"]
    assert np.isnan(row["bound_of_100_samples"])
    assert 1 <= row["effective_samples"] <= 50


@pytest.mark.parametrize("samples", [10, 100])
def test_a_bound_of_fewer_samples_is_the_bound_where_there_are_just_so_many(samples):
    weights, law, images = weights_of(3), in_double(PAPER_LAWS["normal"]), torch.from_numpy(SEVEN_IMAGES).flatten(1)
    all_samples, one_less = (
        evaluate_images(
            stack([weights]), images, NoiseSource(law, generator(0, "noise")), code_law=law, variables=2, samples=count
        )
        for count in (samples, samples - 1)
    )
    name = f"bound_of_{samples}_samples"
    torch.testing.assert_close(getattr(all_samples, name), all_samples.importance_weighted_bound)
    assert getattr(one_less, name).isnan().all()


def test_no_more_codes_are_drawn_at_once_than_fit(monkeypatch):
    drawn, plain_draw = [], NoiseSource.draw
    monkeypatch.setattr(NoiseSource, "draw", lambda source, shape: drawn.append(shape[:2]) or plain_draw(source, shape))
    for at_once in (100, 1):  # of 50 samples for each of seven images
        monkeypatch.setitem(bounds.CODES_AT_ONCE, "cpu", at_once)
        evaluate_one(PAPER_LAWS["normal"])
    assert drawn == [(2, 50)] * 3 + [(1, 50)] * 8


def test_the_codes_of_each_model_are_drawn_with_the_noise_of_its_law_and_seed():
    points = list(itertools.product(SCALED.values(), (1, 2)))
    table, _ = evaluate(*points)
    weights = stack([dict(NETWORK.state_dict())])
    images = torch.from_numpy(SEVEN_IMAGES).flatten(1)
    for (definition, seed), found in zip(points, table["reconstruction"], strict=True):
        law = in_double(definition)
        noise = NoiseSource(law, generator(seed, "bound noise"))
        losses = evaluate_images(weights, images, noise, code_law=law, variables=2, samples=50)
        assert found == pytest.approx(losses.reconstruction.mean().item(), rel=1e-6)


def test_use_of_codes_of_planted_models():
    """One variable tells four images apart, one is noise, one always says the same."""
    informative = torch.eye(4).double()
    noisy = torch.full((4, 4), 0.25).double()
    constant = torch.eye(4)[0].expand(4, 4).double()
    use = use_of_codes(torch.stack([informative, noisy, constant], 1))
    assert use["active_variables"] == 1
    assert use["perplexity"] == pytest.approx((4 + 4 + 1) / 3)
    # Variables with 0.0095 and 0.0105 nats about a binary image: one below and one above what counts as active.
    shifts = (0.0689, 0.0724)
    faint = [torch.tensor([[0.5 + shift, 0.5 - shift], [0.5 - shift, 0.5 + shift]]).double() for shift in shifts]
    assert use_of_codes(torch.stack(faint, 1))["active_variables"] == 1
    assert math.isclose(use_of_codes(informative.unsqueeze(1))["perplexity"], 4)


def test_a_law_that_quadrature_cannot_serve_is_refused_before_its_images_are_tried(monkeypatch):
    tried = []
    monkeypatch.setattr(
        code_probabilities,
        "argmax_probabilities",
        lambda logits, law: tried.append(logits.numel()) or argmax_probabilities(logits, law),
    )
    row, _ = evaluate_one({"distribution": "LogNormal", "loc": 0, "scale": 1})
    assert np.isnan(row["negative_elbo"])
    assert tried == [4]
