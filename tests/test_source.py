"""The version of the source that results are stamped with."""

import subprocess

import pytest
from conftest import ROOT
from discrete_vae.source import git_revision, source_sum


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


def test_the_source_is_dirty_where_its_own_files_have_changes_but_not_where_results_have(checkout, monkeypatch):
    source = checkout / "workflow"
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    commit = head.stdout.strip()
    (checkout / "results" / "table.md").write_text("another run")
    (source / "cache.pyc").write_text("untracked")
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    assert git_revision(source) == commit, "of this source, whatever the environment names"
    (source / "code.py").write_text("changed")
    assert git_revision(source) == f"{commit}-dirty"


def test_outside_a_checkout_there_is_no_revision(tmp_path):
    assert git_revision(tmp_path) is None


def test_a_source_that_is_no_part_of_the_repository_around_it_has_no_revision(checkout):
    (checkout / "copied").mkdir()
    (checkout / "copied" / "code.py").write_text("untracked")
    assert git_revision(checkout / "copied") is None


@pytest.mark.parametrize("change", [("code.py", "changed"), ("code.py", None), ("new.py", "committed")])
def test_the_sum_of_a_source_is_of_its_code_alone(checkout, change):
    library = checkout / "workflow"
    before = source_sum(library)
    (library / "cache.pyc").write_text("compiled")
    assert source_sum(library) == before
    name, text = change
    if text is None:
        (library / name).rename(library / "renamed.py")
    else:
        (library / name).write_text(text)
    assert source_sum(library) != before
