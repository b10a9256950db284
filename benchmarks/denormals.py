"""Measure what denormal numbers cost a training on this CPU: an epoch with them, and one where they are taken for zero.

The two alternate in one process and on one core. Seconds are of the processor, so other work disturbs them little.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "workflow"))

import pandas as pd
import torch
from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.training.device import environment
from discrete_vae.training.stack import StackTrainer
from worker import synthetic_mnist

TEMPERATURES = (0.03, 0.1, 0.25, 1.0)
WITH, WITHOUT = "with denormals, s", "taken for zero, s"


def measure(cell: Cell, dataset: BinarizedDataset, epochs: int) -> dict[str, float]:
    """Return the seconds of an epoch both ways, and check that the weights are the same."""
    laws = {cell.perturbation: law_of(PAPER_LAWS[cell.perturbation])}
    trainers = {
        way: StackTrainer([cell], dataset, laws=laws, model=Model(), training=Training(), device=torch.device("cpu"))
        for way in (WITH, WITHOUT)
    }
    seconds = dict.fromkeys(trainers, 0.0)
    for _, (way, trainer) in itertools.product(range(epochs), trainers.items()):
        torch.set_flush_denormal(way == WITHOUT)
        started = time.process_time()
        while trainer.step():
            pass
        trainer.end_epoch()
        seconds[way] += (time.process_time() - started) / epochs
    first, second = (trainer.weights for trainer in trainers.values())
    if not all(torch.equal(values, second[name]) for name, values in first.items()):
        sys.exit(f"{cell}: the weights differ")
    return seconds


def main() -> None:
    """Measure, print the table and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--K", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=HERE / "results/denormals.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset, rows = synthetic_mnist(), []
    for law, temperature in itertools.product(PAPER_LAWS, TEMPERATURES):
        seconds = measure(Cell("mnist", options.K, law, temperature, 775), dataset, options.epochs)
        rows.append({"noise": law, "temperature": temperature, **seconds, "ratio": seconds[WITH] / seconds[WITHOUT]})
        print(rows[-1], flush=True)
    machine = environment(torch.device("cpu"))
    table = pd.DataFrame(rows).to_markdown(index=False, floatfmt=("", "g", ".2f", ".2f", ".2f"))
    text = f"""# What denormal numbers cost

{machine["hardware"]}; Python {machine["python"]}, torch {machine["torch"]};
revision {machine["git_revision"]}; mean of {options.epochs} alternating epochs, one core.

{table}

Processor seconds of a training epoch of MNIST's size at K = {options.K}, without validation. The weights after it are
the same, bit by bit.
"""
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
