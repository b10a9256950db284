"""What a group has cost, from the seconds in its runs' summaries and of its evaluation, and the sums."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

COUNTED = (
    "core-hours: wall time of a job times its threads; GPU-hours: wall time of a job on a GPU",
    "counted: training and evaluation. Of a job that trained several cells, each has its share. An interrupted training"
    " counts all its attempts",
    "not counted: what a killed attempt did after its last resume point, the data, the selection, the drawing, the"
    " gradients of the control and the fits of fixed distributions, which take minutes in all",
)
COLUMNS = ["dataset", "K", "seed", "step", "device", "hardware", "threads", "jobs", "seconds"]


def group_costs(runs: pd.DataFrame, evaluation_seconds: float, environment: Mapping[str, Any]) -> pd.DataFrame:
    """List what a group has cost.

    Args:
        runs: its summaries, see `selection.gather_summaries`.
        evaluation_seconds: wall time of its evaluation.
        environment: where that was, see `results.environment`.

    Returns:
        For each step and kind of hardware its device, threads of a job, number of jobs (cells) and wall seconds.
    """
    seconds = runs[["training_seconds", "wall_seconds"]].max(axis="columns") / runs["cells_in_job"]
    training = runs.assign(step="train", seconds=seconds)
    groups = training.groupby(["dataset", "K", "seed", "step", "device", "hardware", "threads"], sort=False)
    trained = groups["seconds"].agg(jobs="size", seconds="sum").reset_index()
    evaluated = trained.head(1).assign(
        step="evaluate",
        jobs=1,
        seconds=evaluation_seconds,
        **{name: environment[name] for name in ("device", "hardware", "threads")},
    )
    return pd.concat([trained, evaluated], ignore_index=True)[COLUMNS].round({"seconds": 3})


def sum_costs(costs: pd.DataFrame) -> pd.DataFrame:
    """Sum up the costs of all groups by step, dataset, K and hardware.

    Args:
        costs: what `group_costs` returns, for some groups.
    """
    hours = costs["seconds"] / 3600
    table = costs.assign(core_hours=hours * costs["threads"], gpu_hours=hours.where(costs["device"] == "cuda", 0.0))
    groups = table.groupby(["step", "dataset", "K", "hardware"], sort=False)
    sums = groups[["jobs", "core_hours", "gpu_hours"]].sum().reset_index()
    return sums.sort_values("step", ascending=False, kind="stable", ignore_index=True)  # training first


def to_markdown(table: pd.DataFrame) -> str:
    """Lay the sums out in Markdown, with the total in the last row."""
    total = table[["jobs", "core_hours", "gpu_hours"]].sum()
    total_row = pd.DataFrame([{"step": "total", "dataset": "", "K": "", "hardware": "", **total}])
    rows = pd.concat([table.astype({"K": str}), total_row], ignore_index=True).astype({"jobs": int})
    texts = rows.assign(**{hours: rows[hours].map("{:.3f}".format) for hours in ("core_hours", "gpu_hours")})
    notes = "".join(f"- {note}\n" for note in COUNTED)
    return f"{texts.to_markdown(index=False, disable_numparse=True)}\n\n{notes}"
