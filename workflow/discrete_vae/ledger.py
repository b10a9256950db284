"""The ledger: what jobs have cost, from Snakemake's benchmark files and the seconds in the runs' summaries."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from discrete_vae.cells import CELL_LABEL, SELECTED_LABEL, Cell, job_path
from discrete_vae.sources import source_files

COUNTED = (
    "CPU-hours are the wall time of a job times its threads; GPU-hours are the wall time of a job on a GPU",
    "wall times are those of Snakemake's benchmark files, of the attempt that succeeded; where a training was"
    " interrupted and continued, the time of all its attempts",
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
        One row a job whose time is known: ``rule``, ``dataset``, ``K`` (missing for the data), ``device``,
        ``threads`` and wall ``seconds``.
    """
    downloads = [benchmarks / f"download/{file.folder}-{file.name}.tsv" for file in source_files(definition)]
    rows = [
        *(_row("download", _benchmark_seconds(name)) for name in downloads),
        _row("binarize", _benchmark_seconds(benchmarks / f"binarize/{dataset}.tsv")),
        *_training_rows(runs, stacked_axes, benchmarks),
        *_bound_rows(runs, stacked_axes, benchmarks),
        _row(
            "measure_gradients",
            _benchmark_seconds(benchmarks / f"measure_gradients/{dataset}.tsv"),
            device=runs["device"].iloc[0],
        ),
    ]
    table = pd.DataFrame(rows).astype({"K": "Int64"})
    table.insert(1, "dataset", dataset)
    return table[table["seconds"] > 0]


def _row(
    rule: str, seconds: float, *, K: int | None = None, device: str = "cpu", threads: int = 1
) -> dict[str, str | int | float | None]:
    return {"rule": rule, "K": K, "device": device, "threads": threads, "seconds": round(seconds, 3)}


def _training_rows(runs: pd.DataFrame, stacked_axes: Collection[str], benchmarks: Path) -> list[dict[str, Any]]:
    of_runs = _paths(runs, f"train/{CELL_LABEL}.tsv", stacked_axes)
    # A cell's share of its job, so that cells that were trained in another stack than today's are counted once too.
    recorded = runs.reindex(columns=["training_seconds", "wall_seconds"]).max(axis="columns") / runs["cells_in_job"]
    return [
        _row(
            "train",
            max(_benchmark_seconds(benchmarks / str(benchmark)), recorded[job.index].sum()),
            K=job["K"].iloc[0],
            device=job["device"].iloc[0],
            threads=job["threads"].iloc[0],
        )
        for benchmark, job in runs.groupby(of_runs, sort=False)
    ]


def _bound_rows(runs: pd.DataFrame, stacked_axes: Collection[str], benchmarks: Path) -> list[dict[str, Any]]:
    stacked_laws = [axis for axis in stacked_axes if axis == "perturbation"]
    of_runs = _paths(runs, f"bound/{SELECTED_LABEL}.tsv", stacked_laws)
    return [
        _row(
            "bound",
            _benchmark_seconds(benchmarks / str(benchmark)),
            K=models["K"].iloc[0],
            device=models["device"].iloc[0],
        )
        for benchmark, models in runs.groupby(of_runs, sort=False)
    ]


def _paths(runs: pd.DataFrame, pattern: str, stacked_axes: Collection[str]) -> list[str]:
    path = job_path(pattern, stacked_axes)
    return [path.format(**Cell.of(run).coordinates()) for run in runs.to_dict("records")]


def _benchmark_seconds(path: Path) -> float:
    """Return the wall seconds in a benchmark file; 0 where there is none, as beside published results."""
    return pd.read_csv(path, sep="\t")["s"].sum() if path.exists() else 0.0


def summarize_costs(costs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Sum up the costs of all datasets.

    Args:
        costs: what `gather_costs` returns for each.

    Returns:
        One row for each rule, dataset and K: the number of ``jobs``, ``cpu_hours`` and ``gpu_hours``.
    """
    table = pd.concat(costs, ignore_index=True).astype({"K": "Int64"})
    table["cpu_hours"] = table["seconds"] * table["threads"] / 3600
    table["gpu_hours"] = table["seconds"] * (table["device"] == "cuda") / 3600
    groups = table.groupby(["rule", "dataset", "K"], sort=False, dropna=False)
    return groups.agg(
        jobs=("seconds", "size"), cpu_hours=("cpu_hours", "sum"), gpu_hours=("gpu_hours", "sum")
    ).reset_index()


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
