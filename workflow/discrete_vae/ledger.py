"""The ledger: what jobs have cost, from Snakemake's benchmark files and the seconds in the runs' summaries."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.cells import CELL_LABEL, SELECTED_LABEL, Cell, job_path
from discrete_vae.files import write_text
from discrete_vae.sources import source_files

COUNTED = (
    "CPU-hours are the wall time of a job times its threads; GPU-hours are the wall time of a job on a GPU",
    "wall times are those of Snakemake's benchmark files, of the attempt that succeeded; where a training was"
    " interrupted and continued, the time of all its attempts; of a stack, each cell's share",
    "not counted: what a killed attempt did after its last resume point, the fits of fixed distributions, and the rules"
    " that gather, tabulate and draw, which take seconds",
)


def gather_costs(
    dataset: str, definition: Mapping[str, Any], runs: pd.DataFrame, *, stacked_axes: Collection[str], benchmarks: Path
) -> pd.DataFrame:
    """List what each job of a dataset has cost.

    Args:
        dataset: its name.
        definition: its definition in the configuration.
        runs: what `selection.gather_summaries` returns for it.
        stacked_axes: ``training: stack``.
        benchmarks: the folder of Snakemake's benchmark files.

    Returns:
        One row a job whose time is known: its name, such as ``binarize/mnist``, ``dataset``, ``K`` (missing for the
        data), ``device``, ``threads``, wall ``seconds`` and ``jobs``, a part of one for cells that were trained in a
        larger stack than today's.
    """
    rows = [
        *(_row(f"download/{file.folder}-{file.name}") for file in source_files(definition)),
        _row(f"binarize/{dataset}"),
        *_training_rows(runs, stacked_axes),
        *_bound_rows(runs, stacked_axes),
        _row(f"measure_gradients/{dataset}", device=runs["device"].iloc[0]),
    ]
    table = pd.DataFrame(rows).astype({"K": "Int64"})
    table.insert(1, "dataset", dataset)
    measured = [_benchmark_seconds(benchmarks / f"{job}.tsv") for job in table["job"]]
    table["seconds"] = np.maximum(table["seconds"], measured).round(3)
    return table[table["seconds"] > 0]


def _row(
    job: str, *, K: int | None = None, device: str = "cpu", threads: int = 1, jobs: float = 1, recorded: float = 0
) -> dict[str, str | int | float | None]:
    """Describe a job, with the seconds that its results have recorded."""
    return {"job": job, "K": K, "device": device, "threads": threads, "seconds": recorded, "jobs": jobs}


def _training_rows(runs: pd.DataFrame, stacked_axes: Collection[str]) -> list[dict[str, Any]]:
    # A cell's share of its job, so that cells that were trained in another stack than today's are counted once too.
    share = 1 / runs["cells_in_job"]
    recorded = share * runs.reindex(columns=["training_seconds", "wall_seconds"]).max(axis="columns")
    return [
        _row(
            job,
            K=cells["K"].iloc[0],
            device=cells["device"].iloc[0],
            threads=cells["threads"].iloc[0],
            jobs=round(share[cells.index].sum(), 6),
            recorded=recorded[cells.index].sum(),
        )
        for job, cells in runs.groupby(_jobs(runs, f"train/{CELL_LABEL}", stacked_axes), sort=False)
    ]


def _bound_rows(runs: pd.DataFrame, stacked_axes: Collection[str]) -> list[dict[str, Any]]:
    stacked_laws = [axis for axis in stacked_axes if axis == "perturbation"]
    return [
        _row(job, K=models["K"].iloc[0], device=models["device"].iloc[0])
        for job, models in runs.groupby(_jobs(runs, f"bound/{SELECTED_LABEL}", stacked_laws), sort=False)
    ]


def _jobs(runs: pd.DataFrame, pattern: str, stacked_axes: Collection[str]) -> list[str]:
    """Name the job that each run belongs to, as its benchmark file is named."""
    name = job_path(pattern, stacked_axes)
    return [name.format(**Cell.of(run).coordinates()) for run in runs.to_dict("records")]


def _benchmark_seconds(path: Path) -> float:
    """Return the wall seconds in a benchmark file; 0 where there is none."""
    return pd.read_csv(path, sep="\t")["s"].sum() if path.exists() else 0.0


def unpack_benchmarks(costs: pd.DataFrame, benchmarks: Path) -> None:
    """Write the wall seconds of published jobs to their benchmark files, where there are none, and date all anew.

    Args:
        costs: what `gather_costs` returned.
        benchmarks: the folder of Snakemake's benchmark files.
    """
    for row in costs.itertuples():
        path = benchmarks / f"{row.job}.tsv"
        if not path.exists():
            write_text(path, f"s\n{row.seconds}\n")
        path.touch()  # Snakemake compares its date too with those of the runs


def summarize_costs(costs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Sum up the costs of all datasets.

    Args:
        costs: what `gather_costs` returns for each.

    Returns:
        One row for each rule, dataset and K: the number of ``jobs``, ``cpu_hours`` and ``gpu_hours``.
    """
    table = pd.concat(costs, ignore_index=True).astype({"K": "Int64"})
    table["rule"] = table["job"].str.partition("/")[0]
    table["cpu_hours"] = table["seconds"] * table["threads"] / 3600
    table["gpu_hours"] = table["seconds"] * (table["device"] == "cuda") / 3600
    groups = table.groupby(["rule", "dataset", "K"], sort=False, dropna=False)
    sums = groups[["jobs", "cpu_hours", "gpu_hours"]].sum().reset_index()
    return sums.astype({"jobs": float}).round({"jobs": 0}).astype({"jobs": int})


def to_markdown(ledger: pd.DataFrame) -> str:
    """Lay the ledger out in Markdown, with the sums in the last row."""
    sums = ledger[["jobs", "cpu_hours", "gpu_hours"]].sum()
    total = pd.DataFrame([{"rule": "total", "dataset": "", "K": pd.NA, **sums}]).astype({"K": "Int64", "jobs": int})
    rows = pd.concat([ledger, total], ignore_index=True)
    texts = rows.assign(
        K=["" if pd.isna(K) else str(K) for K in rows["K"]],
        **{hours: rows[hours].map("{:.3f}".format) for hours in ("cpu_hours", "gpu_hours")},
    ).rename(columns={"cpu_hours": "CPU-hours", "gpu_hours": "GPU-hours"})
    notes = "".join(f"- {note}\n" for note in COUNTED)
    return f"{texts.to_markdown(index=False, disable_numparse=True)}\n\n{notes}"
