"""What the tests share: small datasets, Snakemake as a user runs it, and one run of the quick start."""

import fcntl
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import forked
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from discrete_vae.config.definitions import law_of
from discrete_vae.data.dataset import SPLITS, BinarizedDataset
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.training.stack import StackTrainer

# More threads would wait for each other wherever anything else runs.
torch.set_num_threads(1)
# Tests send it, and nohup would have it ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).parents[1]
# Without a distribution function in torch, or with tails or an edge that quadrature does not resolve. The probabilities
# of their codes are not known, so that there is no bound. A test compares the set with the quadrature.
WITHOUT_CODE_PROBABILITIES = {
    *("Beta", "Cauchy", "FisherSnedecor", "GeneralizedPareto", "HalfCauchy", "Pareto", "StudentT", "VonMises"),
}
TYPED_LAWS = {name: law_of(definition) for name, definition in PAPER_LAWS.items()}
# The studies that git does not ignore.
PUBLISHED = re.findall(r"^!/results/(.+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
LOCAL_MIRROR = ROOT.parent / "shared" / "data"  # real MNIST, Fashion-MNIST and Omniglot, where a developer has them


def published(pattern: str, studies: Iterable[str] = PUBLISHED) -> list[Path]:
    """List the files of published studies, in their order, that a pattern below a study's folder matches."""
    return [path for study in studies for path in sorted((ROOT / "results" / study).glob(pattern))]


def snakemake_command(directory: Path, *arguments: str) -> list[str]:
    """Return the command that runs Snakemake on this project in a working directory of its own."""
    return [sys.executable, "-m", "snakemake", *_in(directory, arguments)]


def start_snakemake(directory: Path, *arguments: str, **options) -> subprocess.Popen:
    """Start Snakemake on this project in a working directory of its own; stdout and stderr come together in stdout."""
    command = snakemake_command(directory, *arguments)
    options = {"stdout": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=ROOT, env=_environment(), text=True, stderr=subprocess.STDOUT, **options)


def run_snakemake(
    directory: Path, *arguments: str, check: bool = True, fork: bool = True
) -> subprocess.CompletedProcess:
    """Run Snakemake on this project in a working directory of its own and wait for its end.

    Without ``fork`` it is started as a user starts it, which takes two seconds more.
    """
    if fork:
        code, output = forked.snakemake(_in(directory, arguments), folder=ROOT, environment=_environment())
    else:
        process = start_snakemake(directory, *arguments)
        output, _ = process.communicate()
        code = process.returncode
    if check and code != 0:
        pytest.fail(f"snakemake {' '.join(arguments)} failed:\n{output[-6000:]}")
    return subprocess.CompletedProcess(arguments, code, output)


def _in(directory: Path, arguments: tuple[str, ...]) -> list[str]:
    return ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory), *arguments]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}


def run_as_module(
    directory: Path,
    *arguments: str,
    snakefile: str = str(ROOT / "Snakefile"),
    prefix: str = "",
    rules: str = "",
    check: bool = True,
) -> str:
    """Run another workflow, which has this one as a module and perhaps rules of its own; return all that it says."""
    lines = [f'    snakefile: "{snakefile}"', "    config: config", *([f'    prefix: "{prefix}"'] if prefix else [])]
    text = "\n".join(["module vae:", *lines, "use rule * from vae as vae_*", rules, ""])
    (directory / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "all", "--configfile", "own.yaml"]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    completed = subprocess.run(command, cwd=directory, **output, text=True, check=False)
    assert not (check and completed.returncode), completed.stdout
    return completed.stdout


QUICKSTART = ("--configfile", "configs/quickstart.yaml", "tests/short.yaml")

OWN_CONFIG = """
study: own
grid: {dataset: [mine], K: [4], perturbation: [normal, laplace], temperature: [0.5], seed: [1]}
datasets: {mine: {source: npz, path: my.npz}}
perturbations: {laplace: {distribution: Laplace, loc: 0, scale: 1}}
model: {variables: 3, hidden: 16}
training: {epochs: 3, batch_size: 20, device: cpu}
control: {variables: 2, K: 3, hidden: 32, epochs: 300, images: 5, samples: 20}
"""


def make_own(directory: Path) -> tuple[str, str]:
    """Write a dataset and a configuration of one's own; return the arguments that use it."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (4, 6, 5))
    images = {
        split: (prototypes[rng.integers(0, 4, 50)] ^ (rng.random((50, 6, 5)) < 0.1)).astype(np.uint8)
        for split in SPLITS
    }
    np.savez(directory / "my.npz", **images)
    (directory / "own.yaml").write_text(OWN_CONFIG)
    return "--configfile", str(directory / "own.yaml")


def with_own(directory: Path, *config: str) -> tuple[str, ...]:
    """Return the arguments of one's own configuration with some keys replaced."""
    return ("--configfile", str(directory / "own.yaml"), *(("--config", *config) if config else ()))


def copy_of(directory: Path, target: Path) -> Path:
    """Copy a working directory with its runs, data and what Snakemake remembers, but without what is drawn."""
    drawn = shutil.ignore_patterns("tables", "figures")
    return Path(shutil.copytree(directory, target, dirs_exist_ok=True, ignore=drawn))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that one of pytest's parallel processes fills and the others share; tests leave it as it is."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with (base / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lock.seek(0, os.SEEK_END) == 0:
            make(base / name)
            lock.write("made")
    return base / name


@pytest.fixture(scope="session")
def own(tmp_path_factory) -> Path:
    """The working directory of a finished run on one's own dataset and noise law."""

    def make(directory: Path) -> None:
        run_snakemake(directory, "--cores", "all", *make_own(directory))

    return made_once(tmp_path_factory, "own", make)


