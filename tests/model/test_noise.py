"""Noise laws against scipy and torch."""

import math

import pytest
import scipy.stats
import torch
import torch.distributions
from discrete_vae.config.definitions import LAWS, PARAMETERS, POSITIVE, REAL, law_of
from discrete_vae.model import noise as noise_module
from discrete_vae.model.noise import NoiseSource, NoiseStream, distribution, spell, uniform
from discrete_vae.model.random_streams import generator
from torch.distributions import constraints

# A definition of each law of the table, and the same law in scipy's words.
SCIPY_LAWS = {
    "Beta": ({"concentration1": 2, "concentration0": 3}, scipy.stats.beta(2, 3)),
    "Cauchy": ({"loc": 0.5, "scale": 2}, scipy.stats.cauchy(0.5, 2)),
    "Chi2": ({"df": 4}, scipy.stats.chi2(4)),
    "ContinuousBernoulli": ({"probs": 0.3}, None),
    "Exponential": ({"rate": 2}, scipy.stats.expon(scale=0.5)),
    "FisherSnedecor": ({"df1": 4, "df2": 6}, scipy.stats.f(4, 6)),
    "Gamma": ({"concentration": 2, "rate": 3}, scipy.stats.gamma(2, scale=1 / 3)),
    "GeneralizedPareto": ({"loc": 0, "scale": 1, "concentration": 0.2}, scipy.stats.genpareto(0.2)),
    "Gumbel": ({"loc": 0, "scale": 1}, scipy.stats.gumbel_r()),
    "HalfCauchy": ({"scale": 2}, scipy.stats.halfcauchy(scale=2)),
    "HalfNormal": ({"scale": 2}, scipy.stats.halfnorm(scale=2)),
    "InverseGamma": ({"concentration": 3, "rate": 2}, scipy.stats.invgamma(3, scale=2)),
    "Kumaraswamy": ({"concentration1": 2, "concentration0": 1}, scipy.stats.beta(2, 1)),
    "Laplace": ({"loc": 0, "scale": 1}, scipy.stats.laplace()),
    "LogNormal": ({"loc": 0, "scale": 0.5}, scipy.stats.lognorm(0.5)),
    "Logistic": ({"loc": 0.3, "scale": 1.5}, scipy.stats.logistic(0.3, 1.5)),
    "Normal": ({"loc": 0, "scale": math.pi / math.sqrt(6)}, scipy.stats.norm(0, math.pi / math.sqrt(6))),
    "Pareto": ({"scale": 1, "alpha": 3}, scipy.stats.pareto(3)),
    "StudentT": ({"df": 5, "loc": 0, "scale": 1}, scipy.stats.t(5)),
    "Uniform": ({"low": -1, "high": 1}, scipy.stats.uniform(-1, 2)),
    "VonMises": ({"loc": 0, "concentration": 2}, scipy.stats.vonmises(2)),
    "Weibull": ({"scale": 2, "concentration": 1.5}, scipy.stats.weibull_min(1.5, scale=2)),
}


def torch_law(name):
    return distribution(law_of({"distribution": name, **SCIPY_LAWS[name][0]}))


@pytest.mark.parametrize("name", LAWS)
def test_samples_have_the_law_that_scipy_gives(name):
    noise = NoiseSource(torch_law(name), generator(0, f"test {name}")).draw((100_000,))
    assert noise.dtype == torch.float32
    assert noise.isfinite().all()
    reference = SCIPY_LAWS[name][1]
    if reference is None:  # scipy has no continuous Bernoulli
        distribution_function = lambda x: torch_law(name).cdf(torch.as_tensor(x)).numpy()  # noqa: E731
    else:
        distribution_function = reference.cdf
    assert scipy.stats.kstest(noise.double().numpy(), distribution_function).pvalue > 1e-3


def test_the_logistic_law_which_torch_lacks_is_scipys():
    loc, scale = 0.3, 1.5
    law = distribution(law_of({"distribution": "Logistic", "loc": loc, "scale": scale}), torch.float64)
    of_scipy = scipy.stats.logistic(loc, scale)
    places = torch.linspace(-50, 50, 101, dtype=torch.float64)
    assert law.log_prob(places).tolist() == pytest.approx(of_scipy.logpdf(places))
    assert law.cdf(places).tolist() == pytest.approx(of_scipy.cdf(places))
    assert law.variance.item() == pytest.approx(of_scipy.var())


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_spelled_with_its_parameters(name):
    spelled = spell(torch_law(name))
    assert spelled.startswith(f"{name}(")
    for parameter, value in SCIPY_LAWS[name][0].items():
        assert f"{parameter} {value:g}" in spelled


