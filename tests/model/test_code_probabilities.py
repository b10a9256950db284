"""Code probabilities against closed forms, Monte Carlo and finite differences."""

import math

import pytest
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as F
from conftest import WITHOUT_CODE_PROBABILITIES
from discrete_vae.config.definitions import PARAMETERS, law_of
from discrete_vae.errors import InputError
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model import quadrature
from discrete_vae.model.code_probabilities import (
    CodesKLWithGradient,
    argmax_probabilities,
    check_quadrature,
    check_trainable,
    kl_of_codes,
    known_probabilities,
)
from discrete_vae.model.network import softmax_kl_with_gradient
from discrete_vae.model.noise import NoiseSource
from discrete_vae.model.random_streams import generator
from tiny import in_double
from torch.distributions import AffineTransform, TransformedDistribution

LOGITS = torch.tensor([[0.3, -1.2, 2.0, 0.0], [5.0, 4.9, -3.0, 1.0], [0.0, 0.0, 0.0, 0.0]]).double()
OTHER_LAWS = {
    "laplace": {"distribution": "Laplace", "loc": 0, "scale": 1},
    "uniform": {"distribution": "Uniform", "low": -1, "high": 1},
    "exponential": {"distribution": "Exponential", "rate": 1},
    "narrow": {"distribution": "Gumbel", "loc": 0.3, "scale": 0.78},
    "wide": {"distribution": "Normal", "loc": 0.5, "scale": math.pi / math.sqrt(6)},
}


def named(name):
    return in_double({**PAPER_LAWS, **OTHER_LAWS}[name])


def test_quadrature_draws_no_random_numbers():
    before = torch.get_rng_state()
    argmax_probabilities(LOGITS, named("logistic"))
    assert torch.equal(torch.get_rng_state(), before)


def test_quadrature_of_gumbel_noise_is_softmax():
    """A Gumbel law in disguise takes the way of every law."""
    disguised = TransformedDistribution(named("gumbel"), AffineTransform(0.0, 1.0), validate_args=False)
    probabilities = argmax_probabilities(LOGITS, disguised)
    torch.testing.assert_close(probabilities, F.softmax(LOGITS, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(argmax_probabilities(LOGITS, named("gumbel")), F.softmax(LOGITS, dim=-1))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_codes_of_scaled_gumbel_noise_are_the_softmax_of_scaled_logits(scale):
    law = in_double({"distribution": "Gumbel", "loc": 0.3, "scale": scale})
    torch.testing.assert_close(argmax_probabilities(LOGITS, law), F.softmax(LOGITS / scale, dim=-1))


@pytest.mark.parametrize("difference", [-100.0, -3.0, 0.0, 0.7, 12.0])
def test_two_categories_have_closed_forms(difference):
    logits = torch.tensor([difference, 0.0]).double()
    # The difference of two standard normals is a normal of variance 2.
    expected = scipy.stats.norm.cdf(difference / math.sqrt(2))
    assert argmax_probabilities(logits, named("normal"))[0].item() == pytest.approx(expected, abs=1e-6)
    # P(L1 - L2 <= x) = (1 - (1 + x) exp(-x)) / (1 - exp(-x))^2 with x > 0, for two standard logistics: by integration
    # of F(z + x) f(z).
    x = abs(difference)
    larger = 0.5 if x == 0 else (1 - (1 + x) * math.exp(-x)) / (1 - math.exp(-x)) ** 2
    expected = larger if difference >= 0 else 1 - larger
    assert argmax_probabilities(logits, named("logistic"))[0].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [*PAPER_LAWS, *OTHER_LAWS])
def test_probabilities_agree_with_monte_carlo(name):
    law, draws = named(name), 2 * 10**6
    counts = torch.zeros(LOGITS.shape[1], dtype=torch.long)
    g = generator(0, "monte carlo")
    for _ in range(2):
        codes = (LOGITS[0].float() + NoiseSource(law, g).draw((draws // 2, LOGITS.shape[1]))).argmax(-1)
        counts += codes.bincount(minlength=LOGITS.shape[1])
    probabilities = argmax_probabilities(LOGITS[0], law)
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-6)
    standard_errors = (probabilities * (1 - probabilities) / draws).sqrt() + 1e-7
    assert ((counts / draws - probabilities).abs() < 4.5 * standard_errors).all()


@pytest.mark.parametrize("name", PAPER_LAWS)
@pytest.mark.parametrize("categories", [2, 50, 1000])
def test_extreme_logits_and_many_categories_stay_probabilities(name, categories):
    logits = torch.linspace(-100, 100, categories).double().unsqueeze(0)
    probabilities = argmax_probabilities(logits, named(name))
    assert probabilities.isfinite().all()
    assert (probabilities >= 0).all()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-6)
    assert kl_of_codes(probabilities).isfinite().all()
    of_equal_logits = argmax_probabilities(torch.zeros(1, categories), named(name))
    assert kl_of_codes(of_equal_logits).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", [*PAPER_LAWS, *OTHER_LAWS])
def test_probabilities_are_differentiable(name):
    logits = LOGITS[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda theta: argmax_probabilities(theta, named(name)), logits, atol=1e-6)


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}, "no distribution function"),
        ({"distribution": "Cauchy", "loc": 0, "scale": 1}, "tails that quadrature does not resolve"),
        # Most of it lies beyond a million, where no quantile is looked for.
        ({"distribution": "Normal", "loc": 0, "scale": 1e7}, "tails that quadrature does not resolve"),
    ],
)
def test_a_law_that_quadrature_cannot_serve_is_refused(definition, complaint):
    law = in_double(definition)
    with pytest.raises(InputError, match=complaint):
        argmax_probabilities(LOGITS, law)
    with pytest.raises(InputError, match=complaint):
        check_quadrature(law)


