"""What a group has cost, from the seconds of its trainings and its evaluation, and the sums over groups."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

COLUMNS = ["dataset", "K", "seed", "step", "device", "hardware", "threads", "jobs", "seconds"]


def group_costs(runs: pd.DataFrame, evaluation_seconds: float, environment: Mapping[str, Any]) -> pd.DataFrame:
    """List what a group has cost, given its summaries and the wall time and `environment` of its evaluation.

    Returns:
        One row for each step, hardware and number of threads: jobs, which are cells in training, and wall seconds.
    """
    seconds = runs[["training_seconds", "wall_seconds"]].max(axis="columns") / runs["cells_in_job"]
    training = runs.assign(step="train", seconds=seconds)
    groups = training.groupby(["dataset", "K", "seed", "step", "device", "hardware", "threads"], sort=False)
    trained = groups["seconds"].agg(jobs="size", seconds="sum").reset_index()
    where = {name: environment[name] for name in ("device", "hardware", "threads")}
    evaluated = trained.head(1).assign(step="evaluate", jobs=1, seconds=evaluation_seconds, **where)
    return pd.concat([trained, evaluated])[COLUMNS].round({"seconds": 3})


def sum_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Sum up the costs of some groups by step, dataset, K and hardware, training first."""
    hours = costs["seconds"] / 3600
    table = costs.assign(core_hours=hours * costs["threads"], gpu_hours=hours.where(costs["device"] == "cuda", 0.0))
    groups = table.groupby(["step", "dataset", "K", "hardware"], sort=False)
    sums = groups[["jobs", "core_hours", "gpu_hours"]].sum().reset_index()
    return sums.sort_values("step", ascending=False, kind="stable")
