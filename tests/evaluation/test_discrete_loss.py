"""The discrete loss against enumeration of all codes and against a plain loop."""

import math

import pytest
import torch
import torch.nn.functional as F
from discrete_vae.config.definitions import law_of
from discrete_vae.evaluation import discrete_loss as evaluation
from discrete_vae.evaluation.discrete_loss import discrete_loss, mean_kl_of_codes
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.network import Architecture, model_of, stack
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from tiny import IMAGES, in_double, losses_of_all_codes, weights_of


def evaluate(models, laws, samples, source_of=None):
    sources = [NoiseSource(distribution(law_of(PAPER_LAWS[name])), generator(5, "noise")) for name in laws]
    return discrete_loss(
        stack(models),
        IMAGES,
        variables=2,
        samples=samples,
        noise_sources=sources,
        source_of=list(range(len(laws))) if source_of is None else source_of,
    )


@torch.no_grad()
def test_gumbel_loss_converges_to_the_enumeration_of_all_codes():
    """With Gumbel noise P(argmax) is softmax(theta), so the expectation over codes is a finite sum."""
    weights = weights_of(3, times=3)
    model = model_of(weights, variables=2)
    q = F.softmax(model.encode(IMAGES.float()), dim=-1)
    codes, losses = losses_of_all_codes(model, IMAGES)
    expected = (q[:, 0, codes[:, 0]] * q[:, 1, codes[:, 1]] * losses).sum(-1)
    expected_kl = (q * (q * 3).log()).sum((1, 2))

    reconstruction, kl = evaluate([weights], ["gumbel"], samples=200_000)
    # The standard deviation over codes is below 1 nat here: 0.01 is more than four standard errors.
    torch.testing.assert_close(reconstruction[0], expected, atol=0.01, rtol=0)
    torch.testing.assert_close(kl[0].float(), expected_kl)


@torch.no_grad()
@pytest.mark.parametrize("law", PAPER_LAWS)
def test_loss_agrees_with_a_plain_loop_over_the_same_noise(law):
    weights, samples = weights_of(4, times=3), 7
    model = model_of(weights, variables=2)
    noise = NoiseSource(distribution(law_of(PAPER_LAWS[law])), generator(5, "noise")).draw((len(IMAGES), samples, 2, 3))
    expected = []
    for image, gammas in zip(IMAGES.float(), noise, strict=True):
        losses = []
        for gamma in gammas:
            code = F.one_hot((model.encode(image) + gamma).argmax(-1), 3).float()
            losses.append(F.binary_cross_entropy_with_logits(model.decode(code), image, reduction="sum"))
        expected.append(torch.stack(losses).mean())
    reconstruction, kl = evaluate([weights], [law], samples)
    torch.testing.assert_close(reconstruction[0].float(), torch.stack(expected))
    assert reconstruction.dtype == kl.dtype == torch.float64, "means over thousands of images keep their digits"


def test_a_model_is_evaluated_alike_in_any_stack_and_any_chunks(monkeypatch):
    models = [weights_of(seed, times=3) for seed in (1, 2, 3)]
    alone = evaluate(models[1:2], ["normal"], samples=4)
    together = evaluate(models, ["gumbel", "normal"], samples=4, source_of=[0, 1, 1])
    assert all(torch.equal(a[0], t[1]) for a, t in zip(alone, together, strict=True))
    monkeypatch.setitem(evaluation.CODES_AT_ONCE, "cpu", 4)  # one image at a time
    in_chunks = evaluate(models[1:2], ["normal"], samples=4)
    torch.testing.assert_close(alone, in_chunks)


@pytest.mark.parametrize(("at_once", "images"), [(8, [2]), (3, [1, 1])])
def test_no_more_codes_are_drawn_at_once_than_fit(monkeypatch, at_once, images):
    drawn, plain_draw = [], NoiseSource.draw
    monkeypatch.setattr(NoiseSource, "draw", lambda source, shape: drawn.append(shape[0]) or plain_draw(source, shape))
    monkeypatch.setitem(evaluation.CODES_AT_ONCE, "cpu", at_once)
    evaluate([weights_of(1, times=3)], ["normal"], samples=4)
    assert drawn == images


@pytest.mark.parametrize("name", PAPER_LAWS)
def test_the_kl_of_the_codes_is_zero_for_equal_logits_and_quietly_missing_where_one_is_infinite(name, caplog):
    weights = {name: torch.zeros_like(values).unsqueeze(0) for name, values in weights_of(1).items()}
    laws = [in_double(PAPER_LAWS[name])]
    kl = mean_kl_of_codes(weights, IMAGES, variables=2, code_laws=laws)
    assert kl == pytest.approx([0], abs=1e-6)
    weights["encoder.2.bias"][0, 0] = math.inf
    (kl,) = mean_kl_of_codes(weights, IMAGES, variables=2, code_laws=laws)
    assert math.isnan(kl)
    assert caplog.text == "", "a diverged model is no matter of quadrature"


def test_an_evaluation_leaves_the_weights_as_they_are():
    """Also those of a single hidden unit, whose transpose is the same memory."""
    small = Architecture(pixels=6, hidden=1, variables=2, categories=3)
    weights = weights_of(1, sizes=small)
    before = {name: values.clone() for name, values in weights.items()}
    codes = torch.zeros(4, 5, small.variables, dtype=torch.int64)
    evaluation.pixel_logits_of_codes({name: values.unsqueeze(0) for name, values in weights.items()}, codes)
    assert all(torch.equal(values, before[name]) for name, values in weights.items())