def test_kl_of_codes_agrees_with_scipy():
    q = F.softmax(LOGITS, dim=-1)
    expected = scipy.special.rel_entr(q.numpy(), 1 / 4).sum(-1)
    assert kl_of_codes(q).tolist() == pytest.approx(expected.tolist())
    assert kl_of_codes(torch.tensor([1.0, 0.0]).double()).item() == pytest.approx(math.log(2))


def test_kl_of_the_codes_of_a_stack_has_the_gradient_of_autograd():
    g = generator(2, "test")
    logits = 3 * torch.randn(3, 2, 4, 5, generator=g, dtype=torch.float64)  # models x N x K x minibatch
    laws = [named(name) for name in PAPER_LAWS]
    kl, gradient = CodesKLWithGradient(laws, 4)(logits)
    for member, law in enumerate(laws):
        theta = logits[member].movedim(1, -1).clone().requires_grad_()
        expected = kl_of_codes(argmax_probabilities(theta, law)).sum()
        expected.backward()
        assert kl[member].item() == pytest.approx(expected.item())
        torch.testing.assert_close(gradient[member], theta.grad.movedim(-1, 1))


@pytest.mark.parametrize("spread", [0.5, 8.0, 20.0, 1000.0])
@pytest.mark.parametrize("name", [*PAPER_LAWS, *OTHER_LAWS])
def test_the_gradient_of_the_kl_is_the_limit_of_differences(name, spread):
    """Also where a code has no probability, at which the derivative of the logarithm is infinite."""
    kl, step = CodesKLWithGradient([named(name)], 4), 1e-5
    logits = spread * torch.tensor([0.0, 0.4, 0.5, 1.0], dtype=torch.float64).view(1, 1, 4, 1)
    _, gradient = kl(logits)
    for k, shift in enumerate(step * torch.eye(4, dtype=torch.float64).unsqueeze(-1)):
        (above, _), (below, _) = kl(logits + shift), kl(logits - shift)
        assert gradient[0, 0, k, 0].item() == pytest.approx((above - below).item() / (2 * step), abs=1e-4)


@pytest.mark.parametrize(
    "definition",
    [
        {"distribution": "Gamma", "concentration": 0.8, "rate": 1},
        {"distribution": "Gamma", "concentration": 0.8, "rate": 1e-3},  # where every density is low
        {"distribution": "Weibull", "scale": 1, "concentration": 0.9},
        {"distribution": "Kumaraswamy", "concentration1": 0.7, "concentration0": 0.7},
        {"distribution": "Kumaraswamy", "concentration1": 2, "concentration0": 0.9},  # at the upper end alone
        {"distribution": "Weibull", "scale": 1, "concentration": 1.5},  # bounded: a step of training takes minutes
        {"distribution": "Chi2", "df": 3},
    ],
)
def test_the_gradient_under_a_density_that_is_unbounded_or_steep_is_refused(definition):
    """Nodes at the end of an unbounded one would give a wrong gradient."""
    with pytest.raises(InputError, match="unbounded or too steep at an end"):
        CodesKLWithGradient([in_double(definition)], 4)


def test_probabilities_of_logits_that_quadrature_does_not_resolve_are_missing():
    """Though those of others are known under the same law."""
    law = in_double({"distribution": "Gamma", "concentration": 0.8, "rate": 1})
    check_quadrature(law)
    probabilities = known_probabilities(3 * torch.randn(20, 10, generator=generator(0, "test")), law)
    assert probabilities.isnan().all()
    assert probabilities.dtype == torch.float64