def give_one_date(directory: Path) -> None:
    """Give all files one date, which tells Snakemake of nothing to do."""
    for file in directory.rglob("*"):
        os.utime(file, (1e9, 1e9))


@pytest.fixture
def clone(own, tmp_path) -> Path:
    """A folder with what a clone has of a published study: no runs, no data, nothing that Snakemake remembers."""
    make_own(tmp_path)
    shutil.copytree(own / "results", tmp_path / "results", ignore=shutil.ignore_patterns("runs"))
    give_one_date(tmp_path)
    return tmp_path


def running_scripts(directory: Path) -> dict[str, psutil.Process]:
    """Find the processes that run a rule's script under a working directory, by the script's name."""
    pattern = re.compile(rf"{re.escape(str(directory))}/\.snakemake/scripts/\w+\.(\w+)\.py")
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if len(words) == 2 and (match := pattern.fullmatch(words[1])):
            found[match[1]] = process
    return found


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def wait_for_an_epoch(log: Path) -> None:
    """Wait until a training process has written its first epoch to its log."""
    wait_for(lambda: log.exists() and "epoch" in log.read_text(), seconds=120)


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder, and logs nothing."""

    def log_message(self, *arguments):
        pass


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


TIMES = ("seconds", "training_seconds", "wall_seconds", "core_hours", "gpu_hours", "git_revision")


def outputs_less_times(directory: Path, *folders: str) -> dict[str, bytes | str]:
    """Read every file under some folders, hidden ones too, as what every run must give: without its times."""
    files = [path for top in folders or ("results", "data") for path in (directory / top).rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): _less_times(path) for path in sorted(files)}


def _less_times(path: Path) -> bytes | str:
    match path.name:
        case "summary.json":
            return str({key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES})
        case "history.csv" | "histories.csv.gz" | "summaries.csv" | "costs.csv":
            table = pd.read_csv(path)
            return table.drop(columns=table.columns.intersection(TIMES)).to_csv()
        case "costs.md":
            return re.sub(r"\d+\.\d+", "", path.read_text())
        case "groups.csv":
            return pd.read_csv(path)["group"].to_csv()
        case "runs.csv":
            return re.sub("source revision.*", "", path.read_text())
    return path.read_bytes()


def planned_jobs(directory: Path, *arguments: str) -> list[str]:
    """List the paths that Snakemake's dry run would write, of rules that are not merely targets."""
    output = run_snakemake(directory, "--dry-run", *arguments).stdout
    return [line.split("output: ")[1] for line in output.splitlines() if line.strip().startswith("output: ")]


CELL_PATH = (
    r"results/\w+/runs/(?P<dataset>.+)/K(?P<K>.+)/(?P<perturbation>.+)/tau(?P<temperature>.+)/seed(?P<seed>.+)/model.pt"
)
NO_WORK = {"data": set(), "train": set(), "select": set(), "evaluate": set(), "measure": set()}


def planned_work(directory: Path, *arguments: str) -> dict[str, set[str]]:
    """Return what a dry run would do but draw: the data, cells, groups and other evidence that it would make."""
    paths = [path for job in planned_jobs(directory, *arguments) for path in job.split(", ")]
    cells = [re.fullmatch(CELL_PATH, path) for path in paths]
    groups = [re.fullmatch(r"results/\w+/groups/(.+)/(summaries|bounds)\.csv", path) for path in paths]
    return {
        "data": {path for path in paths if path.startswith("data/")},
        "train": {str(Cell.of(match.groupdict())) for match in cells if match},
        **{
            step: {match[1] for match in groups if match and match[2] == name}
            for step, name in (("select", "summaries"), ("evaluate", "bounds"))
        },
        "measure": {path for path in paths if re.match(r"results/\w+/(gradients|fits)/", path)},
    }


def files_of(directory: Path) -> dict[str, bytes]:
    """Read every file of a working directory, but what Snakemake keeps for itself, and logs."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    relative = {path.relative_to(directory): path for path in files}
    return {
        str(name): path.read_bytes() for name, path in relative.items() if name.parts[0] not in (".snakemake", "logs")
    }


def refusal(directory: Path, *arguments: str) -> str:
    """Return the one line in which Snakemake says why it does not begin; it must have touched nothing."""
    before = files_of(directory)
    completed = run_snakemake(directory, "--cores", "all", *arguments, check=False)
    assert completed.returncode != 0
    assert "Traceback" not in completed.stdout
    assert files_of(directory) == before
    (line,) = [line for line in completed.stdout.splitlines() if line.startswith("ERROR")]
    return line


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory) -> Path:
    """The working directory of a finished quick start; tests read it, and change nothing that another one reads."""
    directory = tmp_path_factory.mktemp("quickstart")
    run_snakemake(directory, "--cores", "all", *QUICKSTART, fork=False)
    return directory


@pytest.fixture(scope="session")
def local_mirror() -> Path:
    if not LOCAL_MIRROR.is_dir():
        pytest.skip(f"no local mirror of the real datasets at {LOCAL_MIRROR}")
    return LOCAL_MIRROR


def before_evaluations(patch: pytest.MonkeyPatch, call: Callable[[int, str], object]) -> None:
    """Call a function before each evaluation of a trainer, with its number of samples and its purpose."""
    plain = StackTrainer.evaluate

    def evaluate(trainer, weights, samples, purpose):
        call(samples, purpose)
        return plain(trainer, weights, samples, purpose)

    patch.setattr(StackTrainer, "evaluate", evaluate)


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
