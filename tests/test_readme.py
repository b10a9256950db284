"""Every Snakemake command of the README plans."""

import re
import shlex

import pytest
from conftest import ROOT, run_snakemake

README = re.sub(r"\\\n *", "", (ROOT / "README.md").read_text())  # a command on one line
COMMANDS = sorted(
    {
        command.split("  #")[0].strip()
        for command in re.findall(r"^(snakemake .+)$", README, re.MULTILINE)
        + re.findall(r"`(snakemake [^`]+)`", README)
    }
)


# A report needs finished results (another test makes one), and --unlock a lock.
PLANNING = [command for command in COMMANDS if not {"--report", "--unlock"} & set(command.split())]
# What changes nothing about a plan, or gives way to the test's own directory.
BESIDES_THE_PLAN = r"--(sdm conda|cores \S+|quiet rules|dry-run|directory \S+)"
PLANS = sorted({tuple(shlex.split(re.sub(BESIDES_THE_PLAN, "", command))[1:]) for command in PLANNING})


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 10
    assert len(PLANS) >= 8


@pytest.mark.parametrize("arguments", PLANS, ids=" ".join)
def test_a_command_of_the_readme_plans(arguments, tmp_path):
    assert "Job stats" in run_snakemake(tmp_path, "--dry-run", *arguments).stdout


def test_the_table_of_the_readme_is_the_published_one():
    published = (ROOT / "results" / "tables" / "results.md").read_text().split("\n\n")[0]
    assert published in README
