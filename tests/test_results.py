"""What a result is stamped with."""

import subprocess

import pytest
from discrete_vae.results import git_revision, processor


@pytest.fixture
def checkout(tmp_path):
    for name in ("workflow/code.py", "results/table.md"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text("committed")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    return tmp_path


def test_the_source_is_dirty_where_its_own_files_have_changes_but_not_where_results_have(checkout):
    source = checkout / "workflow"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    commit = head.stdout.strip()
    (checkout / "results" / "table.md").write_text("another run")
    (source / "cache.pyc").write_text("untracked")
    assert git_revision(source) == commit
    (source / "code.py").write_text("changed")
    assert git_revision(source) == f"{commit}-dirty"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("cpu family\t: 23\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\n", "AMD EPYC (family 23, model 1)"),
        ("model name\t: ARMv8 Processor\n", "ARMv8 Processor"),
    ],
)
def test_a_processor_is_named_with_its_generation_where_that_is_told(tmp_path, cpuinfo, name):
    (tmp_path / "cpuinfo").write_text(cpuinfo * 2)
    assert processor(tmp_path / "cpuinfo") == name


def test_outside_a_checkout_there_is_no_revision(tmp_path):
    assert git_revision(tmp_path) is None
