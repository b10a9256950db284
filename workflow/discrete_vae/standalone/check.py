"""Check that a device trains and evaluates as the CPU does, and time it, before it is trusted with hours."""

import functools
import io
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.evaluation.bounds import evaluate_images
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS, PAPER_TEMPERATURES
from discrete_vae.model.network import loss_and_gradient, views
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.adam_weights import ADAM
from discrete_vae.training.stack import StackTrainer

CPU = torch.device("cpu")
LAWS = {name: law_of(definition) for name, definition in PAPER_LAWS.items()}
# Bounds on the relative error of the gradient, in the last layer and in those before it. There, rounding may turn a
# unit of a ReLU on or off: one in a million units gives 1e-3. The encoder's first layer has a small remainder of large
# terms: 1.5e-2 with the 10 bits of TensorFloat32, 4.3e-2 with the 7 bits of bfloat16.
GRADIENT_ERRORS = {"highest": (1e-5, 5e-3), "high": (3e-2, 3e-2)}
LAST_LAYER = "decoder.2."
WARM = 0.25  # lower temperatures magnify rounding
LOSS_DIFFERENCE = 3.0  # nats, of the first epoch: a CPU and a GPU draw other noise
BOUND_DIFFERENCE = 0.5  # nats, of a hundred images with 1,000 samples each
WARM_UP_STEPS, TIMED_STEPS = 10, 90  # within an epoch

Finding = tuple[bool, str]  # whether it is as expected, and what was found


def check_device(
    device: torch.device, training: Training, *, images: int = 2_050, temperatures: int = 10
) -> Iterator[Finding]:
    """Compare a device with the CPU, on random images and the paper's model, and time its steps.

    The stack has the paper's three noise laws at its highest ``temperatures``. The last minibatch of an epoch is short.
    What raises an error is a fault, with its traceback on stderr. The rest is still checked, except after a step that
    cannot be captured. Of ``training``, ``cuda_graph`` and ``fused_kernels`` may differ from the defaults.
    """
    cells = [Cell("random", 10, law, tau, 775) for tau in PAPER_TEMPERATURES[-temperatures:] for law in PAPER_LAWS]
    for comparison in _comparisons(cells, images, device=device, training=training):
        torch.set_float32_matmul_precision("highest")
        try:
            yield comparison()
        except InputError as error:  # of a capture, which the device may still wait for
            traceback.print_exc()
            yield False, f"{error}; the rest is not checked, try --no-cuda-graph"
            return
        except Exception as error:  # whatever it is, the rest is still checked
            traceback.print_exc()
            yield False, f"{comparison.func.__name__.strip('_')}: {' '.join(str(error).split())}"