@pytest.mark.parametrize("categories", [2, 10, 50])
@pytest.mark.parametrize("name", [*PAPER_LAWS, *OTHER_LAWS])
def test_the_fixed_nodes_of_a_stack_are_fine_enough_for_any_logits(name, categories):
    """Their number is chosen on a few logits, before those of the training are known."""
    logits = torch.randn(1, 3, categories, 20, generator=generator(3, "test"), dtype=torch.float64)
    logits *= torch.logspace(-2, 2, 20, dtype=torch.float64)  # almost equal ones, and ones that decide every code
    kl, _ = CodesKLWithGradient([named(name)], categories)(logits)
    expected = kl_of_codes(argmax_probabilities(logits.mT, named(name))).sum()
    assert kl.item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_narrow_law_whose_density_is_high_has_the_kl_of_a_wide_one_at_wider_logits():
    logits = torch.randn(1, 2, 4, 5, generator=generator(2, "test"), dtype=torch.float64)
    narrow = in_double({"distribution": "Uniform", "low": -0.1, "high": 0.1})
    kl, gradient = CodesKLWithGradient([narrow], 4)(0.1 * logits)
    expected_kl, expected_gradient = CodesKLWithGradient([named("uniform")], 4)(logits)
    torch.testing.assert_close(kl, expected_kl)
    torch.testing.assert_close(gradient, 10 * expected_gradient)


def test_a_large_stack_is_computed_in_parts(monkeypatch):
    logits = torch.randn(2, 3, 4, 50, generator=generator(3, "test"), dtype=torch.float64)
    laws = [named("normal"), named("laplace")]
    whole = CodesKLWithGradient(laws, 4)(logits)
    monkeypatch.setitem(quadrature.NUMBERS_AT_ONCE, "cpu", 2_000)
    kl, of_part, parts = CodesKLWithGradient(laws, 4), quadrature.Quadrature.of_part, []
    monkeypatch.setattr(quadrature.Quadrature, "of_part", lambda *these: parts.append(these[1]) or of_part(*these))
    for found, expected in zip(kl(logits), whole, strict=True):
        torch.testing.assert_close(found, expected)
    assert sum(map(len, parts)) == 2 * 3 * 50
    assert max(map(len, parts)) * 4 * 32 <= 2_000, "of 4 categories, at 32 nodes or more"


def test_kl_of_gumbel_codes_is_that_of_the_softmax():
    logits = torch.randn(1, 2, 4, 5, generator=generator(2, "test"))
    for found, expected in zip(
        CodesKLWithGradient([named("gumbel")], 4)(logits), softmax_kl_with_gradient(logits), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", PAPER_LAWS)
def test_the_kl_of_almost_equal_logits_keeps_its_digits_though_they_are_in_single_precision(name):
    """It is the small difference of two numbers near log K."""
    logits = 1e-3 * torch.randn(1, 2, 4, 5, generator=generator(2, "test"))
    (kl, gradient), (expected_kl, expected_gradient) = (
        CodesKLWithGradient([named(name)], 4)(theta) for theta in (logits, logits.double())
    )
    assert kl.item() == pytest.approx(expected_kl.item(), rel=1e-6)
    torch.testing.assert_close(gradient, expected_gradient.float(), rtol=1e-6, atol=0)


def test_a_diverged_model_has_no_kl_and_disturbs_no_other():
    logits = torch.randn(2, 2, 4, 5, generator=generator(2, "test"))
    logits[0, 0, 0, 0] = math.inf
    law = named("normal")
    kl, _ = CodesKLWithGradient([law, law], 4)(logits)
    assert kl[0].isnan()
    torch.testing.assert_close(kl[1:], CodesKLWithGradient([law], 4)(logits[1:])[0])


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        ({"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}, "has no distribution function"),
        ({"distribution": "LogNormal", "loc": 0, "scale": 1}, "has tails that quadrature does not resolve"),
        ({"distribution": "Weibull", "scale": 1, "concentration": 0.9}, "has a density that is unbounded"),
    ],
)
def test_a_law_that_cannot_be_trained_on_the_kl_of_codes_is_named(law, reason):
    laws = {"gumbel": law_of(PAPER_LAWS["gumbel"]), "mine": law_of(law)}
    expected = rf"^grid.perturbation has 'mine': the law .* {reason}.*; choose .*, or set training.kl to softmax$"
    with pytest.raises(InputError, match=expected):
        check_trainable(laws, [4, 10])


def test_the_laws_of_the_paper_can_be_trained_on_the_kl_of_codes():
    check_trainable({name: law_of(law) for name, law in PAPER_LAWS.items()}, [2, 10, 50])


# A definition of each law, mild enough for quadrature where any is.
MILD_LAWS = {
    name: {"distribution": name, **dict.fromkeys(parameters, 0.9)} for name, parameters in PARAMETERS.items()
} | {
    "Chi2": {"distribution": "Chi2", "df": 4},
    "InverseGamma": {"distribution": "InverseGamma", "concentration": 20, "rate": 2},
    "LogNormal": {"distribution": "LogNormal", "loc": 0, "scale": 0.3},
    "Uniform": {"distribution": "Uniform", "low": -1, "high": 1},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_laws_without_code_probabilities_are_known(name):
    law = in_double(MILD_LAWS[name])
    if name in WITHOUT_CODE_PROBABILITIES:
        with pytest.raises(InputError, match=r"no distribution function|tails that quadrature"):
            CodesKLWithGradient([law], 4)
    else:
        assert argmax_probabilities(torch.zeros(4), law).tolist() == pytest.approx([0.25] * 4, abs=1e-6)
