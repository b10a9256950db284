"""Outputs are whole or absent, whatever happens to their writers."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from discrete_vae.errors import InputError, OutputError
from discrete_vae.files import (
    NODE,
    check_writable,
    read_arrays,
    read_tables,
    remove_abandoned,
    write_csv,
    write_text,
    written_whole,
)


def run(code: str) -> None:
    """Run code in a process of its own."""
    command = [sys.executable, "-c", f"import os\nfrom discrete_vae.files import *\n{code}"]
    subprocess.run(command, cwd=ROOT / "workflow", check=False)


def test_a_failed_write_leaves_the_former_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "former")
    with pytest.raises(RuntimeError), written_whole(tmp_path / "a.txt") as temporary:
        raise RuntimeError(temporary.write_text("half"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "former"}


@pytest.mark.parametrize("name", ["a.txt", "a-b.c.txt", "train-images-idx3-ubyte"])
def test_what_a_killed_writer_left_is_removed_and_a_running_one_is_left_alone(tmp_path, name):
    path = tmp_path / name
    with written_whole(path) as in_use:
        run(f"with written_whole({str(path)!r}) as part: part.write_text('half'); os.kill(os.getpid(), 9)")
        assert len(list(tmp_path.iterdir())) == 2
        write_text(path, "whole")
        assert sorted(tmp_path.iterdir()) == sorted([path, in_use])


def test_two_writers_of_a_file_do_not_mix(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as temporary:
        temporary.write_text("ours, ")
        run(f"write_text({str(path)!r}, 'theirs')")
        assert path.read_text() == "theirs"
        with temporary.open("a") as file:
            file.write("whole")
    assert path.read_text() == "ours, whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_taken_for_abandoned_before_it_is_locked_is_opened_again(tmp_path, monkeypatch):
    """By another process that begins to write at the same time."""
    lock = fcntl.flock

    def lock_late(file, operation):
        monkeypatch.setattr(fcntl, "flock", lock)
        remove_abandoned(tmp_path / "a.txt")
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with written_whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
        remove_abandoned(tmp_path / "a.txt")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "whole"}


def test_a_place_that_cannot_be_written_is_told_in_one_line():
    # Even root may not create a file here.
    with pytest.raises(OutputError, match=r"/sys/kernel/a.txt cannot be written .* make room"):
        write_text("/sys/kernel/a.txt", "text")


def test_what_another_machine_is_writing_stays_where_locks_end_at_a_machine(tmp_path):
    """As on some disks of clusters. The killed processes of this machine leave nothing."""
    with written_whole(tmp_path / "a.txt") as abandoned:
        pass
    abandoned.touch()
    there = tmp_path / abandoned.name.replace(NODE, "another")
    there.touch()
    write_text(tmp_path / "a.txt", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == [there.name, "a.txt"]
    os.utime(there, (0, 0))
    write_text(tmp_path / "a.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_equal_tables_are_equal_bits_whatever_their_name(tmp_path, suffix):
    table = pd.DataFrame({"loss": [0.1, 2.0 / 3]})
    for name in ("a", "b"):
        write_csv(tmp_path / f"{name}.{suffix}", table)
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"a.{suffix}"), table)


def test_a_link_to_a_folder_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").symlink_to("unmounted")
    with pytest.raises(OutputError, match="results is a link to unmounted, expected an existing folder"):
        check_writable(["results/own/plan.json"])


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").touch()
    with pytest.raises(OutputError, match="results is a file, expected a folder to write to; move the file"):
        check_writable(["results/own/plan.json"])


def test_only_folders_that_are_written_to_must_be_writable(tmp_path, monkeypatch):
    """As on a read-only disk, where even root may not write."""
    monkeypatch.chdir(tmp_path)
    Path("data/raw").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).parts[:1] != ("data",))
    check_writable(["results/own/plan.json"])
    for path in ("data/a.npz", "data/raw/mnist/a"):
        with pytest.raises(OutputError, match=f"{Path(path).parts[0]}.* is read-only, expected a folder to write to"):
            check_writable(["results/own/plan.json", path])


def test_a_damaged_file_is_named(tmp_path):
    for name, read in (("bounds.csv", read_tables), ("losses.npz", read_arrays)):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=rf"{name} is not readable .*; restore it, or remove its folder"):
            read([tmp_path / name])