def _comparisons(
    cells: list[Cell], images: int, *, device: torch.device, training: Training
) -> list[functools.partial[Finding]]:
    """List what is compared, in its order."""
    of_50 = [replace(cell, K=50) for cell in cells]
    few, many, full_batches = map(random_images, (200, images, images // 20 * 100))
    here = {"device": device, "training": training}

    @functools.cache
    def trained() -> StackTrainer:
        trainer = trainer_of(cells, many, **here)
        _train_epoch(trainer)
        return trainer

    captured = [(cells, "highest"), (of_50, "high")] if training.cuda_graph else []
    last = range(len(cells) - len(LAWS), len(cells))
    return [
        *(functools.partial(_gradient, cells, few, precision, **here) for precision in GRADIENT_ERRORS),
        *(functools.partial(_captured, of_K, many, precision, **here) for of_K, precision in captured),
        functools.partial(_resumed, cells, many, **here),
        functools.partial(_first_epoch, cells, many, **here),
        *(functools.partial(_bounds, trained, member, cells[member], device) for member in last),
        *([functools.partial(_steps_without_waiting, trained)] if device.type == "cuda" else []),
        *(functools.partial(_speed, of_K, full_batches, **here) for of_K in (cells, of_50)),
    ]


def random_images(count: int) -> BinarizedDataset:
    """Make random images of MNIST's size and share of ink, as many in each split."""
    rng = np.random.default_rng(0)
    return BinarizedDataset(
        {name: (rng.random((count, 28, 28)) < 0.13).astype(np.uint8) for name in ("train", "validation", "test")}, {}
    )


def trainer_of(
    cells: list[Cell], dataset: BinarizedDataset, *, device: torch.device, training: Training
) -> StackTrainer:
    """Make a trainer of the paper's model."""
    return StackTrainer(cells, dataset, laws=LAWS, model=Model(), training=training, device=device)


def _train_epoch(trainer: StackTrainer) -> tuple[list[float], list[float]]:
    while trainer.step():
        pass
    return trainer.end_epoch()


def _gradient(cells: list[Cell], dataset: BinarizedDataset, precision: str, **here: Any) -> Finding:
    """Compare the gradient of Adam's first step with one in float64 on the CPU."""
    trainer = trainer_of(cells, dataset, **here)
    optimized = trainer.optimized
    torch.set_float32_matmul_precision(precision)
    random = torch.Generator().manual_seed(1)
    members = len(cells)
    temperature = torch.tensor(trainer.temperatures).view(-1, 1, 1, 1)
    images = (torch.rand(members, 100, 784, generator=random) < 0.13).float()
    noise = torch.randn(members, 10, 10, 100, generator=random)
    on_device = [values.to(here["device"]) for values in (images, noise, temperature)]
    weights = {name: values.double().cpu() for name, values in trainer.weights.items()}
    loss_and_gradient(trainer.weights, optimized.gradient, *on_device, **optimized.kernels)
    optimized.step()  # fused kernels do not write the gradient, but their mean is in proportion to it, too
    gradient = views(optimized.mean / (1 - ADAM["beta1"]), trainer.weights)
    exact = {name: torch.empty_like(values) for name, values in weights.items()}
    loss_and_gradient(weights, exact, images.double(), noise.double(), temperature.double())
    warm = temperature.flatten() >= WARM
    errors = {name: _relative(gradient[name].cpu()[warm], exact[name][warm]) for name in exact}
    parts = [[error for name, error in errors.items() if name.startswith(LAST_LAYER) == last] for last in (True, False)]
    found, bounds = list(map(max, parts)), GRADIENT_ERRORS[precision]
    return found[0] < bounds[0] and found[1] < bounds[1], (
        f"gradient, precision {precision}: relative error {found[0]:.1e} in the last layer, expected below"
        f" {bounds[0]:.0e}; {found[1]:.1e} before it, expected below {bounds[1]:.0e}"
    )


def _relative(values: Tensor, expected: Tensor) -> float:
    return ((values.double() - expected).norm() / expected.norm()).item()


def _captured(cells: list[Cell], dataset: BinarizedDataset, precision: str, **here: Any) -> Finding:
    """Compare training with and without a captured step. A capture that fails raises its own error."""
    torch.set_float32_matmul_precision(precision)
    without = {**here, "training": replace(here["training"], cuda_graph=False)}
    captured, plain = (trainer_of(cells, dataset, **options) for options in (here, without))
    losses = [np.ravel([_train_epoch(trainer) for _ in range(2)]) for trainer in (captured, plain)]
    same = np.array_equal(*losses)
    what = f"two epochs with and without a captured step, K = {cells[0].K}, precision {precision}"
    return _same_weights(what, captured, plain, and_also=same)


def _resumed(cells: list[Cell], dataset: BinarizedDataset, **here: Any) -> Finding:
    """Compare training with training that continues from a saved state within an epoch."""
    straight, first, second = (trainer_of(cells, dataset, **here) for _ in range(3))
    _train_epoch(straight)
    for _ in range(2):
        first.step()
    _train_epoch(second)  # elsewhere, and with its step captured
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True, map_location="cpu"))
    _train_epoch(second)
    return _same_weights("resumed within an epoch", straight, second)


