"""Tables and figures are drawn again if a group came, went or changed, whatever date it has."""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.errors import OutputError
from discrete_vae.grid.drawn import OUTDATED, list_groups, outdate_drawings

OLD = 1e9
LABELS = ["mnist/K10/seed1", "mnist/K10/seed2"]
OF_FITS = ["tables/fitting.csv", "figures/fitting/poisson.pdf"]
DRAWINGS = ["tables/results.csv", "figures/claims.png", "figures/images/mnist-K10.pdf"]


@pytest.fixture
def study(tmp_path) -> Path:
    """A study of two groups, which its list, a table and figures show, beside what shows fits. Its name misleads."""
    folder = tmp_path / "fitting"
    for label in LABELS:
        for name in ("summaries.csv", "bounds.csv"):
            write(folder / "groups" / label / name, f"{label} {name}")
    for name in (*DRAWINGS, *OF_FITS):
        write(folder / name)
    list_groups(folder / "tables/groups.csv", folders_in(folder))
    make_old(folder)
    return folder


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def folders_in(study: Path) -> list[Path]:
    return [study / "groups" / label for label in LABELS if (study / "groups" / label / "bounds.csv").exists()]


def make_old(study: Path) -> None:
    for file in study.rglob("*"):
        os.utime(file, (OLD, OLD))


def dates_of(study: Path, *names: str) -> set[float]:
    return {(study / name).stat().st_mtime for name in names}


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


def the_table_is_gone(study: Path) -> None:
    """As after a single figure in a new study, or where the tables were removed."""
    (study / "tables/groups.csv").unlink()


def test_nothing_changes_if_the_groups_are_those_that_were_listed_in_any_order(study):
    outdate_drawings(study, folders_in(study)[::-1])
    assert dates_in(study) == dates_of(study, *DRAWINGS, "tables/groups.csv") == {OLD}


def test_the_list_has_the_checksum_that_a_shell_computes(study):
    command = ["sh", "-c", "sha256sum * | sha256sum"]
    printed = [
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()[0]
        for folder in folders_in(study)
    ]
    expected = pd.DataFrame({"group": LABELS, "sha256": printed})
    assert (study / "tables/groups.csv").read_text() == expected.to_csv(index=False)


@pytest.mark.parametrize(
    "happened",
    [
        *(went, came, changed, got_pictures),
        *(the_table_was_damaged, the_table_was_emptied, the_table_is_gone),
    ],
)
def test_otherwise_all_is_outdated_once(study, happened):
    happened(study)
    make_old(study)
    outdate_drawings(study, folders_in(study))
    assert dates_of(study, *DRAWINGS) == {OUTDATED}
    assert dates_of(study, *OF_FITS) == {OLD}, "they show no group"
    assert min(dates_in(study)) > OLD, "a group may be as old as an outdated table"
    list_groups(study / "tables/groups.csv", folders_in(study))
    write(study / DRAWINGS[0])
    make_old(study)
    outdate_drawings(study, folders_in(study))
    assert dates_in(study) == dates_of(study, *DRAWINGS) == {OLD}


def test_what_was_not_drawn_since_stays_outdated_if_the_same_group_comes_again(study):
    """With an old date, as rsync copies it."""
    changed(study)
    outdate_drawings(study, folders_in(study))
    list_groups(study / "tables/groups.csv", folders_in(study))
    for path in (study / "groups").rglob("*.*"):
        os.utime(path, (OLD, OLD))
    outdate_drawings(study, folders_in(study))
    assert dates_of(study, *DRAWINGS) == {OUTDATED}


def test_a_study_that_draws_nothing_yet_has_nothing_to_outdate(study):
    for name in (*DRAWINGS, "tables/groups.csv"):
        (study / name).unlink()
    outdate_drawings(study, folders_in(study))
    assert dates_in(study) == {OLD}


def test_a_list_is_written_where_no_table_is_yet_and_left_as_it_is_where_it_is_right(study, tmp_path):
    list_groups(tmp_path / "new/tables/groups.csv", folders_in(study))
    assert (tmp_path / "new/tables/groups.csv").read_text() == (study / "tables/groups.csv").read_text()
    list_groups(study / "tables/groups.csv", folders_in(study)[::-1])
    assert dates_of(study, "tables/groups.csv") == {OLD}


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
