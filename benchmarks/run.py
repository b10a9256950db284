"""Measure the trainer against a plain loop and against the arithmetic alone, alternating on this machine.

Every row is measured in each round, one after the other, and shows the median over rounds: a machine that drifts drifts
under all of them. On a CPU two processes of one thread each run at the same time, as the pipeline runs them on two
cores; on a GPU there is one. Needs no more than torch, numpy and pandas.
"""

import argparse
import itertools
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
from discrete_vae.training.device import environment
from worker import SIZES, multiply_adds


@dataclass(frozen=True)
class Contender:
    """A way to train: its name in the table, the worker's arguments, processes at a time and models in each.

    Each process has a core of its own where `pinned`: XLA uses all that it is not kept from.
    """

    name: str
    arguments: tuple[str, ...]
    processes: int = 1
    models: int = 1
    pinned: bool = False


WORKER = (sys.executable, str(HERE / "worker.py"))
ARITHMETIC = "matrix products and Adam alone"
ON_CPU = (
    Contender("plain loop, 1 process x 2 threads", (*WORKER, "plain", "--threads", "2")),
    Contender("plain loop, 2 processes x 1 thread", (*WORKER, "plain"), 2),
    Contender("trainer, one cell a job, 2 jobs", (*WORKER, "trainer", "--epochs", "2"), 2),
    Contender("trainer, stack of 6, 2 jobs", (*WORKER, "trainer", "--stack", "6"), 2, 6),
    Contender(f"{ARITHMETIC}, 2 processes", (*WORKER, "arithmetic"), 2),
)
GPU_WORKER = ("--device", "cuda", "--warm-up", "1", "--epochs", "3", "--final")
GPU_ARITHMETIC = (*WORKER, "arithmetic", "--device", "cuda")
ON_GPU = (
    Contender("plain loop", (*WORKER, "plain", "--device", "cuda", "--warm-up", "1")),
    Contender("trainer, one cell", (*WORKER, "trainer", *GPU_WORKER)),
    Contender("trainer, stack of 30", (*WORKER, "trainer", "--stack", "30", *GPU_WORKER), 1, 30),
    Contender("trainer, one cell, TF32", (*WORKER, "trainer", "--precision", "high", *GPU_WORKER)),
    Contender(
        "trainer, stack of 30, TF32", (*WORKER, "trainer", "--stack", "30", "--precision", "high", *GPU_WORKER), 1, 30
    ),
    Contender(ARITHMETIC, GPU_ARITHMETIC),
    Contender(f"{ARITHMETIC}, stack of 30", (*GPU_ARITHMETIC, "--stack", "30"), 1, 30),
    Contender(f"{ARITHMETIC}, stack of 30, TF32", (*GPU_ARITHMETIC, "--stack", "30", "--precision", "high"), 1, 30),
)
# The study's grid for one seed: at each K 30 cells of every dataset, whose training and validation images are these.
GRID_EPOCHS, CELLS_AT_A_K = 300, 30
GRID_SIZES = {"mnist": (50_000, 10_000), "fashion-mnist": (50_000, 10_000), "omniglot": (23_000, 1_345)}


def jax_peer(python: str) -> Contender:
    """Return the JAX loop, run by a Python that has jax."""
    return Contender("JAX, jitted epoch, 2 processes x 1 core", (python, str(HERE / "jax_loop.py")), 2, pinned=True)


def measure(contender: Contender, categories: int) -> dict[str, float]:
    """Run a contender's processes side by side and return the mean of their measurements."""
    command = [*contender.arguments, "--K", str(categories)]
    by_core = [["--core", str(i)] if contender.pinned else [] for i in range(contender.processes)]
    workers = [subprocess.Popen([*command, *core], stdout=subprocess.PIPE, text=True) for core in by_core]
    outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        sys.exit(f"{' '.join(command)} failed")
    return pd.DataFrame([json.loads(output) for output in outputs]).mean().to_dict()


def table_of(measurements: pd.DataFrame, contenders: list[Contender]) -> pd.DataFrame:
    """Summarize rounds by their median and set each contender against the plain loop and the arithmetic."""
    table = measurements.groupby(["K", "contender"], sort=False).median().reset_index()
    models = table["contender"].map(
        {contender.name: contender.processes * contender.models for contender in contenders}
    )
    processes = table["contender"].map({contender.name: contender.processes for contender in contenders})
    table["training model-epochs/s"] = models / table["training"]
    table["model-epochs/s"] = models / (table["training"] + table["evaluation"])
    by_K = table.groupby("K")
    table["ratio to plain"] = table["model-epochs/s"] / by_K["model-epochs/s"].transform("first")
    table["training ratio"] = table["training model-epochs/s"] / by_K["training model-epochs/s"].transform("first")
    is_arithmetic = table["contender"].str.startswith(ARITHMETIC)
    reached = table["training model-epochs/s"].where(is_arithmetic)
    limit = reached.groupby([table["K"], table["contender"].str.endswith("TF32")]).transform("max")
    table["share of arithmetic limit"] = table["training model-epochs/s"] / limit
    # Of a process: what an epoch multiplies and adds over its time, and for the arithmetic that of the products alone.
    achieved = table["K"].map(multiply_adds) * models / processes / table["training"]
    table["giga multiply-adds/s"] = table["rate"].fillna(achieved) / 1e9
    no_evaluation = table["evaluation"] == 0
    table.loc[no_evaluation, ["model-epochs/s", "ratio to plain"]] = float("nan")
    return table.drop(columns="rate").rename(
        columns={
            "training": "training s",
            "evaluation": "evaluation s",
            "startup": "start-up s",
            "peak_mib": "peak MiB",
        }
    )


