"""Every Snakemake command of the README and of docs/ plans, and their tables are the published ones."""

import re
import shlex

import pytest
from conftest import ROOT, run_snakemake

PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
COMMANDS = sorted(
    {
        command.split("  #")[0].strip()
        for text in PAGES.values()
        for command in re.findall(r"^(snakemake .+)$", text, re.MULTILINE) + re.findall(r"`(snakemake [^`]+)`", text)
    }
)
PLANNING = [command for command in COMMANDS if "--unlock" not in command.split()]  # which needs a lock
# What changes nothing about a plan.
BESIDES_THE_PLAN = r"--(sdm conda|cores \S+|quiet rules|dry-run)"
PLANS = sorted({tuple(shlex.split(re.sub(BESIDES_THE_PLAN, "", command))[1:]) for command in PLANNING})


def test_there_are_commands():
    assert len(COMMANDS) >= 12
    assert len(PLANS) >= 10


@pytest.mark.parametrize("arguments", PLANS, ids=" ".join)
def test_a_command_plans(arguments, tmp_path):
    assert "Job stats" in run_snakemake(tmp_path, "--dry-run", *arguments).stdout


@pytest.mark.parametrize("study", ["mnist-k10", "omniglot-temperature-1"])
def test_tables_in_docs_are_the_published_ones(study):
    published = (ROOT / "results" / study / "tables" / "results.md").read_text().split("\n\n")[0]
    assert published in PAGES["results.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    folder = ROOT if page == "README.md" else ROOT / "docs"
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGES[page]) if "://" not in link]
    assert [link for link in links if not (folder / link).exists()] == []
