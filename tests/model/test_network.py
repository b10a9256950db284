"""The loss and its hand-written gradient against autograd, torch's modules and scipy."""

import math
import re

import pytest
import scipy.stats
import tiny
import torch
import torch.nn.functional as F
from conftest import ROOT
from discrete_vae.model import network
from discrete_vae.model.network import (
    Architecture,
    DiscreteVAE,
    bernoulli_loss,
    initial_weights,
    kl_to_uniform,
    loss_and_gradient,
    stack,
    unstack,
)
from discrete_vae.model.random_streams import generator

ARCHITECTURE = Architecture(pixels=12, hidden=7, variables=3, categories=4)
BATCH = 5


def weights_of(seed: int) -> dict[str, torch.Tensor]:
    return {name: values.double() for name, values in tiny.weights_of(seed, times=4, sizes=ARCHITECTURE).items()}


def minibatch(members: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = generator(1, "test")
    images = torch.randint(0, 2, (members, BATCH, ARCHITECTURE.pixels), generator=g).double()
    noise = torch.randn(members, ARCHITECTURE.variables, ARCHITECTURE.categories, BATCH, generator=g).double()
    return images, noise


def plain_loss(model: DiscreteVAE, images, noise, temperature):
    """The training loss as one would write it with torch's modules: sums over the minibatch of both parts."""
    logits = model.encode(images)
    codes = F.softmax((logits + noise.permute(2, 0, 1)) / temperature, dim=-1)
    reconstruction = F.binary_cross_entropy_with_logits(model.decode(codes), images, reduction="sum")
    q = F.softmax(logits, dim=-1)
    kl = (q * (q.log() - math.log(1 / ARCHITECTURE.categories))).sum()
    return reconstruction, kl


def test_loss_and_gradient_of_a_stack_agree_with_autograd_on_each_model():
    temperatures = [0.3, 1.0, 2.5]
    models = [weights_of(seed) for seed in (1, 2, 3)]
    images, noise = minibatch(len(models))
    weights = stack(models)
    gradient = {name: torch.full_like(values, math.nan) for name, values in weights.items()}

    reconstruction, kl = loss_and_gradient(
        weights, gradient, images, noise, torch.tensor(temperatures).double().view(-1, 1, 1, 1)
    )

    for member, temperature in enumerate(temperatures):
        model = DiscreteVAE(ARCHITECTURE).double()
        model.load_state_dict(models[member])
        expected = plain_loss(model, images[member], noise[member], temperature)
        (sum(expected) / BATCH).backward()
        torch.testing.assert_close(torch.stack((reconstruction[member], kl[member])), torch.stack(expected).detach())
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(gradient[name][member], parameter.grad)


def test_the_loss_that_contributors_may_change_has_the_same_gradient():
    """It is called as the training calls it, where autograd is off."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    exec(code, found := dict(vars(network)))
    results = []
    with torch.inference_mode():
        weights, (images, noise) = stack([weights_of(seed) for seed in (1, 2)]), minibatch(2)
        for function in (loss_and_gradient, found["loss_and_gradient"]):
            gradient = {name: torch.full_like(values, math.nan) for name, values in weights.items()}
            results.append((*function(weights, gradient, images, noise, torch.full((2, 1, 1, 1), 0.7)), gradient))
    torch.testing.assert_close(*results)


def test_the_bernoulli_loss_is_the_binary_cross_entropy_of_every_image_under_every_code():
    g = generator(1, "test")
    pixel_logits, images = 9 * torch.randn(5, 12, generator=g), torch.randint(0, 2, (3, 12), generator=g).float()
    pairs = pixel_logits.unsqueeze(1).expand(5, 3, 12), images.expand(5, 3, 12)
    expected = F.binary_cross_entropy_with_logits(*pairs, reduction="none").sum(-1)
    torch.testing.assert_close(bernoulli_loss(pixel_logits, images.T), expected)


def test_kl_agrees_with_scipy():
    logits = torch.tensor([[0.0, 0.0, 0.0], [3.0, -1.0, 0.5], [200.0, 0.0, -200.0]]).double()
    expected = [scipy.stats.entropy(q, [1 / 3] * 3) for q in F.softmax(logits, dim=-1).numpy()]
    assert kl_to_uniform(logits).tolist() == pytest.approx(expected, abs=1e-12)


def test_initial_weights_have_the_law_of_torch_linear_layers():
    architecture = Architecture(pixels=400, hidden=300, variables=10, categories=10)
    drawn = initial_weights(architecture, generator(775, "weights"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = DiscreteVAE(architecture).state_dict()
    assert drawn.keys() == reference.keys()
    for name, values in drawn.items():
        assert values.shape == reference[name].shape
        assert scipy.stats.ks_2samp(values.flatten(), reference[name].flatten()).pvalue > 1e-3


def test_unstack_gives_back_each_model_as_a_state_dict_of_the_module():
    models = [initial_weights(ARCHITECTURE, generator(seed, "weights")) for seed in (1, 2)]
    module = DiscreteVAE(ARCHITECTURE)
    module.load_state_dict(unstack(stack(models), 1))
    assert all(torch.equal(values, models[1][name]) for name, values in module.state_dict().items())


def test_a_model_of_a_stack_is_saved_without_the_others():
    models = [initial_weights(ARCHITECTURE, generator(seed, "weights")) for seed in (1, 2)]
    assert all(v.untyped_storage().nbytes() == v.nbytes for v in unstack(stack(models), 1).values())
