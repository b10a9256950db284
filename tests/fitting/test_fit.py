"""Fits to fixed distributions: targets, objective and errors against closed forms, and convergence."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.integrate
import scipy.stats
import torch
import torch.nn.functional as F
from discrete_vae.config.configuration import Fitting
from discrete_vae.config.definitions import Binomial, NegativeBinomial, Poisson, Table, law_of
from discrete_vae.fitting.fit import (
    RelaxedNoise,
    fit,
    fit_logits,
    squared_distance,
    target_probabilities,
    total_variation,
)
from discrete_vae.fitting.table import summarize_fits
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.code_probabilities import argmax_probabilities
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator

P = np.array([0.5, 0.3, 0.15, 0.05])
OPTIONS = Fitting(steps=20, samples=10, learning_rate=0.1, record_every=8)
UNIFORM = {"distribution": "Uniform", "low": -1, "high": 1}


@pytest.mark.parametrize(
    ("target", "law"),
    [
        (Binomial("binomial", n=12, p=0.3, K=13), scipy.stats.binom(12, 0.3)),
        (Binomial("binomial", n=12, p=0.3, K=5), scipy.stats.binom(12, 0.3)),
        (Poisson("poisson", rate=50, K=100), scipy.stats.poisson(50)),
        (NegativeBinomial("negative-binomial", r=2.5, p=0.6, K=8), scipy.stats.nbinom(2.5, 0.6)),
    ],
)
def test_targets_are_truncated_and_normalized(target, law):
    probabilities = target_probabilities(target)
    counts = np.arange(target.K)
    assert probabilities.tolist() == pytest.approx((law.pmf(counts) / law.cdf(counts[-1])).tolist())


def test_targets_have_the_parameters_of_the_textbook():
    binomial = target_probabilities(Binomial("binomial", n=2, p=0.3, K=3))
    assert binomial.tolist() == pytest.approx([0.49, 0.42, 0.09])
    poisson = target_probabilities(Poisson("poisson", rate=5, K=9))
    assert poisson[3] / poisson[2] == pytest.approx(5 / 3)
    failures = target_probabilities(NegativeBinomial("negative-binomial", r=3, p=0.6, K=2))
    assert failures[1] / failures[0] == pytest.approx(3 * 0.4)
    assert target_probabilities(Table("table", (0.2, 0, 0.8))).tolist() == pytest.approx([0.2, 0, 0.8])


def test_a_far_truncation_is_still_a_distribution():
    far = target_probabilities(Poisson("poisson", rate=5000, K=2))
    assert far == pytest.approx([1 / 5001, 5000 / 5001])
    assert target_probabilities(Binomial("binomial", n=1, p=0.5, K=4)).tolist() == [0.5, 0.5, 0, 0]


def test_the_objective_is_the_mean_over_pairs_of_samples():
    relaxed = torch.rand(2, 5, 3, generator=generator(0, "x"), dtype=torch.float64)
    target = torch.tensor([0.2, 0.3, 0.5]).double()
    difference = relaxed - target
    pairs = [(difference[:, a] * difference[:, b]).sum(-1) for a in range(relaxed.shape[1]) for b in range(5) if a != b]
    torch.testing.assert_close(squared_distance(relaxed, target), torch.stack(pairs).mean(0))


def test_objective_and_gradient_are_unbiased():
    """With two categories and Gumbel noise, y_1 = sigmoid((theta_1 - theta_2 + L) / tau) with L standard logistic."""
    temperature, difference, target = 0.7, 0.4, torch.tensor([0.8, 0.2]).double()

    def mean(function):
        return scipy.integrate.quad(lambda x: function(x) * scipy.stats.logistic.pdf(x), -60, 60)[0]

    def y(x):
        return 1 / (1 + math.exp(-(difference + x) / temperature))

    distance = mean(y) - 0.8
    slope = mean(lambda x: y(x) * (1 - y(x)) / temperature)

    logits = torch.tensor([difference, 0.0]).double().requires_grad_()
    noise = NoiseSource(distribution(law_of(PAPER_LAWS["gumbel"])), generator(0, "x")).draw((100_000, 3, 2)).double()
    estimates = squared_distance(F.softmax((logits + noise) / temperature, dim=-1), target)
    estimates.mean().backward()
    standard_error = (estimates.std() / math.sqrt(len(estimates))).item()
    assert estimates.mean().item() == pytest.approx(2 * distance**2, abs=4 * standard_error)
    assert logits.grad.tolist() == pytest.approx([4 * distance * slope, -4 * distance * slope], rel=0.03)
    assert (estimates < 0).any()


@pytest.mark.parametrize(
    "definition", [*PAPER_LAWS.values(), UNIFORM], ids=lambda definition: definition["distribution"]
)
def test_the_mean_relaxed_sample_is_a_code_probability(definition):
    law = distribution(law_of(definition), torch.float64)
    logits = torch.tensor([0.3, -1.2, 1.0, 0.0]).double()
    noise = NoiseSource(law, generator(0, "x")).draw((1_000_000, 4))
    for temperature in (0.01, 0.5, 3.0):
        expected = F.softmax((logits + noise) / temperature, dim=-1).mean(0)
        probabilities = argmax_probabilities(logits, RelaxedNoise(law, temperature))
        torch.testing.assert_close(probabilities, expected, atol=0.002, rtol=0)
        assert probabilities.sum().item() == pytest.approx(1, abs=2e-6)


def test_the_mean_relaxed_sample_of_two_categories_is_exact():
    law = distribution(law_of(PAPER_LAWS["gumbel"]), torch.float64)
    for temperature in (0.05, 1.0):
        expected, _ = scipy.integrate.quad(
            lambda x, tau=temperature: scipy.stats.logistic.cdf((0.4 + x) / tau) * scipy.stats.logistic.pdf(x),
            *(-60, 60),
            points=[-0.4],
            limit=200,
        )
        probabilities = argmax_probabilities(torch.tensor([0.4, 0.0]), RelaxedNoise(law, temperature))
        assert probabilities[0].item() == pytest.approx(expected, abs=1e-6)


def test_a_fit_with_gumbel_noise_finds_the_log_probabilities():
    recorded = fit_logits(
        torch.from_numpy(P),
        distribution(law_of(PAPER_LAWS["gumbel"])),
        temperatures=[0.05],
        seeds=[1],
        options=Fitting(steps=300, samples=500, learning_rate=0.03, record_every=300),
    )
    (logits,) = recorded[300][0].double()
    assert total_variation(F.softmax(logits, dim=-1), torch.from_numpy(P)) < 0.02
    assert (logits - logits[0])[:3].tolist() == pytest.approx(np.log(P / P[0])[:3].tolist(), abs=0.15)


@pytest.mark.parametrize("law", PAPER_LAWS)
def test_the_mean_relaxed_sample_comes_close_where_the_codes_stay_away(law):
    options = Fitting(steps=200, samples=400, learning_rate=0.03, record_every=200)
    last = fit(P, law_of(PAPER_LAWS[law]), temperatures=[0.1, 1.5], seeds=[1], options=options).query("step == 200")
    cold, hot = last.to_dict("records")
    assert max(cold["discrete_error"], cold["relaxed_error"], hot["relaxed_error"]) < 0.03
    assert hot["discrete_error"] > 0.06


def test_fits_start_from_equal_logits_and_record_the_last_step():
    fits = fit(P, law_of(PAPER_LAWS["normal"]), temperatures=[0.5], seeds=[1, 2], options=OPTIONS)
    assert fits["step"].tolist() == [0, 8, 16, 20] * 2
    at_first = fits[fits["step"] == 0]
    assert at_first[["discrete_error", "relaxed_error"]].to_numpy() == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("law", PAPER_LAWS)
def test_a_temperature_is_the_same_bits_whatever_else_is_fitted(law):
    together, again = (
        fit(P, law_of(PAPER_LAWS[law]), temperatures=[0.1, 0.5], seeds=[1, 2], options=OPTIONS) for _ in range(2)
    )
    alone = fit(P, law_of(PAPER_LAWS[law]), temperatures=[0.5], seeds=[1, 2], options=OPTIONS)
    pd.testing.assert_frame_equal(again, together, check_exact=True)
    expected = together[together["temperature"] == 0.5].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_a_seed_does_not_depend_on_the_others():
    together = fit(P, law_of(PAPER_LAWS["normal"]), temperatures=[0.5], seeds=[1, 2], options=OPTIONS)
    alone = fit(P, law_of(PAPER_LAWS["normal"]), temperatures=[0.5], seeds=[2], options=OPTIONS)
    expected = together[together["seed"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, atol=2e-6, rtol=0)
    of_first = together[together["seed"] == 1].reset_index(drop=True)
    assert (alone["discrete_error"] - of_first["discrete_error"]).abs().max() > 1e-3


def test_the_table_keeps_a_temperature_as_it_is():
    temperature = 10 ** (-5 / 3)
    fits = fit(P, law_of(PAPER_LAWS["gumbel"]), temperatures=[temperature, 1e-7], seeds=[1], options=OPTIONS)
    assert fits["temperature"].unique().tolist() == [temperature, 1e-7]
    summary = summarize_fits(fits.assign(target="t", perturbation="gumbel"))
    assert summary["temperature"].tolist() == [temperature, 1e-7]


def test_a_law_without_distribution_function_is_fitted_without_errors(caplog):
    student = {"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}
    fits = fit(P, law_of(student), temperatures=[0.5], seeds=[1], options=OPTIONS)
    assert fits["step"].tolist() == [0, 8, 16, 20]
    assert fits[["discrete_error", "relaxed_error"]].isna().all(axis=None)
    assert "has no distribution function" in caplog.text
