"""One measured process: the plain loop, this trainer, or the arithmetic alone. Prints its measurements as JSON."""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import torch
from discrete_vae.cells import Cell
from discrete_vae.datasets import BinarizedDataset
from discrete_vae.stacks import StackTrainer
from plain_loop import BATCH, HIDDEN, VARIABLES, measure

SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}
LAWS = {name: {"distribution": name.title(), "loc": 0, "scale": 1} for name in ("gumbel", "normal", "logistic")}


def synthetic_mnist() -> BinarizedDataset:
    """Random images of MNIST's sizes and share of ink: the time of a step depends on no more."""
    rng = np.random.default_rng(0)
    splits = {split: (rng.random((count, 28, 28)) < 0.13).astype(np.uint8) for split, count in SIZES.items()}
    return BinarizedDataset(splits, {})


def measure_trainer(categories: int, stack: int, epochs: int) -> dict[str, float]:
    """Train a stack, validating with 10 samples after every epoch; return mean seconds of both."""
    cells = [Cell("mnist", categories, list(LAWS)[i % 3], 1.0 / (1 + i // 3), 775) for i in range(stack)]
    training = {"batch_size": BATCH, "learning_rate": 0.001, "kl": "softmax", "annealing": None}
    model = {"variables": VARIABLES, "hidden": HIDDEN}
    trainer = StackTrainer(cells, synthetic_mnist(), LAWS, model, training, torch.device("cpu"))
    seconds = {"training": 0.0, "evaluation": 0.0}
    for _ in range(epochs):
        started = time.perf_counter()
        while trainer.step():
            pass
        trainer.end_epoch()
        trained = time.perf_counter()
        trainer.evaluate(trainer.parameters, "validation", 10, "validation")
        seconds["training"] += (trained - started) / epochs
        seconds["evaluation"] += (time.perf_counter() - trained) / epochs
    return seconds


def measure_arithmetic(categories: int) -> dict[str, float]:
    """Time the matrix products and the fused Adam of a training epoch and nothing else."""
    layers = [(784, HIDDEN), (HIDDEN, VARIABLES * categories), (VARIABLES * categories, HIDDEN), (HIDDEN, 784)]
    weights = [torch.randn(outputs, inputs) for inputs, outputs in layers]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    optimizer = torch.optim.Adam(weights, fused=True)
    inputs = [torch.randn(BATCH, size) for size, _ in layers]
    outputs = [torch.randn(BATCH, size) for _, size in layers]
    started = time.perf_counter()
    for _ in range(SIZES["train"] // BATCH):
        for i, weight in enumerate(weights):
            torch.mm(inputs[i], weight.T, out=outputs[i])
            torch.mm(outputs[i].T, inputs[i], out=weight.grad)
            if i > 0:  # no gradient is needed for the images
                torch.mm(outputs[i], weight)
        optimizer.step()
    return {"training": time.perf_counter() - started, "evaluation": 0.0}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["plain", "trainer", "arithmetic"])
    parser.add_argument("--K", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stack", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    startup = time.perf_counter() - STARTED
    match options.kind:
        case "plain":
            splits = synthetic_mnist().splits
            images = {split: torch.from_numpy(values).flatten(1) for split, values in splits.items()}
            seconds = measure(images, options.K, options.epochs)
        case "trainer":
            seconds = measure_trainer(options.K, options.stack, options.epochs)
        case "arithmetic":
            seconds = measure_arithmetic(options.K)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**seconds, "startup": startup, "peak_mib": peak}))


if __name__ == "__main__":
    main()
