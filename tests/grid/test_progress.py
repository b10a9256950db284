"""What is said of the progress of a command after each training."""

import pandas as pd
import pytest
from discrete_vae.grid import progress
from discrete_vae.grid.cells import CELL_FILES, Cell
from discrete_vae.grid.groups import WHOLE_GROUP_FILES
from discrete_vae.grid.progress import announce_progress, record_plan


def finish(study, cell):
    """Write the files of a finished cell."""
    folder = study / cell.directory
    folder.mkdir(parents=True)
    for name in CELL_FILES:
        (folder / name).write_text("{}")


ASKED = [Cell("digits", 3, "normal", temperature, seed) for temperature in (0.5, 1.0) for seed in (1, 2)]


def record_group(study, cells, files=("summaries.csv",)):
    """Write the files of the group of some cells, which summaries.csv names."""
    folder = study / "groups" / str(cells[0].group)
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).write_text("x\n")
    pd.DataFrame([cell.coordinates() for cell in cells]).to_csv(folder / "summaries.csv", index=False)


def test_progress_counts_finished_cells_of_the_grid(tmp_path, capsys):
    study, log = tmp_path / "results", tmp_path / "logs" / "train" / "a.log"
    log.parent.mkdir(parents=True)
    for cell in [*ASKED[1:3], Cell("digits", 3, "normal", 2.0, 1)]:
        announce_progress(study, ASKED, log=log)
        finish(study, cell)
    lines = (tmp_path / "logs" / "progress.txt").read_text().splitlines()
    assert [line.partition("finished: ")[2] for line in lines] == ["0 of 4", "1 of 4", "2 of 4"]
    assert capsys.readouterr().err.splitlines() == lines


def test_cells_of_whole_groups_count_as_finished_without_their_runs(tmp_path, capsys):
    record_group(tmp_path, [cell for cell in ASKED if cell.seed == 1], WHOLE_GROUP_FILES)
    announce_progress(tmp_path, ASKED, log=tmp_path / "none" / "train" / "a.log")
    assert capsys.readouterr().err.endswith("cells finished: 2 of 4\n"), "though its file cannot be written"


def test_a_group_that_another_job_makes_again_does_not_fail_a_finished_training(tmp_path, capsys):
    """It lacks a cell, and the run of one that it has is not there for the moment."""
    first, second = (cell for cell in ASKED if cell.seed == 1)
    record_group(tmp_path, [first])
    finish(tmp_path, second)
    announce_progress(tmp_path, [first, second], log=tmp_path / "none" / "train" / "a.log")
    assert capsys.readouterr().err.endswith("cells finished: 1 of 2\n")


def test_a_group_that_is_being_copied_does_not_fail_a_finished_training(tmp_path, capsys):
    record_group(tmp_path, ASKED[:1], WHOLE_GROUP_FILES)
    summaries = tmp_path / ASKED[0].group.directory / "summaries.csv"
    summaries.write_text(summaries.read_text()[:-8])
    announce_progress(tmp_path, ASKED, log=tmp_path / "none" / "train" / "a.log")
    assert capsys.readouterr() == ("", "")


def test_cells_that_the_command_plans_count_with_their_rate_and_the_time_left(tmp_path, capsys, monkeypatch):
    log = tmp_path / "logs" / "train" / "a.log"
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "time", lambda: clock[0])
    record_plan(tmp_path / "logs", [cell.coordinates() for cell in ASKED[:3]])
    for cell in ASKED[:3]:
        finish(tmp_path, cell)
        clock[0] += 60
        announce_progress(tmp_path, [*ASKED, Cell("digits", 9, "normal", 1.0, 1)], log=log)
    lines = capsys.readouterr().err.splitlines()
    ends = ["1 of 3, 60 an hour, 0:02:00 left", "2 of 3, 60 an hour, 0:01:00 left", "3 of 3"]
    assert [line.partition("finished: ")[2] for line in lines] == ends


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_torn_plan_is_as_none(tmp_path, capsys, content):
    (tmp_path / "planned.json").write_text(content)
    announce_progress(tmp_path, ASKED, log=tmp_path / "train" / "a.log")
    assert capsys.readouterr().err.endswith("cells finished: 0 of 4\n")
