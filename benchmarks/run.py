"""Measure the trainer against a plain loop and against the arithmetic alone, alternating on this machine.

Every row is measured in each round, one after the other, and shows the median over rounds: a machine that drifts drifts
under all of them. Two processes of one thread each run at the same time, as the pipeline runs them on two cores.
"""

import argparse
import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "workflow"))

import torch
from discrete_vae.results import environment


@dataclass(frozen=True)
class Contender:
    """A way to train: its name in the table, the worker's arguments, processes at a time and models in each."""

    name: str
    arguments: tuple[str, ...]
    processes: int
    models: int = 1


CONTENDERS = (
    Contender("plain loop, 1 process x 2 threads", ("plain", "--threads", "2"), 1),
    Contender("plain loop, 2 processes x 1 thread", ("plain",), 2),
    Contender("trainer, one cell a job, 2 jobs", ("trainer", "--epochs", "2"), 2),
    Contender("trainer, stack of 6, 2 jobs", ("trainer", "--stack", "6"), 2, 6),
    Contender("matrix products and Adam alone, 2 processes", ("arithmetic",), 2),
)


def measure(contender: Contender, categories: int) -> dict[str, float]:
    """Run a contender's processes side by side and return the mean of their measurements."""
    command = [sys.executable, str(HERE / "worker.py"), *contender.arguments, "--K", str(categories)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(contender.processes)]
    outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        sys.exit(f"{' '.join(command)} failed")
    return pd.DataFrame([json.loads(output) for output in outputs]).mean().to_dict()


def table_of(measurements: pd.DataFrame) -> pd.DataFrame:
    """Summarize rounds by their median and set each contender against the plain loop and the arithmetic."""
    table = measurements.groupby(["K", "contender"], sort=False).median().reset_index()
    machine = {contender.name: contender.processes * contender.models for contender in CONTENDERS}
    models = table["contender"].map(machine)
    table["training model-epochs/s"] = models / table["training"]
    table["model-epochs/s"] = models / (table["training"] + table["evaluation"])
    by_K = table.groupby("K")
    table["ratio to plain"] = table["model-epochs/s"] / by_K["model-epochs/s"].transform("first")
    table["training ratio"] = table["training model-epochs/s"] / by_K["training model-epochs/s"].transform("first")
    limit = by_K["training model-epochs/s"].transform("last")
    table["share of arithmetic limit"] = table["training model-epochs/s"] / limit
    is_limit = table["contender"] == CONTENDERS[-1].name
    table.loc[is_limit, ["model-epochs/s", "ratio to plain"]] = float("nan")
    return table.rename(columns={"training": "training s", "evaluation": "evaluation s", "startup": "start-up s"})


def main() -> None:
    """Measure, print the table and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--K", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "cpu.md")
    options = parser.parse_args()
    rows = []
    for round_number in range(options.rounds):
        for categories in options.K:
            for contender in CONTENDERS:
                measured = measure(contender, categories)
                rows.append({"K": categories, "contender": contender.name, **measured})
                print(f"round {round_number + 1}, K = {categories}, {contender.name}: {measured}", flush=True)
    machine = environment(torch.device("cpu"))
    text = f"""# Training on a CPU

{machine["hardware"]}, {platform.system()}, two cores used; Python {machine["python"]}, torch {machine["torch"]};
revision {machine["git_revision"]}; median of {options.rounds} alternating rounds.

{table_of(pd.DataFrame(rows)).to_markdown(index=False, floatfmt=".2f")}

Images of MNIST's sizes (50,000 / 10,000 / 10,000). Seconds are of one epoch of one process. The plain loop evaluates
validation and test with 100 samples an image after every epoch, as the study did; the trainer validates with 10.
Peak memory is of a process.
"""
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
