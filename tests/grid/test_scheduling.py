"""What jobs ask for: GPUs, the stack that follows from them, minutes and memory."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.config.options import Training
from discrete_vae.config.reading import read
from discrete_vae.errors import InputError
from discrete_vae.grid import scheduling
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.scheduling import (
    contradiction,
    evaluation_minutes,
    gpus_here,
    gpus_of_training,
    stack_of,
    training_mb,
    training_minutes,
)

RESULTS = Path(__file__).parents[2] / "results"
LAWS = ("gumbel", "normal", "logistic")


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [(None, 1), ("0", 1), ("1,0", 1), ("GPU-8d5c", 1), ("", 0), (" ", 0), ("-1", 0), ("-1,0", 0), ("0,-1", 1)],
)
def test_a_job_asks_for_a_gpu_where_there_is_one_that_is_not_hidden(tmp_path, monkeypatch, visible, gpus):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(scheduling, "DRIVER", tmp_path)
    assert gpus_here() == gpus
    monkeypatch.setattr(scheduling, "DRIVER", tmp_path / "none")
    assert gpus_here() == 0


@pytest.mark.parametrize(
    ("device", "here", "asked", "gpus"),
    [
        ("auto", 0, None, 0),
        ("auto", 1, None, 1),
        ("cuda", 0, None, 1),
        ("cpu", 1, None, 0),
        ("auto", 0, 1, 1),
        ("auto", 1, 0, 0),
        ("auto", 0, "2", 2),
    ],
)
def test_what_a_profile_sets_goes_before_what_the_machine_has(device, here, asked, gpus):
    assert gpus_of_training(Training(device=device), here=here, asked=asked) == gpus


@pytest.mark.parametrize(
    ("device", "gpus", "said"),
    [
        ("auto", 0, None),
        ("auto", 1, None),
        ("cpu", 0, None),
        ("cuda", 1, None),
        ("cpu", 1, "sets train_cells:gpu=1: each job reserves a GPU that it does not use; set gpu to 0"),
        ("cuda", 0, "sets train_cells:gpu=0: no job asks for a GPU; set gpu to 1"),
    ],
)
def test_gpus_that_contradict_the_device_are_told(device, gpus, said):
    expected = said and f"training.device is {device}, but a profile or the command line {said}"
    assert contradiction(Training(device=device), gpus) == expected


@pytest.mark.parametrize("asked", ["attempt", "'h100:1'", "1.5", ""])
def test_gpus_that_may_differ_between_jobs_are_told_in_one_line(asked):
    with pytest.raises(InputError, match=rf"^set-resources has train_cells:gpu={asked}, .* set it to 0 or 1$"):
        gpus_of_training(Training(), here=1, asked=asked)


def configuration_of(*blocks: dict, **training) -> dict:
    return read({"grid": {"dataset": ["mnist"], "K": [10], "blocks": blocks}, "training": training})


@pytest.mark.parametrize(
    ("training", "gpus", "stack"),
    [
        ({}, 0, ()),
        ({}, 1, ("temperature", "perturbation")),
        ({"device": "cuda"}, 0, ("temperature", "perturbation")),
        ({"device": "cpu"}, 1, ()),
        ({"stack": []}, 1, ()),
        ({"stack": ["seed"]}, 0, ("seed",)),
    ],
)
def test_a_job_trains_a_group_on_a_gpu_and_a_cell_on_a_cpu_unless_the_stack_is_named(training, gpus, stack):
    assert stack_of(configuration_of(**training), gpus) == stack


def test_a_cell_that_is_asked_for_by_name_is_trained_alone_unless_the_stack_is_named():
    assert stack_of(configuration_of(), 1, by_name=True) == ()
    assert stack_of(configuration_of(stack=["seed"]), 1, by_name=True) == ("seed",)


def test_an_axis_that_differs_between_the_parts_of_the_grid_is_not_stacked():
    parts = [{"perturbation": ["gumbel"], "K": [10]}, {"perturbation": ["normal"], "K": [30]}]
    assert stack_of(configuration_of(*parts), 1) == ("temperature",)
    assert stack_of(configuration_of(*parts, {"temperature": [0.5]}), 1) == ()
    assert stack_of(configuration_of({"K": [10]}, {"K": [30]}), 1) == ("temperature", "perturbation")


@pytest.mark.parametrize("K", [10, 30, 50])
def test_a_training_job_is_given_about_three_times_what_the_benchmark_measured(K):
    measured = {10: 2.35 + 0.99, 30: (2.35 + 0.99 + 3.79 + 1.38) / 2, 50: 3.79 + 1.38}[K]  # seconds of an epoch
    paper = Training(epochs=300)
    minutes = 3 * 300 * measured / 60
    assert training_minutes(paper, K=K, cells=1, gpus=0) == pytest.approx(minutes, rel=0.05)
    assert training_minutes(paper, K=K, cells=30, gpus=0) == pytest.approx(30 * minutes, rel=0.05)
    assert training_minutes(replace(paper, epochs=600), K=K, cells=1, gpus=0) == pytest.approx(2 * minutes, rel=0.05)
    # The assumption is that of scheduling.py.
    assert training_minutes(paper, K=K, cells=30, gpus=1) == pytest.approx(3 * minutes, rel=0.05)
    assert training_minutes(paper, K=K, cells=1, gpus=1) == pytest.approx(minutes, rel=0.05)
    assert training_minutes(replace(paper, device="cpu"), K=K, cells=30, gpus=1) > 20 * minutes


def test_an_evaluation_is_given_25_minutes_for_each_noise_law_and_thousand_samples():
    """Three times two models a law, each some four minutes. All temperatures of a law count once."""
    cells = [Cell("mnist", 10, law, temperature, 1) for law in LAWS for temperature in (0.1, 0.5, 1.0)]
    assert evaluation_minutes(cells, 1000) == 75
    assert evaluation_minutes(cells, 2000) == 150
    assert evaluation_minutes(cells[:6], 1000) == 50


def test_no_job_is_given_less_than_half_an_hour():
    assert training_minutes(Training(epochs=1), K=10, cells=1, gpus=0) == 30
    assert evaluation_minutes([Cell("digits", 10, "normal", 0.5, 1)], 200) == 30


def test_the_published_evaluations_took_less_than_they_would_be_given():
    """Two selections are evaluated since then, so half of the time is theirs."""
    tables = sorted(RESULTS.glob("*/groups/*/K*/seed*/costs.csv"))
    assert tables
    for path in tables:
        costs, bounds = pd.read_csv(path), pd.read_csv(path.with_name("bounds.csv"))
        cells = [Cell.of(row) for row in bounds.to_dict("records")]
        minutes = evaluation_minutes(cells, int(bounds["samples"].iloc[0]))
        assert costs[costs["step"] == "evaluate"]["seconds"].sum() / 60 < minutes / 2, path


@pytest.mark.parametrize(("cells", "measured"), [(1, 898), (30, 1545)])
def test_a_training_job_is_given_about_three_times_the_memory_that_was_measured(cells, measured):
    assert training_mb(cells) == pytest.approx(3 * measured * 1.048576, rel=0.02)
