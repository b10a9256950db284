"""The ledger counts every job once, whatever the stack, and all attempts of a training."""

import os
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.ledger import gather_costs, summarize_costs, to_markdown, unpack_benchmarks

MNIST = {"source": "torchvision", "class": "MNIST"}
BENCHMARKS = Path("results/benchmarks")


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name: str, seconds: float) -> None:
        path = BENCHMARKS / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tcpu_time\n{seconds}\t0:00:00\t1\n")

    return write


def runs(*, training_seconds: float, cells_in_job: int = 1, device: str = "cpu", threads: int = 1) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "mnist",
            "K": K,
            "perturbation": "normal",
            "temperature": temperature,
            "seed": 1,
            "cells_in_job": cells_in_job,
            "training_seconds": training_seconds,
            "wall_seconds": 90.0,
            "device": device,
            "threads": threads,
        }
        for K in (10, 30)
        for temperature in (0.5, 1.0)
    )


def hours(costs: pd.DataFrame, rule: str) -> pd.DataFrame:
    ledger = summarize_costs([costs])
    return ledger[ledger["rule"] == rule].set_index("K")[["jobs", "cpu_hours", "gpu_hours"]]


def test_each_rule_is_counted_by_its_benchmark_file(benchmark):
    benchmark("download/mnist-train-images-idx3-ubyte", 36)
    benchmark("download/mnist-t10k-images-idx3-ubyte", 36)
    benchmark("binarize/mnist", 3.6)
    benchmark("bound/mnist-K30-normal-seed1", 7200)
    for K in (10, 30):
        for temperature in (0.5, 1.0):
            benchmark(f"train/mnist-K{K}-normal-tau{temperature}-seed1", 360 * K)
    costs = gather_costs(
        "mnist", MNIST, runs(training_seconds=80, device="cuda", threads=2), stacked_axes=[], benchmarks=BENCHMARKS
    )
    assert hours(costs, "download").to_numpy().tolist() == [[2, 0.02, 0]]
    assert hours(costs, "binarize").to_numpy().tolist() == [[1, 0.001, 0]]
    assert hours(costs, "train").T.to_dict("list") == {10: [2, 4, 2], 30: [2, 12, 6]}
    assert hours(costs, "bound").T.to_dict("list") == {30: [1, 2, 2]}


def test_all_attempts_of_a_training_are_counted(benchmark):
    benchmark("train/mnist-K10-normal-tau0.5-seed1", 100)
    costs = gather_costs("mnist", MNIST, runs(training_seconds=3600), stacked_axes=[], benchmarks=BENCHMARKS)
    assert hours(costs, "train").T.to_dict("list") == {10: [2, 2, 0], 30: [2, 2, 0]}


@pytest.mark.parametrize("stacked_axes", [["temperature"], []], ids=["same stack", "changed since"])
def test_a_stack_is_counted_once(benchmark, stacked_axes):
    costs = gather_costs(
        "mnist", MNIST, runs(training_seconds=3600, cells_in_job=2), stacked_axes=stacked_axes, benchmarks=BENCHMARKS
    )
    assert hours(costs, "train")["cpu_hours"].to_dict() == {10: 1, 30: 1}
    benchmark("train/mnist-K10-normal-tauall-seed1", 7200)
    costs = gather_costs(
        "mnist", MNIST, runs(training_seconds=3600, cells_in_job=2), stacked_axes=["temperature"], benchmarks=BENCHMARKS
    )
    assert hours(costs, "train").T.to_dict("list") == {10: [1, 2, 0], 30: [1, 1, 0]}


def test_cells_of_a_former_stack_are_parts_of_a_job(benchmark):
    costs = gather_costs(
        "mnist", MNIST, runs(training_seconds=3600, cells_in_job=2), stacked_axes=[], benchmarks=BENCHMARKS
    )
    assert hours(costs, "train").T.to_dict("list") == {10: [1, 1, 0], 30: [1, 1, 0]}


def test_unpacked_costs_are_gathered_again(benchmark):
    benchmark("bound/mnist-K30-normal-seed1", 7200)
    options = {"stacked_axes": [], "benchmarks": BENCHMARKS}
    published = gather_costs("mnist", MNIST, runs(training_seconds=80), **options)
    shutil.rmtree(BENCHMARKS)
    benchmark("binarize/mnist", 5)
    os.utime(BENCHMARKS / "binarize/mnist.tsv", (0, 0))
    unpack_benchmarks(pd.concat([published, pd.DataFrame({"job": ["binarize/mnist"], "seconds": 7.0})]), BENCHMARKS)
    assert time.time() - (BENCHMARKS / "binarize/mnist.tsv").stat().st_mtime < 60, "no older than unpacked runs"
    again = gather_costs("mnist", MNIST, runs(training_seconds=80), **options)
    assert again["job"].tolist() == ["binarize/mnist", *published["job"]]
    assert again["seconds"].tolist() == [5, *published["seconds"]]


def test_runs_without_benchmarks_and_training_times_count_what_they_recorded(benchmark):
    costs = gather_costs(
        "mnist",
        MNIST,
        runs(training_seconds=1).drop(columns="training_seconds"),
        stacked_axes=[],
        benchmarks=BENCHMARKS,
    )
    assert costs["job"].str.startswith("train/").all()
    assert costs["seconds"].tolist() == [90.0] * 4


def test_the_markdown_ends_in_the_sums(benchmark):
    benchmark("binarize/mnist", 3600)
    costs = gather_costs(
        "mnist", MNIST, runs(training_seconds=1800, device="cuda"), stacked_axes=[], benchmarks=BENCHMARKS
    )
    lines = [line for line in to_markdown(summarize_costs([costs])).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["rule", "dataset", "K", "jobs", "CPU-hours", "GPU-hours"]
    assert cells[2] == ["binarize", "mnist", "", "1", "1.000", "0.000"]
    assert cells[-1] == ["total", "", "", "5", "3.000", "2.000"]
