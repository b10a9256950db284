"""A command that would not make what it asks for is refused, with the reason and what to do."""

from dataclasses import replace
from pathlib import Path

import pytest
from discrete_vae.config.reading import read
from discrete_vae.grid.cells import Group
from discrete_vae.grid.command import Command

RUN = "results/a/runs/digits/K10/normal/tau{}/seed1/summary.json"


@pytest.fixture
def command(tmp_path, monkeypatch) -> Command:
    """In a study of one group that is finished, and of one that is not; rules make what the study holds."""
    monkeypatch.chdir(tmp_path)
    for name in ("groups/digits/K10/seed1/bounds.csv", "tables/results.md", "tables/fitting.csv", "notes.txt"):
        (Path("results/a") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("results/a") / name).touch()
    return Command(
        configuration=read({"study": "a", "grid": {"dataset": ["digits"]}, "training": {"epochs": {"digits": 2}}}),
        results=Path("results/a"),
        makeable={"results/a/tables/results.md", RUN.format(0.5)},
        finished=[Path("results/a/groups/digits/K10/seed1"), Path("results/a/gradients")],
        to_make=[Group("digits", 10, 2)],
        control_datasets=["mnist"],
        stack=(),
        has_rule=lambda file: file.startswith("results/a/") and not file.endswith(".txt"),
    )


@pytest.mark.parametrize("target", [RUN.format(0.5), RUN.format(0.3), "results/a/tables/fitting.csv"])
def test_what_is_made_is_not_refused(command, target):
    """A file of the grid, a cell beyond it, and a table that shows no group."""
    assert command.refusal(target) is None
    assert command.is_beyond_the_grid(target) == (target == RUN.format(0.3))


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            "results/a/groups/digits/K10/seed1/bounds.csv",
            r"is finished, .* or remove results/a/groups/digits/K10/seed1 to",
        ),
        ("results/a/tables/results.md", r"does not show all groups of the grid \(1 not finished\); leave the file out"),
        ("results/a/notes.txt", r"^nothing makes results/a/notes.txt in the study a; correct the path or the study$"),
        (RUN.format("0.50").replace("digits", "Digits"), r"^nothing makes .*; did you mean " + RUN.format(0.5)),
        ("results/a/groups/digits/K10/seed9/bounds.csv", r"^nothing makes"),
        (
            "results/a/tables/control.md",
            r"^nothing makes .* in the study a, as control.enabled is false, expected true; add --config .con",
        ),
        ("results/a/figures/control/digits.png", r"as control.enabled is false, expected true"),
        ("results/a/figures/images/control.png", r"^nothing makes \S+ in the study a; correct"),
        ("data/control.npz", r"^nothing makes \S+ in the study a; correct"),
        (RUN.format(0.3).replace("digits", "mnist"), r"^training.epochs is .*, expected a number for 'mnist'; add it$"),
        ("results/a/" + "long" * 100, r"^nothing makes"),
    ],
)
def test_what_is_not_made_is_refused_with_the_reason(command, target, reason):
    known = replace(
        command, has_rule=lambda file: command.has_rule(file) and "Digits" not in file and "long" not in file
    )
    with pytest.raises(ValueError, match=reason):
        raise ValueError(known.refusal(target))


def test_a_file_of_another_study_is_told_with_the_way_to_name_it(command):
    assert command.refusal("results/b/tables/results.md").startswith("nothing makes results/b/tables/results.md")
    Path("results/b").mkdir()
    Path("results/b/config.yaml").touch()
    reason = command.refusal("results/b/tables/results.md")
    assert reason == (
        "results/b/tables/results.md is of the study b, expected a file of the study a; add"
        " --configfile results/b/config.yaml --config study=b"
    ), "the file may name another study, as in a copy"
    assert command.refusal("results/c/tables/results.md").startswith("nothing makes results/c/tables/results.md")


def test_the_table_of_the_control_need_not_show_groups_of_other_datasets(command):
    Path("results/a/tables/control.csv").touch()
    assert command.refusal("results/a/tables/control.csv") is None
    of_digits = replace(command, control_datasets=["digits"])
    assert "(1 not finished)" in of_digits.refusal("results/a/tables/control.csv")


def test_a_stack_trains_no_cell_beyond_the_grid(command):
    stacked = replace(command, stack=("temperature",), has_rule=lambda file: False)
    assert "add a new cell to the grid, or set training.stack, which is [temperature], to []" in stacked.refusal(
        RUN.format(0.3)
    )


def test_a_study_that_only_draws_trains_no_cell(command):
    drawing = replace(command, configuration=replace(command.configuration, draw_only=True))
    assert drawing.refusal(RUN.format(0.3)).startswith("draw_only is true, expected false")
