"""Costs count every job once, whatever the stack, and all attempts of a training."""

import pandas as pd
import pytest
from discrete_vae.analysis.costs import COLUMNS, group_costs, sum_costs

CPU = {"device": "cpu", "hardware": "a processor", "threads": 1}
GPU = {"device": "cuda", "hardware": "a GPU", "threads": 2}


def runs(*, K: int = 10, training: float, wall: float = 90.0, cells_in_job: int = 1, where=CPU) -> pd.DataFrame:
    """Make a group of two runs."""
    return pd.DataFrame(
        {
            "dataset": "mnist",
            "K": K,
            "perturbation": "normal",
            "temperature": temperature,
            "seed": 1,
            "cells_in_job": cells_in_job,
            "training_seconds": training,
            "wall_seconds": wall,
            **where,
        }
        for temperature in (0.5, 1.0)
    )


def test_a_group_has_the_seconds_of_its_training_and_of_its_evaluation():
    costs = group_costs(runs(training=80, where=GPU), 7200.1234, {**CPU, "torch": "2"})
    assert costs.columns.tolist() == COLUMNS
    assert costs.drop(columns=["dataset", "K", "seed"]).to_numpy().tolist() == [
        ["train", "cuda", "a GPU", 2, 2, 180.0],
        ["evaluate", "cpu", "a processor", 1, 1, 7200.123],
    ]


def test_runs_of_different_hardware_are_counted_apart():
    both = pd.concat([runs(training=3600), runs(training=1800, where=GPU)])
    sums = sum_costs(group_costs(both, 0, CPU)).query("step == 'train'").set_index("hardware")
    assert sums[["jobs", "core_hours", "gpu_hours"]].T.to_dict("list") == {"a processor": [2, 2, 0], "a GPU": [2, 2, 1]}


@pytest.mark.parametrize(("training", "wall", "hours"), [(3600, 90, 2), (90, 3600, 2)])
def test_all_attempts_of_a_training_are_counted(training, wall, hours):
    """The wall time is the last attempt's, from its start on; training_seconds those of all attempts' epochs."""
    costs = sum_costs(group_costs(runs(training=training, wall=wall), 0, CPU))
    assert costs.set_index("step").loc["train", "core_hours"] == hours


def test_rows_keep_the_order_of_the_groups_and_of_their_runs():
    """The steps alone are sorted."""
    both = pd.concat([runs(training=9, where=GPU), runs(training=9)])
    assert group_costs(both, 0, CPU)["hardware"].tolist() == ["a GPU", "a processor", "a processor"]
    places = [(dataset, K) for dataset in ("mnist", "digits") for K in (50, 10, 30, 2, 9, 7, 4, 3, 8, 5)]
    groups = [group_costs(runs(K=K, training=9).assign(dataset=dataset), 0, CPU) for dataset, K in places]
    sums = sum_costs(pd.concat(groups))
    assert list(zip(sums["dataset"], sums["K"], strict=True)) == [*places, *places]


def test_a_stack_is_counted_once():
    costs = sum_costs(group_costs(runs(training=3600, cells_in_job=2), 0, CPU)).set_index("step")
    assert costs.loc["train", ["jobs", "core_hours"]].tolist() == [2, 1]


def test_groups_are_summed_up_training_first():
    groups = [group_costs(runs(K=K, training=360 * K, where=GPU), 36, GPU) for K in (10, 10, 30)]
    sums = sum_costs(pd.concat(groups))
    assert sums[["step", "K", "jobs", "core_hours", "gpu_hours"]].to_numpy().tolist() == [
        ["train", 10, 4, 8, 4],
        ["train", 30, 2, 12, 6],
        ["evaluate", 10, 2, pytest.approx(0.04), pytest.approx(0.02)],
        ["evaluate", 30, 1, pytest.approx(0.02), pytest.approx(0.01)],
    ]
