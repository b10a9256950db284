"""What make runs, and what a clone has, wherever the project lies."""

import re
import subprocess
import sys

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
