"""One measured process: the plain loop, this trainer, or the arithmetic alone. Prints its measurements as JSON."""

import argparse
import io
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

STARTED = time.perf_counter()
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import torch
from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.network import Architecture
from discrete_vae.training.captured_step import StepGraph
from discrete_vae.training.stack import StackTrainer
from plain_loop import BATCH, HIDDEN, VARIABLES, measure, time_on

PIXELS = 28 * 28
SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}
VALIDATION_SAMPLES, FINAL_SAMPLES = 10, 100
STEPS_FOR_MEMORY, WARM_UP_STEPS = 10, 10


def layers_of(categories: int) -> list[tuple[int, int]]:
    """List inputs and outputs of the four linear layers."""
    return list(Architecture(PIXELS, HIDDEN, VARIABLES, categories).layers.values())


def multiply_adds(categories: int) -> int:
    """Count the multiply-adds of one model's training epoch: forward, and backward for weights and inputs."""
    products = sum(3 * inputs * outputs for inputs, outputs in layers_of(categories))
    return SIZES["train"] * (products - PIXELS * HIDDEN)  # no gradient is needed for the images


def synthetic_mnist() -> BinarizedDataset:
    """Random images of MNIST's sizes and share of ink: the time of a step depends on no more of them."""
    rng = np.random.default_rng(0)
    splits = {split: (rng.random((count, 28, 28)) < 0.13).astype(np.uint8) for split, count in SIZES.items()}
    return BinarizedDataset(splits, {})


def make_trainer(options: argparse.Namespace, dataset: BinarizedDataset) -> StackTrainer:
    """Make a trainer of the stack that the command line describes."""
    cells = [Cell("mnist", options.K, list(PAPER_LAWS)[i % 3], 1.0 / (1 + i // 3), 775) for i in range(options.stack)]
    laws = {name: law_of(definition) for name, definition in PAPER_LAWS.items()}
    model, training = Model(variables=VARIABLES, hidden=HIDDEN), Training(batch_size=BATCH)
    return StackTrainer(cells, dataset, laws=laws, model=model, training=training, device=torch.device(options.device))


def measure_trainer(options: argparse.Namespace) -> dict[str, float]:
    """Train a stack, validating after every epoch; return mean seconds of both, and those of the final evaluation.

    To prepare is to build the trainer, and whatever the epochs that warm up take longer than the others.
    """
    dataset = synthetic_mnist()
    begun = time.perf_counter()
    trainer = make_trainer(options, dataset)
    seconds = {"training": 0.0, "evaluation": 0.0}
    for epoch in range(-options.warm_up, options.epochs):
        started = time.perf_counter()
        if epoch == 0:
            seconds["preparation"] = started - begun
        while trainer.step():
            pass
        trainer.end_epoch()
        trained = time.perf_counter()
        trainer.evaluate(trainer.weights, VALIDATION_SAMPLES, "validation")
        if epoch >= 0:
            seconds["training"] += (trained - started) / options.epochs
            seconds["evaluation"] += (time.perf_counter() - trained) / options.epochs
    seconds["preparation"] -= options.warm_up * (seconds["training"] + seconds["evaluation"])
    if options.final:
        started = time.perf_counter()
        trainer.evaluate(trainer.weights, FINAL_SAMPLES, "final validation")
        seconds["final evaluation"] = time.perf_counter() - started
    return seconds


def measure_memory(options: argparse.Namespace) -> dict[str, float]:
    """Take some steps, evaluate and save once: the peak memory is that of a whole run, the time of no interest."""
    trainer = make_trainer(options, synthetic_mnist())
    best = {name: values.clone() for name, values in trainer.weights.items()}
    for _ in range(STEPS_FOR_MEMORY):
        trainer.step()
    trainer.validation_images = trainer.validation_images[:1000]
    trainer.evaluate(best, FINAL_SAMPLES, "final validation")
    torch.save({"trainer": trainer.state(), "best": best}, io.BytesIO())
    return {}


def measure_arithmetic(options: argparse.Namespace) -> dict[str, float]:
    """Time the matrix products of a training epoch with its fused Adam, and the rate of the products alone."""
    layers = layers_of(options.K)
    device = torch.device(options.device)
    flat = torch.randn(sum(inputs * outputs for inputs, outputs in layers) * options.stack, device=device)
    flat.grad = torch.randn_like(flat)
    shapes = [(options.stack, outputs, inputs) for inputs, outputs in layers]
    weights, gradients = (
        [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        for parts in (values.split([np.prod(shape) for shape in shapes]) for values in (flat, flat.grad))
    )
    inputs = [torch.randn(options.stack, BATCH, size, device=device) for size, _ in layers]
    outputs = [torch.randn(options.stack, BATCH, size, device=device) for _, size in layers]
    optimizer = torch.optim.Adam([flat], fused=True, capturable=device.type == "cuda")

    def take_adam() -> None:
        optimizer.step()

    def take_products() -> None:
        for i in range(4):
            torch.bmm(inputs[i], weights[i].mT, out=outputs[i])
        for i in reversed(range(4)):
            torch.bmm(outputs[i].mT, inputs[i], out=gradients[i])
            if i > 0:
                torch.bmm(outputs[i], weights[i])

    def seconds_of(*parts: Callable[[], None]) -> float:
        graphs = [StepGraph(capture=device.type == "cuda") for _ in parts]
        for step in range(-WARM_UP_STEPS, SIZES["train"] // BATCH):
            if step == 0:
                started = time_on(device)
            for graph, part in zip(graphs, parts, strict=True):
                graph.take(part)
        return time_on(device) - started

    training = seconds_of(take_products, take_adam)
    rate = options.stack * multiply_adds(options.K) / seconds_of(take_products)
    return {"training": training, "evaluation": 0.0, "rate": rate}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["plain", "trainer", "memory", "arithmetic"])
    parser.add_argument("--K", type=int, default=10)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["highest", "high"], default="highest")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stack", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=0, help="epochs before those that are timed")
    parser.add_argument("--final", action="store_true", help="also time the final evaluation with 100 samples")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision(options.precision)
    if options.device == "cuda":
        torch.zeros((), device="cuda")  # its start-up is part of a job's
    startup = time.perf_counter() - STARTED
    match options.kind:
        case "plain":
            splits = synthetic_mnist().splits
            images = {split: torch.from_numpy(values).flatten(1) for split, values in splits.items()}
            device = torch.device(options.device)
            measured = measure(images, options.K, epochs=options.epochs, warm_up=options.warm_up, device=device)
        case "trainer":
            measured = measure_trainer(options)
        case "memory":
            measured = measure_memory(options)
        case "arithmetic":
            measured = measure_arithmetic(options)
    startup += measured.pop("preparation", 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    on_gpu = {"gpu_peak_mib": torch.cuda.max_memory_allocated() / 2**20} if options.device == "cuda" else {}
    print(json.dumps({**measured, "startup": startup, "peak_mib": peak, **on_gpu}))


if __name__ == "__main__":
    main()
