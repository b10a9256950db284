"""The other experiment: fit the logits theta of a perturb-softmax model to a fixed distribution p.

The relaxed sample is y = softmax((theta + gamma) / tau). Adam minimizes || E[y] - p ||^2, which a U-statistic over a
minibatch of samples estimates without bias. The code of Potapczynski et al. (arXiv 1912.09588) fits the mean of a
minibatch in the same way. Two total variation distances to p are measured: of the codes argmax(theta + gamma), which
the fit does not see, and of the mean relaxed sample, which it does.
"""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
import torch
import torch.nn.functional as F
from scipy.interpolate import CubicSpline
from torch import Tensor
from torch.distributions import Distribution, Gumbel, constraints

from discrete_vae.config.configuration import Fitting
from discrete_vae.config.definitions import Binomial, Law, NegativeBinomial, Poisson, Table, Target
from discrete_vae.errors import InputError
from discrete_vae.grid.measures import FIT_ERRORS
from discrete_vae.model.code_probabilities import argmax_probabilities, check_quadrature
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.quadrature import noise_range
from discrete_vae.model.random_streams import generator

log = logging.getLogger(__name__)

GUMBEL_NODES, TABLE_SIZE = 512, 4096


def target_probabilities(target: Target) -> np.ndarray:
    """Return the probabilities of a target, float64 of K. A law of counts is truncated to 0, ..., K - 1, normalized."""
    match target:
        case Table():
            table = np.array(target.probabilities, dtype=np.float64)
            return table / table.sum()
        case Binomial():
            law = scipy.stats.binom(target.n, target.p)
        case Poisson():
            law = scipy.stats.poisson(target.rate)
        case NegativeBinomial():
            law = scipy.stats.nbinom(target.r, target.p)
    return scipy.special.softmax(law.logpmf(np.arange(target.K)))


class RelaxedNoise(Distribution):
    """The law of gamma + tau G, with gamma of a given law and G standard Gumbel.

    Its code probabilities are the mean relaxed sample, because softmax(x / tau) is the probability of each category to
    have the largest x + tau G (Gumbel-max):

        E softmax((theta + gamma) / tau) = P(argmax_j (theta_j + gamma_j + tau G_j) = k).

    The distribution function is E F(z - tau G), by the trapezoidal rule on the density of G, kept as a cubic spline.
    The law must compute in float64.

    Raises:
        InputError: a law without distribution function.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012

    def __init__(self, law: Distribution, temperature: float) -> None:
        super().__init__(validate_args=False)
        gumbel = Gumbel(*torch.tensor([0.0, 1.0], dtype=torch.float64), validate_args=False)
        ends, gumbel_ends = noise_range(law), noise_range(gumbel)
        nodes = torch.linspace(*gumbel_ends, GUMBEL_NODES, dtype=torch.float64)
        weights = gumbel.log_prob(nodes).softmax(0)
        self.lowest, self.highest = (end + temperature * other for end, other in zip(ends, gumbel_ends, strict=True))
        grid = torch.linspace(self.lowest, self.highest, TABLE_SIZE, dtype=torch.float64)
        noise = (grid.unsqueeze(-1) - temperature * nodes).clamp(*ends)
        self.spline = CubicSpline(grid.numpy(), (law.cdf(noise) @ weights).numpy())
        self.density = self.spline.derivative()

    @property
    def support(self) -> constraints.Constraint:
        """Where the spline is defined: everywhere but in the tails that quadrature leaves out."""
        return constraints.interval(self.lowest, self.highest)

    def cdf(self, value: Tensor) -> Tensor:
        """Return the distribution function."""
        return torch.from_numpy(np.asarray(self.spline(value.clamp(self.lowest, self.highest)))).clamp(0, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log density, minus infinity far in the tails."""
        return torch.from_numpy(np.asarray(self.density(value))).clamp(min=0).log()


def squared_distance(relaxed: Tensor, target: Tensor) -> Tensor:
    """Estimate || E[y] - p ||^2 without bias, by the mean of (y_a - p) . (y_b - p) over all pairs a != b of samples.

    The samples y are ... x samples x K, at least two samples. An estimate may be negative.
    """
    difference = relaxed - target
    samples = relaxed.shape[-2]
    pairs = difference.sum(-2).square().sum(-1) - difference.square().sum((-2, -1))
    return pairs / (samples * (samples - 1))


def fit_logits(
    target: Tensor, law: Distribution, *, temperatures: Sequence[float], seeds: Sequence[int], options: Fitting
) -> dict[int, Tensor]:
    """Fit logits, zero at first, for every temperature and seed side by side, with Adam in float32.

    Fits of one seed share their noise at all temperatures. Laws drawn by inversion share the uniform numbers under it.

    Returns:
        The logits at the steps to record, and at the first and the last one, each temperatures x seeds x K.
    """
    target = target.float()
    noise_sources = [NoiseSource(law, generator(seed, "fitting noise")) for seed in seeds]
    temperature = torch.tensor(temperatures).view(-1, 1, 1, 1)
    logits = torch.zeros(len(temperatures), len(seeds), 1, len(target), requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=options.learning_rate)
    recorded = {}
    for step in range(options.steps + 1):
        if step % options.record_every == 0 or step == options.steps:
            recorded[step] = logits.detach().squeeze(-2).clone()
        if step == options.steps:
            break
        noise = torch.stack([source.draw((options.samples, len(target))) for source in noise_sources])
        relaxed = F.softmax((logits + noise) / temperature, dim=-1)
        optimizer.zero_grad()
        squared_distance(relaxed, target).sum().backward()
        optimizer.step()
    return recorded


def fit(
    target: np.ndarray, law: Law, *, temperatures: Sequence[float], seeds: Sequence[int], options: Fitting
) -> pd.DataFrame:
    """Fit a target, the probabilities p of K categories, with one noise law and measure the errors along the way.

    Returns:
        A row for each temperature, seed and recorded step, with the total variation distances to p of the codes and of
        the mean relaxed sample; missing for a law without distribution function.
    """
    p = torch.from_numpy(target)
    recorded = fit_logits(p, distribution(law), temperatures=temperatures, seeds=seeds, options=options)
    tables = []
    for temperature, *logits in zip(temperatures, *recorded.values(), strict=True):
        errors = measure(torch.stack(logits, dim=1), p, law, temperature)
        for member, seed in enumerate(seeds):
            coordinates = {"temperature": temperature, "seed": seed, "step": list(recorded)}
            tables.append(pd.DataFrame({**coordinates, **{name: values[member] for name, values in errors.items()}}))
    return pd.concat(tables, ignore_index=True).round(dict.fromkeys(FIT_ERRORS, 6))


def measure(logits: Tensor, target: Tensor, law: Law, temperature: float) -> dict[str, Tensor]:
    """Return both errors of logits of seeds x steps x K, each seeds x steps; see `fit`."""
    in_double = distribution(law, torch.float64)
    try:
        check_quadrature(in_double)
        noise_laws = in_double, RelaxedNoise(in_double, temperature)
        errors = [total_variation(argmax_probabilities(logits, noise), target) for noise in noise_laws]
    except InputError as error:
        log.warning("no errors at temperature %s: %s", temperature, error)
        errors = [torch.full(logits.shape[:-1], torch.nan)] * len(FIT_ERRORS)
    return dict(zip(FIT_ERRORS, errors, strict=True))


def total_variation(q: Tensor, p: Tensor) -> Tensor:
    """Return half the sum of |q - p| over the last dimension."""
    return (q - p).abs().sum(-1) / 2
