"""Every Snakemake command of the README plans."""

import re
import shlex

import pytest
from conftest import ROOT, run_snakemake

README = (ROOT / "README.md").read_text()
COMMANDS = sorted(
    {
        command.split("  #")[0].strip()
        for command in re.findall(r"^(snakemake .+)$", README, re.MULTILINE)
        + re.findall(r"`(snakemake [^`]+)`", README)
    }
)


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if not {"--report", "--unlock"} & set(command.split())]
)
def test_a_command_of_the_readme_plans(command, tmp_path):
    """But for a report, which needs finished results (another test makes one), and what acts on a lock."""
    elsewhere = re.sub(r"--directory \S+", "", command)  # the test's own directory takes its place
    arguments = [word for word in shlex.split(elsewhere)[1:] if word not in ("--sdm", "conda")]
    assert "Job stats" in run_snakemake(tmp_path, "--dry-run", *arguments).stdout


def test_the_table_of_the_readme_is_the_published_one():
    published = (ROOT / "results" / "tables" / "results.md").read_text().split("\n\n")[0]
    assert published in README
