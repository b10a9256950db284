"""A target that nothing makes has a near one that something makes."""

from pathlib import Path

import pytest
from discrete_vae.grid.targets import are_all_within, asked_targets, nearest
from snakemake.cli import get_argument_parser

KNOWN = [
    *(
        f"results/paper/runs/mnist/K10/{law}/tau{tau}/seed775/summary.json"
        for law in ("normal", "gumbel")
        for tau in (0.1, 1.0)
    ),
    "results/paper/tables/results.md",
    "data/mnist.npz",
]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("results/paper/runs/mnist/K10/normal/tau1/seed775/summary.json", KNOWN[1]),
        ("results/paper/runs/mnist/K10/Normal/tau1.00/seed775/summary.json", KNOWN[1]),
        ("results/papr/runs/mnst/K10/gumbel/tau0.1/seed775/summary.json", KNOWN[2]),
        ("results/paper/tables/result.md", KNOWN[4]),
        ("data/MNIST.npz", KNOWN[5]),
        ("results/x", None),
    ],
)
def test_the_nearest_path_is_found_in_spite_of_spelling(target, expected):
    assert nearest(target, KNOWN) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [(KNOWN[:2], True), (KNOWN[3:5], False), ([], False), (["results/paper/runs-of-mine.csv"], False)],
)
def test_a_command_asks_for_files_of_cells_alone_or_not(files, expected):
    assert are_all_within(files, Path("results/paper/runs")) == expected


def test_values_of_options_are_no_targets():
    words = "-n --printshellcmds --verbose results/a.md data/c.npz control --report results/b.html --config results/d=1"
    assert asked_targets(get_argument_parser(), words.split()) == ["results/a.md", "data/c.npz", "control"]


def test_a_relative_target_is_spelled_as_snakemake_does():
    words = ["./results/a.md", "results//b/../c.md", "/results/./d.md", "all"]
    expected = ["results/a.md", "results/c.md", "/results/./d.md", "all"]
    assert asked_targets(get_argument_parser(), words) == expected


def test_the_words_of_another_program_are_no_targets(capsys):
    assert asked_targets(get_argument_parser(), ["--cores", "all", "--quiet=loud", "results/a.md"]) == []
    assert capsys.readouterr() == ("", "")
