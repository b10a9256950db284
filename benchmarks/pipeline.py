"""Measure what the pipeline adds to training: the planning of a large grid, and every other rule of a stacked run.

Some minutes on two cores; nothing else should run meanwhile.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import torch
from discrete_vae.training.device import environment

CELLS_A_SEED = 3 * 3 * 3 * 10  # of config.yaml


def snakemake(directory: Path, *arguments: str) -> float:
    """Run Snakemake on this project in a directory and return the wall seconds."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    started = time.perf_counter()
    finished = subprocess.run([*command, *arguments], cwd=ROOT, text=True, capture_output=True, check=False)
    if finished.returncode:
        sys.exit(f"snakemake {' '.join(arguments)} failed:\n{finished.stdout[-3000:]}{finished.stderr[-3000:]}")
    return time.perf_counter() - started


def plan(seeds: int) -> float:
    """Return the seconds of a dry run of the study's whole grid with a number of seeds."""
    with tempfile.TemporaryDirectory() as directory:
        grid = f"grid={{seed: {list(range(seeds))}}}"
        return snakemake(Path(directory), "--dry-run", "--quiet", "all", "--config", grid)


def run(configfile: Path) -> tuple[float, float, pd.DataFrame]:
    """Run a configuration on one core; return wall seconds, those of training epochs, and the seconds of each rule."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        wall = snakemake(
            directory, "--cores", "1", "--configfile", str(configfile.resolve()), "--config", "training={device: cpu}"
        )
        summaries = [json.loads(path.read_text()) for path in directory.glob("results/*/runs/**/summary.json")]
        training = sum(summary["training_seconds"] / summary["cells_in_job"] for summary in summaries)
        (benchmarks,) = directory.glob("logs/*/benchmarks")
        files = benchmarks.glob("**/*.tsv")
        seconds = {path: pd.read_csv(path, sep="\t")["s"].sum() for path in files}
        rules = [path.relative_to(benchmarks).parts[0].removesuffix(".tsv") for path in seconds]
    jobs = pd.DataFrame({"rule": rules, "seconds": list(seconds.values())})
    return wall, training, jobs.groupby("rule")["seconds"].agg(jobs="size", seconds="sum").sort_values("seconds")[::-1]


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=38, help="seeds of the planned grid; 38 make 10,260 cells")
    parser.add_argument("--configfile", type=Path, default=ROOT / "configs" / "quickstart.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "pipeline.md")
    options = parser.parse_args()
    planning = plan(options.seeds)
    wall, training, rules = run(options.configfile)
    machine = environment(torch.device("cpu"))
    overhead = wall - training
    table = "\n".join(f"| {rule} | {row.jobs:.0f} | {row.seconds:.1f} |" for rule, row in rules.iterrows())
    text = f"""# What the pipeline adds to training

{machine["hardware"]}, {platform.system()}; Python {machine["python"]}; revision {machine["git_revision"]}.

- Planning: `snakemake --dry-run` of the whole grid with {options.seeds} seeds,
  {options.seeds * CELLS_A_SEED:,} cells: {planning:.1f} s.
- Running {options.configfile.name} on one core: {wall:.1f} s, of which {training:.1f} s are training epochs. All else
  is {overhead:.1f} s or {overhead / wall:.0%}: start-up of processes, final evaluation, bounds, tables, figures. It
  does not grow with the epochs: of the same jobs with more of them it is under 10% once the epochs take
  {9 * overhead / 60:.0f} min.

| rule | jobs | s |
| --- | --- | --- |
{table}

A job's seconds start with its process and end with its files.
"""
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