@pytest.mark.parametrize("name", sorted(LAWS.keys() - {"Logistic", "Uniform"}))
def test_the_table_has_the_parameters_and_bounds_of_torch(name):
    def constraint(bounds):
        if bounds == REAL:
            return constraints.real
        return constraints.positive if bounds == POSITIVE else constraints.unit_interval

    of_torch = dict(getattr(torch.distributions, name).arg_constraints)
    of_torch.pop("logits", None)  # another way to give probs
    assert {parameter: constraint(bounds) for parameter, bounds in PARAMETERS[name].items()} == of_torch


def test_every_univariate_continuous_law_of_torch_is_in_the_table():
    plain, found = {constraints.real, constraints.positive, constraints.unit_interval}, set()
    for name in torch.distributions.__all__:
        law = getattr(torch.distributions, name)
        arguments = getattr(law, "arg_constraints", None)
        if not isinstance(arguments, dict) or not arguments or not set(arguments.values()) <= plain:
            continue
        if not law.support.is_discrete and law.support.event_dim == 0:
            found.add(name)
    # The temperature of a relaxed Bernoulli must be a tensor. Torch's uniform law has bounds that depend on each other.
    assert found - {"RelaxedBernoulli"} == LAWS.keys() - {"Uniform", "Logistic"}


@pytest.mark.parametrize("name", ["Gumbel", "StudentT"])
def test_noise_follows_its_generator_alone(name):
    global_state = torch.random.get_rng_state()
    first = NoiseSource(torch_law(name), generator(1, "a")).draw((3, 4))
    assert torch.equal(first, NoiseSource(torch_law(name), generator(1, "a")).draw((3, 4)))
    assert not torch.equal(first, NoiseSource(torch_law(name), generator(1, "b")).draw((3, 4)))
    assert not torch.equal(first, NoiseSource(torch_law(name), generator(2, "a")).draw((3, 4)))
    assert torch.equal(torch.random.get_rng_state(), global_state)


def test_laws_drawn_by_inversion_share_their_uniform_numbers():
    gumbel, normal = (NoiseSource(torch_law(name), generator(0, "x")).draw((1000,)) for name in ("Gumbel", "Normal"))
    assert torch.equal(gumbel.argsort(), normal.argsort())


def test_uniform_numbers_exclude_the_ends():
    numbers = uniform((10_000_000,), generator(0, "x"))
    assert numbers.min() > 0
    assert numbers.max() < 1


@pytest.mark.parametrize("name", LAWS)
def test_noise_is_finite_at_both_ends_of_the_uniform_numbers(name, monkeypatch):
    ends = torch.tensor([noise_module.SMALLEST_UNIFORM, 1 - 2.0**-24])  # the largest that torch draws
    monkeypatch.setattr(noise_module, "uniform", lambda shape, generator: ends.clone())
    noise = NoiseSource(torch_law(name), generator(0, "x")).draw((2,))
    assert noise.isfinite().all()
    assert noise.abs().max() < 1e8


@pytest.mark.parametrize("name", ["Gumbel", "Normal", "Logistic"])
def test_noise_of_the_largest_uniform_number_is_its_quantile(name, monkeypatch):
    largest = torch.tensor([1 - 2.0**-24])
    monkeypatch.setattr(noise_module, "uniform", lambda shape, generator: largest.clone())
    assert torch.equal(NoiseSource(torch_law(name), generator(0, "x")).draw((1,)), torch_law(name).icdf(largest))


def streams_of(*names):
    return NoiseStream([NoiseSource(torch_law(name), generator(1, name)) for name in names], (2, 3))


def test_a_stream_gives_each_source_its_own_noise_whatever_the_others(monkeypatch):
    monkeypatch.setitem(noise_module.NUMBERS_AT_ONCE, "cpu", 4 * 2 * 3)
    alone, beside = streams_of("Normal"), streams_of("Gumbel", "Normal")
    expected = NoiseSource(torch_law("Normal"), generator(1, "Normal"))
    for _ in range(2):  # blocks of four steps
        for noise in expected.draw((4, 2, 3)):
            assert torch.equal(alone.advance(), noise.unsqueeze(0))
            assert torch.equal(beside.advance()[1], noise)


@pytest.mark.parametrize(("numbers", "steps"), [(4 * 2 * 3 + 1, 4), (2 * 3 - 1, 1)])
def test_as_many_steps_are_drawn_at_once_as_fit_and_one_at_least(monkeypatch, numbers, steps):
    monkeypatch.setitem(noise_module.NUMBERS_AT_ONCE, "cpu", numbers)
    assert streams_of("Normal").steps_at_once == steps


@pytest.mark.parametrize("taken", [0, 1, 4, 6])
def test_a_stream_is_continued_from_any_place(monkeypatch, taken):
    monkeypatch.setitem(noise_module.NUMBERS_AT_ONCE, "cpu", 4 * 2 * 3)
    stream, continued = streams_of("Gumbel", "StudentT"), streams_of("Gumbel", "StudentT")
    for _ in range(taken):
        stream.advance()
    continued.restore(stream.state())
    for _ in range(9):
        assert torch.equal(continued.advance(), stream.advance())
