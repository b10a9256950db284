"""A fault campaign: kills at random moments of every stage, full and read-only disks, two Snakemakes, bad mirrors.

Whatever happens, a plain rerun ends in the bits of an undisturbed run. It takes half an hour to an hour; run by
`make test-faults`.
"""

import gzip
import hashlib
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import SilentHandler, outputs_less_times, run_snakemake, running_scripts, serving, start_snakemake

pytestmark = pytest.mark.faults

KILLS_PER_STAGE = 42
STAGES = {  # the scripts of each
    "download": {"download_source"},
    "binarize": {"binarize_dataset"},
    "train": {"train_cells"},
    "select": {
        *("select_temperatures", "evaluate_models", "tabulate_results", "judge_claims", "describe_codes", "sum_costs"),
    },
    "plot": {"plot_claims", "plot_convergence", "plot_temperature", "plot_validation", "plot_images"},
}
CONFIG = """
study: faults
grid: {{dataset: [mnist], K: [4], perturbation: [gumbel, normal], temperature: [0.5, 1.0], seed: [1]}}
datasets: {{mnist: {{sha256: {sums}}}}}
model: {{variables: 3, hidden: 16}}
training: {{epochs: 6, stack: [temperature]}}
evaluation: {{validation_samples: 2, selection_samples: 5, importance_samples: 20}}
mirror: {mirror}
"""


