"""Groups that came, went or changed since the tables were drawn get a new date, so that all is drawn again."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.errors import OutputError
from discrete_vae.grid.drawn import outdate_drawings, rows_of_groups

OLD = 1e9
LABELS = ["mnist/K10/seed1", "mnist/K10/seed2"]


@pytest.fixture
def study(tmp_path) -> Path:
    """A study of two groups, with a table that lists both."""
    for label in LABELS:
        (tmp_path / "groups" / label).mkdir(parents=True)
        for name in ("summaries.csv", "bounds.csv"):
            (tmp_path / "groups" / label / name).write_text(f"{label} {name}")
    (tmp_path / "tables").mkdir()
    pd.DataFrame(rows_of_groups(folders_in(tmp_path))).to_csv(tmp_path / "tables/groups.csv", index=False)
    make_old(tmp_path)
    return tmp_path


def folders_in(study: Path) -> list[Path]:
    return [study / "groups" / label for label in LABELS if (study / "groups" / label / "bounds.csv").exists()]


def make_old(study: Path) -> None:
    for file in study.rglob("*"):
        os.utime(file, (OLD, OLD))


def dates_in(study: Path) -> set[float]:
    return {file.stat().st_mtime for folder in folders_in(study) for file in folder.iterdir()}


def went(study: Path) -> None:
    (study / "groups" / LABELS[0] / "bounds.csv").unlink()


def came(study: Path) -> None:
    table = study / "tables/groups.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))


def changed(study: Path) -> None:
    (study / "groups" / LABELS[1] / "bounds.csv").write_text("others")


def got_pictures(study: Path) -> None:
    (study / "groups" / LABELS[1] / "pictures.npz").write_text("pictures")


def the_table_was_damaged(study: Path) -> None:
    (study / "tables/groups.csv").write_bytes(b"\xff\xfe,\n1,2,3\n")


def the_table_was_emptied(study: Path) -> None:
    (study / "tables/groups.csv").write_bytes(b"")


def test_the_groups_that_were_drawn_keep_their_dates_in_any_order(study):
    outdate_drawings(study, folders_in(study)[::-1])
    assert dates_in(study) == {OLD}


def test_the_checksum_is_what_a_shell_computes(study):
    folder = study / "groups" / LABELS[0]
    command = ["sh", "-c", "sha256sum * | sha256sum"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert rows_of_groups([folder]) == [{"group": LABELS[0], "sha256": printed.split()[0]}]


@pytest.mark.parametrize(
    "happened",
    [
        *(went, came, changed, got_pictures),
        *(the_table_was_damaged, the_table_was_emptied),
    ],
)
def test_otherwise_all_files_of_all_groups_get_a_new_one(study, happened):
    happened(study)
    make_old(study)
    outdate_drawings(study, folders_in(study))
    assert min(dates_in(study)) > OLD


def test_a_list_that_was_outdated_stays_so_until_it_is_written_again(study):
    """Some figures may be drawn from the group that changed, when it is as before."""
    file = study / "groups" / LABELS[1] / "bounds.csv"
    before = file.read_text()
    changed(study)
    outdate_drawings(study, folders_in(study))
    file.write_text(before)
    for path in (study / "groups").rglob("*.*"):
        os.utime(path, (OLD, OLD))
    outdate_drawings(study, folders_in(study))
    assert min(dates_in(study)) > OLD
    table = study / "tables/groups.csv"
    table.write_text(table.read_text())
    make_old(study)
    outdate_drawings(study, folders_in(study))
    assert dates_in(study) == {OLD}


def test_results_without_a_list_are_outdated(study):
    (study / "tables/groups.csv").rename(study / "tables/results.csv")
    outdate_drawings(study, folders_in(study))
    assert min(dates_in(study)) > OLD


def test_no_date_changes_where_nothing_says_what_was_drawn(study):
    """As where only the control or one figure was asked for."""
    (study / "tables/groups.csv").unlink()
    outdate_drawings(study, folders_in(study))
    assert dates_in(study) == {OLD}


def test_a_study_without_groups_has_nothing_to_date(tmp_path):
    outdate_drawings(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_is_told(study, monkeypatch):
    set_date = os.utime

    def refuse(path: Path, *dates: tuple[float, float]) -> None:
        if path.name == "summaries.csv":
            raise PermissionError(1, "Operation not permitted", path)
        set_date(path, *dates)

    went(study)
    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(OutputError, match=r"seed2/summaries.csv cannot get a new date \(Operation not permitted\)"):
        outdate_drawings(study, folders_in(study))
