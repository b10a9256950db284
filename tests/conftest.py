"""What the tests share: small datasets, Snakemake as a user runs it, and one run of the quick start."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from discrete_vae.cells import AXES
from discrete_vae.datasets import SPLITS, BinarizedDataset

# More threads would wait for each other wherever anything else runs.
torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]
LOCAL_MIRROR = ROOT.parent / "shared" / "data"  # real MNIST, Fashion-MNIST and Omniglot, where a developer has them

LAWS = {
    "gumbel": {"distribution": "Gumbel", "loc": 0, "scale": 1},
    "normal": {"distribution": "Normal", "loc": 0, "scale": 1},
    "logistic": {"distribution": "Logistic", "loc": 0, "scale": 1},
}


def start_snakemake(directory: Path, *arguments: str, **options) -> subprocess.Popen:
    """Start Snakemake on this project in a working directory of its own; stdout and stderr come together in stdout."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory)]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    options = {"stdout": subprocess.PIPE, **options}
    return subprocess.Popen(
        [*command, *arguments], cwd=ROOT, env=environment, text=True, stderr=subprocess.STDOUT, **options
    )


def run_snakemake(directory: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Snakemake on this project in a working directory of its own and wait for its end."""
    process = start_snakemake(directory, *arguments)
    output, _ = process.communicate()
    if check and process.returncode != 0:
        pytest.fail(f"snakemake {' '.join(arguments)} failed:\n{output[-6000:]}")
    return subprocess.CompletedProcess(process.args, process.returncode, output)


QUICKSTART = ("--configfile", "configs/quickstart.yaml")

OWN_CONFIG = """
grid: {dataset: [mine], K: [4], perturbation: [normal, laplace], temperature: [0.5], seed: [1]}
datasets: {mine: {source: npz, path: my.npz}}
perturbations: {laplace: {distribution: Laplace, loc: 0, scale: 1}}
model: {variables: 3, hidden: 16}
training: {epochs: 3, batch_size: 20, device: cpu}
"""


def make_own(directory: Path) -> tuple[str, str]:
    """Write a dataset and a configuration of one's own; return the arguments that use it."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (4, 6, 5))
    images = {split: prototypes[rng.integers(0, 4, 50)].astype(np.uint8) for split in SPLITS}
    np.savez(directory / "my.npz", **images)
    (directory / "own.yaml").write_text(OWN_CONFIG)
    return "--configfile", str(directory / "own.yaml")


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """The working directory of a finished run on one's own dataset and noise law, and its arguments."""
    directory = tmp_path_factory.mktemp("own")
    arguments = make_own(directory)
    run_snakemake(directory, "--cores", "all", *arguments)
    return directory, arguments


def result_of(directory: Path, cell: str) -> tuple[bytes, pd.DataFrame, dict]:
    """Read what must be the same bits in every run of a cell: weights, history and summary less its times."""
    folder = directory / "results" / "runs" / cell
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    summary = json.loads((folder / "summary.json").read_text())
    for key in ("training_seconds", "wall_seconds", "cells_in_job", "git_revision"):
        del summary[key]
    return (folder / "model.pt").read_bytes(), history, summary


@contextmanager
def serving(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; yields the base URL, which ends in a slash."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def assert_same_result(directory: Path, cell: str, expected: tuple[bytes, pd.DataFrame, dict]) -> None:
    """Check that a cell has the result that `result_of` returned elsewhere, bit for bit."""
    weights, history, summary = result_of(directory, cell)
    assert weights == expected[0]
    pd.testing.assert_frame_equal(history, expected[1], check_exact=True)
    assert summary == expected[2]


def bounds_of_the_selection(results: Path) -> pd.DataFrame:
    """Read the bounds of all selected models, having checked that they are of these models and of the test set.

    The KL of the softmax tells: it has no noise in it, and comes from training and from the bounds by different code.
    """
    bounds = pd.concat([pd.read_csv(path) for path in (results / "gathered").glob("*/bounds-*.csv")])
    selection = pd.read_csv(results / "tables" / "selection.csv")
    both = bounds.merge(selection, on=list(AXES))
    assert len(both) == len(bounds) == len(selection)
    assert both["kl_of_softmax"].tolist() == pytest.approx(both["test_kl"].tolist(), rel=1e-5)
    return bounds


TIMES = ("seconds", "training_seconds", "wall_seconds", "cpu_hours", "gpu_hours", "git_revision")


def outputs_less_times(directory: Path) -> dict[str, bytes | str]:
    """Read every file under results/ and data/, hidden ones too, as what every run must give: without its times."""
    files = [path for top in ("results", "data") for path in (directory / top).rglob("*") if path.is_file()]
    files = [path for path in files if "benchmarks" not in path.parts]
    return {str(path.relative_to(directory)): _less_times(path) for path in sorted(files)}


def _less_times(path: Path) -> bytes | str:
    match path.name:
        case "summary.json":
            return str({key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES})
        case "history.csv" | "histories.csv.gz" | "summaries.csv" | "costs.csv" | "ledger.csv":
            table = pd.read_csv(path)
            return table.drop(columns=table.columns.intersection(TIMES)).to_csv()
        case "ledger.md":
            return re.sub(r"\d+\.\d+", "", path.read_text())
    return path.read_bytes()


def planned_jobs(directory: Path, *arguments: str) -> list[str]:
    """List the paths that Snakemake's dry run would write, of rules that are not merely targets."""
    output = run_snakemake(directory, "--dry-run", *arguments).stdout
    return [line.split("output: ")[1] for line in output.splitlines() if line.strip().startswith("output: ")]


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory) -> Path:
    """The working directory of a finished quick start; tests read it, and change nothing that another one reads."""
    directory = tmp_path_factory.mktemp("quickstart")
    run_snakemake(directory, "--cores", "all", *QUICKSTART)
    return directory


@pytest.fixture(scope="session")
def local_mirror() -> Path:
    if not LOCAL_MIRROR.is_dir():
        pytest.skip(f"no local mirror of the real datasets at {LOCAL_MIRROR}")
    return LOCAL_MIRROR


@pytest.fixture
def tiny_dataset() -> BinarizedDataset:
    """37 training, 9 validation and 8 test images of 3 x 4 pixels, with structure to learn."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (4, 3, 4))
    sizes = {"train": 37, "validation": 9, "test": 8}
    splits = {
        split: (prototypes[rng.integers(0, 4, size)] ^ (rng.random((size, 3, 4)) < 0.05)).astype(np.uint8)
        for split, size in sizes.items()
    }
    return BinarizedDataset(splits, {"origin": "made by a test", "sha256": "none"})
