"""Bias and variance of the relaxed gradient, against the exact gradient of a small model.

Both are gradients with respect to the logits theta of an image. The exact one differentiates the expected
reconstruction loss of discrete codes, the sum over all codes z of q(z) loss(z). The relaxed one differentiates the loss
of softmax((theta + gamma) / temperature) for one draw of the noise. The KL is the same in both and left out.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, VonMises

from discrete_vae.config.configuration import Control
from discrete_vae.config.definitions import Law
from discrete_vae.config.options import Evaluation, Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.bounds import use_of_codes
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.model.code_probabilities import argmax_probabilities, has_bounded_density, known_probabilities
from discrete_vae.model.network import DiscreteVAE, bernoulli_loss, model_of
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.loop import train
from discrete_vae.training.runs import Run

log = logging.getLogger(__name__)

SAMPLES_AT_ONCE = 100


def exact_gradient(model: DiscreteVAE, logits: Tensor, images: Tensor, law: Distribution) -> Tensor:
    """Differentiate the expected loss of discrete codes with respect to the logits of each image, images x N x K.

    The model is so small that its K^N codes can be enumerated. The images are float, images x pixels; the law and the
    result are float64.
    """
    N, K = logits.shape[1:]
    theta = logits.detach().double().requires_grad_()
    q = argmax_probabilities(theta, law)
    all_codes = torch.cartesian_prod(*[torch.arange(K)] * N).view(-1, N)
    pixel_logits = model.decode(F.one_hot(all_codes, K).to(images.dtype)).detach()
    losses = bernoulli_loss(pixel_logits, images.T).double()
    q_of_codes = torch.stack([q[:, n, all_codes[:, n]] for n in range(N)]).prod(0).T
    (gradient,) = torch.autograd.grad((q_of_codes * losses).sum(), theta)
    return gradient


def relaxed_gradients(
    model: DiscreteVAE, logits: Tensor, images: Tensor, *, temperature: float, noise: NoiseSource, samples: int
) -> Tensor:
    """Differentiate the loss of relaxed samples with respect to the logits, images x N x K, once for each draw.

    Returns:
        float64, samples x images x N x K.
    """
    theta = logits.detach().expand(samples, *logits.shape).clone().requires_grad_()
    codes = F.softmax((theta + noise.draw(theta.shape)) / temperature, dim=-1)
    losses = bernoulli_loss(model.decode(codes).transpose(0, 1), images.unsqueeze(-1))  # images x samples x 1
    (gradient,) = torch.autograd.grad(losses.sum(), theta)
    return gradient.double()


def bias_and_variance(
    model: DiscreteVAE, images: Tensor, temperature: float, noise: NoiseSource, law: Distribution, *, samples: int
) -> dict[str, float]:
    """Compare the relaxed gradient, over many draws of the noise, with the exact one, summed over some images.

    Returns:
        ``relative_bias`` is the norm of the mean relaxed gradient minus the exact one. ``relative_variance`` is the
        variance of one draw, summed over coordinates. They are relative to the norm of the exact gradient, and to its
        square. The squared bias is corrected for the variance of the mean.
    """
    logits = model.encode(images).detach()
    exact = exact_gradient(model, logits, images, law)
    total, total_of_squares = torch.zeros_like(exact), torch.zeros_like(exact)
    for start in range(0, samples, SAMPLES_AT_ONCE):
        count = min(SAMPLES_AT_ONCE, samples - start)
        # Around the exact gradient, so that no digits are lost in the squares.
        relaxed = relaxed_gradients(model, logits, images, temperature=temperature, noise=noise, samples=count)
        deviations = relaxed - exact
        total += deviations.sum(0)
        total_of_squares += deviations.square().sum(0)
    mean = total / samples
    variance = (total_of_squares / samples - mean.square()).sum().item() * samples / (samples - 1)
    squared_bias = mean.square().sum().item() - variance / samples
    squared_norm = exact.square().sum().item()
    return {
        "relative_bias": (max(squared_bias, 0.0) / squared_norm) ** 0.5,
        "relative_variance": variance / squared_norm,
    }


def measure_gradients(
    cells: Sequence[Cell],
    dataset: BinarizedDataset,
    *,
    laws: Mapping[str, Law],
    training: Training,
    small_models: Control,
    device: torch.device,
) -> pd.DataFrame:
    """Train a small model for every cell of one dataset, K and seed, and measure its relaxed gradient.

    The models train on the device, with the epochs of ``small_models`` and no patience. The gradients are measured on
    the CPU, on the first validation images.

    Returns:
        One row for each cell: the variance of the noise and what `bias_and_variance` returns. That is missing where the
        training diverged, where quadrature cannot serve the law, and where the codes tell nothing about the images, so
        that the exact gradient is next to zero.
    """
    images = torch.from_numpy(dataset.splits["validation"][: small_models.images]).flatten(1).float()
    runs = train(
        cells,
        dataset,
        laws=laws,
        model=Model(small_models.variables, small_models.hidden),
        training=replace(training, epochs=small_models.epochs, patience=None),
        evaluation=Evaluation(validation_samples=1, selection_samples=1),
        device=device,
    )
    rows = [_measured(run, images, laws[run.cell.perturbation], small_models) for run in runs]
    return pd.DataFrame(rows, columns=[*AXES, "noise_variance", "relative_bias", "relative_variance"])


def _measured(run: Run, images: Tensor, law: Law, small_models: Control) -> dict[str, str | float]:
    in_double = distribution(law, torch.float64)
    # For VonMises torch gives the circular variance. The numbers added to the logits have another one.
    variance = math.nan if isinstance(in_double, VonMises) else in_double.variance.item()
    row = {**run.cell.coordinates(), "noise_variance": variance}
    if run.diverged_epoch is not None:
        return row
    noise = NoiseSource(distribution(law), generator(run.cell.seed, "gradient noise"))
    model = model_of(run.weights, variables=small_models.variables)
    active = use_of_codes(known_probabilities(model.encode(images).detach(), in_double))["active_variables"]
    if math.isnan(active) or not has_bounded_density(in_double):  # quadrature cannot serve the law
        return row
    if active == 0:
        advice = "raise control.epochs in a new study, or here after removing its gradients/"
        log.warning("no gradients of %s: its codes tell nothing about the images; %s", run.cell, advice)
        return row
    temperature, samples = run.history[run.best_epoch - 1]["temperature"], small_models.samples  # it may be annealed
    return row | bias_and_variance(model, images, temperature, noise, in_double, samples=samples)