def _same_weights(what: str, first: StackTrainer, second: StackTrainer, *, and_also: bool = True) -> Finding:
    """Compare all weights bit by bit."""
    apart = (first.optimized.flat - second.optimized.flat).abs().max().item()
    same = torch.equal(first.optimized.flat, second.optimized.flat) and and_also
    return same, f"{what}: weights at most {apart:.0e} apart, expected the same losses and weights"


def _first_epoch(cells: list[Cell], dataset: BinarizedDataset, *, device: torch.device, training: Training) -> Finding:
    trainers = [trainer_of(cells, dataset, device=place, training=training) for place in (CPU, device)]
    losses = [np.sum(_train_epoch(trainer), axis=0) for trainer in trainers]
    difference = np.abs(losses[0] - losses[1]).max()
    text = f"first epoch on the CPU and here: losses {difference:.2f} nats apart, expected below {LOSS_DIFFERENCE:g}"
    return bool(difference < LOSS_DIFFERENCE), text


def _bounds(trained: Callable[[], StackTrainer], member: int, cell: Cell, device: torch.device) -> Finding:
    """Compare the bounds of one model on the CPU and on the device."""
    trainer, means = trained(), []
    for place in (CPU, device):
        losses = evaluate_images(
            {name: values[member : member + 1].to(place) for name, values in trainer.weights.items()},
            trainer.validation_images[::20].to(place),
            NoiseSource(distribution(LAWS[cell.perturbation], torch.float64), generator(1, "check", place)),
            code_law=distribution(LAWS[cell.perturbation], torch.float64, place),
            variables=trainer.architecture.variables,
            samples=1_000,
        )
        compared = (losses.kl_of_codes, losses.negative_elbo, losses.importance_weighted_bound)
        means.append([loss.mean().item() for loss in compared])
    kl, elbo, bound = np.abs(np.diff(means, axis=0))[0]
    passed = kl < 1e-3 and max(elbo, bound) < BOUND_DIFFERENCE
    return bool(passed), (
        f"{cell.perturbation} noise, on the CPU and here: KL of codes {kl:.0e} nats apart, expected below 1e-3;"
        f" negative ELBO {elbo:.3f} and IWAE bound {bound:.3f}, expected below {BOUND_DIFFERENCE:g}"
    )


def _steps_without_waiting(trained: Callable[[], StackTrainer]) -> Finding:
    """Let CUDA raise an error where a step within an epoch waits for the device."""
    trainer = trained()
    trainer.step()  # which begins an epoch, and so copies the order of the images
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            trainer.step()
    except RuntimeError as error:
        return False, f"a step waits for the device: {str(error).splitlines()[0]}"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True, "steps do not wait for the device"


def _speed(cells: list[Cell], dataset: BinarizedDataset, *, device: torch.device, training: Training) -> Finding:
    """Time steps and a validation, in the precision of the default configuration."""
    torch.set_float32_matmul_precision("high")
    trainer = trainer_of(cells, dataset, device=device, training=training)
    for _ in range(WARM_UP_STEPS):
        trainer.step()
    trainer.evaluate(trainer.weights, 10, "validation")
    started = _now(device)
    for _ in range(TIMED_STEPS):
        trainer.step()
    step = (_now(device) - started) / TIMED_STEPS
    started = _now(device)
    trainer.evaluate(trainer.weights, 10, "validation")
    image = (_now(device) - started) / len(trainer.validation_images)
    # The best epoch is validated again, with ten times the samples.
    minutes = (300 * 500 * step + (300 + 10) * 10_000 * image) / 60
    return True, (
        f"K = {cells[0].K}, {len(cells)} cells: {1e6 * step:.0f} us a step, {1e6 * image:.0f} us a validation image;"
        f" 300 epochs of MNIST would take {minutes:.1f} minutes"
    )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
