"""What make runs, and what a clone has, wherever the project lies."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import ROOT


def recipe(*arguments: str) -> str:
    """Return the commands that make would run, whatever is there already."""
    command = ["make", "--dry-run", "--always-make", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_runs_no_command_that_names_the_place_of_the_project():
    """A script in .venv/bin begins with the path of its Python, which a moved project no longer has."""
    targets = ("quickstart", "redraw", "report", "test", "lint", "docs", "rulegraph", "bench")
    found = re.findall(r"\.venv/bin/(\S+)", recipe(*targets, "STUDY=mnist-k10"))
    assert len(found) > 10
    assert set(found) == {"python"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_a_clone_without_symbolic_links_has_the_default_profile(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "-c", "core.symlinks=false", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), clone], check=True
    )
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "data/digits.npz"]
    completed = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True)
    assert "Using workflow specific profile profiles/default" in completed.stderr


def test_torch_for_cpus_comes_from_its_own_index_and_without_cuda():
    """The versions are those of the lock."""
    commands = recipe(".venv/installed", "TORCH=cpu")
    assert "--requirement .venv/cpu.lock --extra-index-url https://download.pytorch.org/whl/cpu" in commands
    assert "download.pytorch.org" not in recipe(".venv/installed")
    (edit,) = re.findall(r"(sed .* requirements\.lock) >", commands)
    edited = subprocess.run(edit, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    changed = [line for line in edited if line not in locked]
    assert [re.sub(r"[\d.]+", "N", line) for line in changed] == ["torch==N+cpu", "torchvision==N+cpu"]
    left_out = {re.split("[-=]", line)[0] for line in locked if line not in edited}
    assert left_out == {"cuda", "nvidia", "torch", "torchvision", "triton"}


def test_an_old_python_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "old").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "old").chmod(0o755)
    command = ["make", "--always-make", "--no-print-directory", ".venv/installed", f"PYTHON={tmp_path}/old"]
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    completed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode != 0
    assert completed.stdout == f"{tmp_path}/old is no Python 3.11 or later; name one: make PYTHON=python3.12\n"
    assert not (tmp_path / ".venv").exists()


def test_an_unknown_torch_is_refused():
    command = ["make", "--dry-run", "TORCH=gpu", "help"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "TORCH is gpu, expected cuda or cpu" in completed.stderr


def test_the_quick_start_ends_with_the_losses_and_the_verdicts():
    """On the tables of a published study."""
    shown = "\n".join(line for line in recipe("quickstart").splitlines() if line.startswith("awk "))
    commands = shown.replace("results/quickstart", "results/digits-control")
    completed = subprocess.run(commands, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = completed.stdout.splitlines()
    assert all(line.startswith("|") for line in lines)
    losses, verdicts = lines[:6], lines[6:]
    assert [row.split("|")[3].strip() for row in losses[2:5]] == ["paper loss", "negative ELBO", "IWAE bound"]
    assert "verdict" in verdicts[0]
    assert "supported in 1 of 1" in verdicts[2]


def make_in(directory: Path, files: Iterable[str], *arguments: str) -> subprocess.CompletedProcess:
    """Run make in a folder with some files of a project."""
    shutil.copy(ROOT / "Makefile", directory)
    for file in files:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).touch()
    command = ["make", "--old-file", ".venv/installed", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def files_in(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_clean_keeps_data_other_studies_and_their_resume_points_and_waits_for_snakemake(tmp_path):
    kept = {
        *("data/a.npz", "results/paper/runs/a.pt", "checkpoints/paper/a.pt"),
        *("tests/a", "workflow/a", "benchmarks/a", "Makefile"),
    }
    gone = {
        "results/quickstart/a",
        "checkpoints/quickstart/a.pt",
        "checkpoints/paper/b.pt.1.unused",
        "logs/paper/a.log",
    }
    lock = ".snakemake/locks/0.input.lock"
    assert make_in(tmp_path, [*kept - {"Makefile"}, *gone, lock], "clean").returncode != 0
    assert files_in(tmp_path) == {*kept, *gone, lock}
    (tmp_path / lock).unlink()
    assert make_in(tmp_path, [], "clean").returncode == 0
    assert files_in(tmp_path) == kept


def write_python(directory: Path, does: str) -> None:
    """Write a Python that notes its words in said.txt and does something else."""
    python = directory / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> said.txt; {does}\n')
    python.chmod(0o755)


def test_redraw_only_draws_and_names_what_has_other_bits(tmp_path):
    write_python(tmp_path, "echo new > results/x/tables/a.md")
    files = ["results/x/groups/m/K4/seed1/bounds.csv", "results/x/tables/a.md", "docs/claims.png"]
    completed = make_in(tmp_path, files, "redraw")
    assert "results/x/tables/a.md: FAILED" in completed.stdout
    assert "docs/claims.png: FAILED" not in completed.stdout
    first = (tmp_path / "said.txt").read_text().splitlines()[0].split()
    assert {"draw_only=true", "study=x", "--forceall"} <= set(first)


def test_redraw_shows_what_it_draws_for_the_first_time_in_the_order_of_the_published_studies(tmp_path):
    write_python(tmp_path, "touch results/a/tables/claims.csv results/b/tables/claims.csv")
    (tmp_path / ".gitignore").write_text("!/results/b/\n!/results/a/\n!/results/none/\n")
    files = [f"results/{study}/{name}" for study in "ab" for name in ("groups/m/K4/seed1/bounds.csv", "tables/a.md")]
    make_in(tmp_path, files, "redraw")
    last = (tmp_path / "said.txt").read_text().splitlines()[-1]
    assert last.endswith("published docs results/b/tables/claims.csv results/a/tables/claims.csv")


@pytest.mark.parametrize("target", ["redraw", "report"])
def test_a_study_without_groups_ends_in_one_line(target):
    command = ["make", "--no-print-directory", "--old-file", ".venv/installed", target, "STUDY=none"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode != 0
    (line,) = completed.stdout.splitlines()
    assert line.startswith("results/none has no finished group to draw; name one of: ")
    assert {"digits-control", "fitting", "mnist-k10"} <= set(line.partition(": ")[2].split())