def mnist_files() -> dict[str, bytes]:
    """Make files of MNIST's layout: 50 images to train on, the 10,000 of validation, 20 to test on."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (4, 784), dtype=np.uint8)
    files = {}
    for name, count in (("train-images-idx3-ubyte", 10_050), ("t10k-images-idx3-ubyte", 20)):
        images = prototypes[rng.integers(0, 4, count)] ^ (rng.random((count, 784)) < 0.05)
        files[name] = struct.pack(">IIII", 0x803, count, 28, 28) + (255 * images).astype(np.uint8).tobytes()
    return files


class Mirror(SilentHandler):
    """Serves the files in about a second each; a folder of the path before /mnist/ says how to serve them badly."""

    files: dict[str, bytes]

    def do_GET(self):
        manner = self.path.split("/")[1]
        content = self.files[Path(self.path).stem]
        self.send_response(200)
        if manner == "altered":
            content = gzip.compress(gzip.decompress(content)[:-1] + b"x", compresslevel=1)
        if manner != "endless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            match manner:
                case "truncated":
                    self.wfile.write(content[: len(content) // 2])
                case "endless":
                    while True:
                        self.wfile.write(bytes(1 << 20))
                case "slow":
                    for byte in content:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.1)
                case _:
                    for start in range(0, len(content), 1 + len(content) // 10):
                        self.wfile.write(content[start : start + 1 + len(content) // 10])
                        time.sleep(0.1)
        except ConnectionError:
            pass  # the client was killed, or has had enough


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    Mirror.files = {name: gzip.compress(content, compresslevel=1) for name, content in mnist_files().items()}
    with serving(Mirror) as url:
        yield url.rstrip("/")


class Case:
    """A small case of every stage: its configuration, its undisturbed outputs, and folders ready for a stage."""

    def __init__(self, folder: Path, mirror: str) -> None:
        self.folder = folder
        self.sums = {name: hashlib.sha256(content).hexdigest() for name, content in mnist_files().items()}
        self.arguments = self.with_mirror(f"{mirror}/well")
        run_snakemake(folder / "undisturbed", *self.arguments)
        self.expected = outputs_less_times(folder / "undisturbed")

    def with_mirror(self, url: str) -> tuple[str, ...]:
        path = self.folder / f"{url.rpartition('/')[2]}.yaml"
        path.write_text(CONFIG.format(sums=self.sums, mirror=url))
        return "--cores", "2", "--configfile", str(path)

    def ready_for(self, stage: str, directory: Path) -> Path:
        """Make a folder in which everything before a stage is finished, and nothing else."""
        template = self.folder / f"before-{stage}"
        if not template.exists():
            template.mkdir()
            targets = {
                "download": [],
                "binarize": [name for name in self.expected if name.startswith("data/raw/")],
                "train": ["data/mnist.npz"],
                "select": [name for name in self.expected if name.endswith("summary.json")],
                "plot": ["tables"],
            }
            if targets[stage]:
                run_snakemake(template, *targets[stage], *self.arguments)
        return Path(shutil.copytree(template, directory, dirs_exist_ok=True))

    def longest_job(self, stage: str) -> float:
        """Return the seconds that the longest job of a stage took."""
        benchmarks = self.folder / "undisturbed/logs/faults/benchmarks"
        files = [path for script in STAGES[stage] for path in benchmarks.glob(f"{script}/**/*.tsv")]
        files += [path for script in STAGES[stage] for path in benchmarks.glob(f"{script}.tsv")]
        return max(float(path.read_text().splitlines()[1].split("\t")[0]) for path in files)

    def finish(self, directory: Path) -> None:
        """Run the same command again, to the end, and compare every bit."""
        self.unlock(directory)
        run_snakemake(directory, *self.arguments)
        assert outputs_less_times(directory) == self.expected
        assert list((directory / "checkpoints").rglob("*.pt*")) == []

    def unlock(self, directory: Path) -> None:
        if any((directory / ".snakemake" / "locks").glob("*")):
            run_snakemake(directory, "--unlock", *self.arguments)


@pytest.fixture(scope="module")
def case(tmp_path_factory, mirror) -> Case:
    return Case(tmp_path_factory.mktemp("case"), mirror)


class TestKills:
    @pytest.mark.parametrize("stage", STAGES)
    def test_a_rerun_after_any_kill_ends_in_the_same_bits(self, case, tmp_path, stage):
        chance = random.Random(stage)
        landed, kills, rounds = Counter(), 0, 0
        while landed[stage] < KILLS_PER_STAGE:
            rounds += 1
            directory = case.ready_for(stage, tmp_path / str(rounds))
            while killed := self.kill_at_a_moment_of(stage, case, directory, chance):
                kills += 1
                landed.update(name for name, scripts in STAGES.items() if scripts & killed)
                if landed[stage] >= KILLS_PER_STAGE:
                    break
            case.finish(directory)
            shutil.rmtree(directory)
        print(f"\n{stage}: {kills} kills, with jobs running of {dict(landed)}; {rounds} times to the end")

    def kill_at_a_moment_of(self, stage: str, case: Case, directory: Path, chance: random.Random) -> set[str]:
        """Run, and kill Snakemake with all its jobs at a moment of a stage.

        Returns the scripts that were running, none if the stage was over.
        """
        shutil.rmtree(directory / ".snakemake" / "locks", ignore_errors=True)  # what --unlock does, without its seconds
        log = (directory.parent / "snakemake.log").open("w")
        snakemake = start_snakemake(directory, *case.arguments, start_new_session=True, stdout=log)
        try:
            while snakemake.poll() is None and not STAGES[stage] & set(running_scripts(directory)):
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 1.1 * case.longest_job(stage)))
            running = running_scripts(directory)
            if "train_cells" in running and chance.random() < 0.5:
                # As schedulers do: the job is asked to end and has a moment to save its checkpoint.
                running["train_cells"].send_signal(signal.SIGTERM)
                time.sleep(chance.uniform(0, 0.5))
            return set(running)
        finally:
            if snakemake.poll() is None:
                os.killpg(snakemake.pid, signal.SIGKILL)
            snakemake.wait()
            log.close()
            assert running_scripts(directory) == {}, "a job outlived the kill"


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """Mount a disk of its own at a folder, with what the folder held."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    content = path.with_name(f"{path.name}.content")
    path.mkdir(parents=True, exist_ok=True)
    shutil.copytree(path, content)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path], check=True)
    try:
        shutil.copytree(content, path, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; return the file to remove."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return filler


def errors_in(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("ERROR: ")]


class TestDisks:
    @pytest.mark.parametrize("stage", STAGES)
    def test_a_full_disk_is_one_clear_error_and_a_rerun_succeeds_once_there_is_room(self, case, tmp_path, stage):
        directory = case.ready_for(stage, tmp_path / "work")
        disk = directory / ("data" if stage in ("download", "binarize") else "results")
        with small_disk(disk):
            filler = fill(disk)
            failed = run_snakemake(directory, *case.arguments, check=False)
            assert failed.returncode != 0
            assert errors_in(failed.stdout)
            for error in errors_in(failed.stdout):
                assert re.search(rf"{disk.name}/\S+ cannot be written \(.*No space left on device", error), error
            assert "Traceback" not in failed.stdout
            filler.unlink()
            case.finish(directory)

    @pytest.mark.parametrize("stage", STAGES)
    def test_a_working_folder_on_a_full_disk_is_told_and_a_rerun_succeeds(self, case, tmp_path, stage):
        with small_disk(tmp_path / "work"):
            directory = case.ready_for(stage, tmp_path / "work")
            filler = fill(directory)
            failed = run_snakemake(directory, *case.arguments, check=False)
            assert failed.returncode != 0
            assert "No space left on device" in failed.stdout
            filler.unlink()
            case.finish(directory)

    def test_data_that_is_whole_may_be_on_a_read_only_disk(self, case, tmp_path):
        directory = case.ready_for("train", tmp_path / "work")
        disk = directory / "data"
        with small_disk(disk):
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            case.finish(directory)

    @pytest.mark.parametrize("stage", ["train", "plot"])
    def test_a_read_only_results_folder_is_a_clear_error(self, case, tmp_path, stage):
        directory = case.ready_for(stage, tmp_path / "work")
        disk = directory / "results"
        with small_disk(disk):
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            failed = run_snakemake(directory, *case.arguments, check=False)
            assert failed.returncode != 0
            (error,) = errors_in(failed.stdout)
            assert re.search(rf"{disk}(/faults)? is read-only", error), "the nearest folder that is there"
            assert "Traceback" not in failed.stdout
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            case.finish(directory)


def test_a_second_snakemake_in_the_folder_refuses_and_harms_nothing(case, tmp_path):
    directory = case.ready_for("train", tmp_path / "work")
    first = start_snakemake(directory, *case.arguments)
    while not running_scripts(directory):
        time.sleep(0.02)
    second = run_snakemake(directory, *case.arguments, check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert outputs_less_times(directory) == case.expected


class TestMirrors:
    @pytest.mark.parametrize(
        ("manner", "complaint"),
        [
            ("truncated", "IncompleteRead"),
            ("altered", "truncated or altered"),
            ("endless", "more than 500000000 bytes"),
            ("slow", "bytes a second, expected at least 2000"),
        ],
    )
    def test_a_bad_mirror_is_a_clear_error_in_bounded_time_and_a_good_one_helps(
        self, case, mirror, tmp_path, manner, complaint
    ):
        started = time.monotonic()
        failed = run_snakemake(tmp_path, *case.with_mirror(f"{mirror}/{manner}"), check=False)
        assert time.monotonic() - started < 400
        assert failed.returncode != 0
        assert len(errors_in(failed.stdout)) == 2, "one for each file"
        for error in errors_in(failed.stdout):
            assert f"{mirror}/{manner}/mnist/" in error
            assert complaint in error
            assert "set mirror" in error
        assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
        case.finish(tmp_path)