def memory_of_jobs() -> str:
    """State the peak memory of a job with one cell and with a stack of 30, at K = 50."""
    peaks = {
        stack: measure(Contender("memory", (*WORKER, "memory", "--stack", str(stack))), 50)["peak_mib"]
        for stack in (1, 30)
    }
    return (
        f"Peak memory of a job at K = 50: {peaks[1]:.0f} MiB for one cell, {peaks[30]:.0f} MiB for a stack of 30 that"
        " saves a resume point."
    )


def times_of_a_grid(table: pd.DataFrame) -> str:
    """State what a cell alone and the study's grid of one seed take, from the epochs measured."""
    lines = []
    for suffix in ("", ", TF32"):
        alone = table[table["contender"] == f"trainer, one cell{suffix}"].iloc[0]
        seconds = GRID_EPOCHS * (alone["training s"] + alone["evaluation s"])
        cell = alone["start-up s"] + seconds + alone["final evaluation"]
        stacks = table[table["contender"] == f"trainer, stack of 30{suffix}"].set_index("K")
        grid = 0.0
        for _, row in stacks.iterrows():
            for images, validation in GRID_SIZES.values():
                training = row["training s"] * images / SIZES["train"]
                evaluation = row["evaluation s"] * validation / SIZES["validation"]
                grid += row["start-up s"] + GRID_EPOCHS * (training + evaluation) + row["final evaluation"]
        cells = len(stacks) * len(GRID_SIZES) * CELLS_AT_A_K
        lines.append(
            f"- {suffix.removeprefix(', ') or 'float32'}: one MNIST cell at K = {alone['K']} alone {cell:.1f} s;"
            f" {cells} cells ({len(GRID_SIZES)} datasets, K = {', '.join(map(str, stacks.index))}) in stacks of 30"
            f" {grid / 60:.1f} min, {cells / grid * 60:.1f} cells a minute."
        )
    return "\n".join(lines)


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table in Markdown, numbers with two decimals, missing ones empty."""
    rows = [
        ["" if pd.isna(value) else f"{value:.2f}" if isinstance(value, float) else str(value) for value in row]
        for row in table.astype(object).itertuples(index=False)
    ]
    lines = [list(table.columns), ["---"] * len(table.columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure, print the table and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--K", type=int, nargs="+", help="default: 10 and 50, on a GPU also 30")
    parser.add_argument("--jax-python", help="a Python with benchmarks/requirements-jax.txt, to measure JAX beside")
    parser.add_argument("--output", type=Path, help="default: benchmarks/results/cpu.md or the name of the GPU")
    parser.add_argument("--measurements", type=Path, help="a JSON file to keep them in, and to go on from if it exists")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    contenders = list(ON_GPU if on_gpu else ON_CPU) + ([jax_peer(options.jax_python)] if options.jax_python else [])
    machine = environment(torch.device(options.device))
    name = machine["hardware"].lower().replace(" ", "-") if on_gpu else "cpu"
    output = options.output or HERE / "results" / f"{name}.md"
    kept = options.measurements and options.measurements.exists()
    rows = json.loads(options.measurements.read_text(encoding="utf-8")) if kept else []
    every_K = options.K or ([10, 30, 50] if on_gpu else [10, 50])
    planned = list(itertools.product(range(options.rounds), every_K, contenders))
    plan = [(K, contender.name) for _, K, contender in planned]
    if [(row["K"], row["contender"]) for row in rows] != plan[: len(rows)]:
        sys.exit(f"{options.measurements} is of other options; repeat those it was begun with, or remove it")
    for round_number, categories, contender in planned[len(rows) :]:
        measured = measure(contender, categories)
        rows.append({"K": categories, "contender": contender.name, **measured})
        print(f"round {round_number + 1}, K = {categories}, {contender.name}: {measured}", flush=True)
        if options.measurements:
            options.measurements.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table = table_of(pd.DataFrame(rows), contenders)
    where = "" if on_gpu else ", two cores used"
    text = f"""# Training on {"a GPU" if on_gpu else "a CPU"}

{machine["hardware"]}, {platform.system()}{where}; Python {machine["python"]}, torch {machine["torch"]};
revision {machine["git_revision"]}; median of {options.rounds} alternating rounds.

{as_markdown(table)}

Images of MNIST's sizes (50,000 / 10,000 / 10,000). Seconds are of one epoch of one process. The plain loop evaluates
validation and test with 100 samples an image after every epoch, as the study did; the trainer validates with 10.
Start-up is all before the first step, and on a GPU what the first epoch takes longer. The arithmetic limit is the
fastest row of matrix products and fused Adam alone, in the same precision. Multiply-adds are those of a training
epoch's matrix products, per process and second; the rows of arithmetic show them without Adam. Peak memory is of a
process.

{times_of_a_grid(table) if on_gpu else memory_of_jobs()}
"""
    output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
