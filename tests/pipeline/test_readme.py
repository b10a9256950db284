"""What the documentation says is true: commands plan, code runs, numbers are the published ones, links lead on."""

import csv
import functools
import itertools
import json
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import PUBLISHED, ROOT, published, run_snakemake
from discrete_vae.analysis import claims
from discrete_vae.analysis.comparisons import COLUMNS
from discrete_vae.analysis.statistics import spell_range
from discrete_vae.config.definitions import PAPER_LAWS
from discrete_vae.files import write_arrays
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.grid.paper import STANDS_FOR
from discrete_vae.model.network import Architecture, initial_weights
from discrete_vae.report.published import draw_published
from discrete_vae.training.run_files import write_runs
from discrete_vae.training.runs import Run

PATHS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *sorted(ROOT.glob("docs/*.md"))]
PAGES = {path.name: path.read_text() for path in PATHS}
COMMANDS = sorted(
    {
        command.split("  #")[0].strip()
        for text in PAGES.values()
        for command in re.findall(r"^(snakemake .+)$", text, re.MULTILINE) + re.findall(r"`(snakemake [^`]+)`", text)
    }
)
# An unlock needs a lock, and the last are placeholders.
PLANNING = [command for command in COMMANDS if not re.search(r"--unlock|[A-Z]\.yaml|\bFILE\b", command)]


def arguments_of(command: str) -> tuple[str, ...]:
    """Return the arguments of a command, without those that change nothing about a plan."""
    return tuple(shlex.split(re.sub(r"--(sdm conda|cores \S+|quiet rules|dry-run)", "", command))[1:])


PLANS = sorted(set(map(arguments_of, PLANNING)))
# Such as: snakemake --cores all   # the whole grid: 1,620 training jobs
TRAININGS = sorted(
    {
        (command.split("  #")[0].strip(), int(count.replace(",", "")))
        for text in PAGES.values()
        for command, count in re.findall(r"^(snakemake .+?) ([\d,]+) (?:training jobs|cells)$", text, re.MULTILINE)
    }
)
# A block of YAML begins with the name of its file.
OVERLAYS = {
    name: block
    for text in PAGES.values()
    for block, name in re.findall(r"```yaml\n(# (\w+\.yaml)\n.*?)```", text, re.DOTALL)
}
GRID = yaml.safe_load((ROOT / "config.yaml").read_text())["grid"]
# Cautions whose numbers are in no table. Tests of their own compute them.
COMPUTED = (
    "The IWAE bound and the temperature",
    "Trained twice",
    "The KL of the loss",
    "The temperature",
    "Other temperatures",
    "Each law at its best temperature",
    "The two effects",
)
OF_COMPUTED = rf"^(?:- )?\*\*(?:{'|'.join(COMPUTED)})\.\*\*.*\n(?:(?!- |\n).+\n)*"
# Such as: 2.64 nats (1.46 to 3.81)
DIFFERENCES = sorted(
    {
        (page, *numbers)
        for page, text in PAGES.items()
        for numbers in re.findall(
            r"(-?\d+\.\d+)\s+(?:nats\s+)?\((-?\d+\.\d+)\s+to\s+(-?\d+\.\d+)\)",
            re.sub(OF_COMPUTED, "", text, flags=re.MULTILINE),
        )
    }
)


def rows_of(pattern: str, studies: Iterable[str] = PUBLISHED) -> list[dict[str, str]]:
    """Read the rows of the tables of published studies that a pattern below a study's folder matches."""
    return [row for path in published(pattern, studies) for row in csv.DictReader(path.read_text().splitlines())]


def test_there_is_something_to_check():
    assert len(COMMANDS) >= 12
    assert len(PLANS) >= 10
    assert len(TRAININGS) >= 5
    assert len(OVERLAYS) >= 3
    assert len(DIFFERENCES) >= 30
    assert sum(len(re.findall(OF_COMPUTED, text, re.MULTILINE)) for text in PAGES.values()) == len(COMPUTED)


def test_the_readme_is_short():
    assert len(PAGES["README.md"].split()) <= 1200


@functools.cache
def plan(arguments: tuple[str, ...]) -> str:
    """Return what Snakemake prints of a plan, in a folder with the files that the pages speak of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        splits = ("train", "validation", "test")
        np.savez(folder / "my.npz", **{split: np.zeros((4, 3, 3), np.uint8) for split in splits})
        for file, overlay in OVERLAYS.items():
            (folder / file).write_text(overlay)
        placed = [str(folder / argument) if argument in OVERLAYS else argument for argument in arguments]
        return run_snakemake(folder, *placed, "--dry-run", "--quiet", "rules").stdout


def of_one_seed(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Ask for one seed, where a command leaves them to config.yaml: a sixth of the plan, in less time."""
    if any("grid=" in argument or argument in OVERLAYS for argument in arguments):
        return arguments
    return (*arguments, *(() if "--config" in arguments else ("--config",)), "grid={seed: [775]}")


@pytest.mark.parametrize("arguments", PLANS, ids=" ".join)
def test_a_command_plans(arguments):
    assert "Job stats" in plan(of_one_seed(arguments))


@pytest.mark.parametrize(("command", "count"), TRAININGS)
def test_a_command_plans_as_many_trainings_as_its_comment_says(command, count):
    arguments = arguments_of(command)
    seeds = 1 if of_one_seed(arguments) == arguments else len(GRID["seed"])
    assert seeds * int(re.findall(r"^train\w* +(\d+)$", plan(of_one_seed(arguments)), re.MULTILINE)[0]) == count


def test_the_readme_counts_the_cells_of_the_grid():
    cells = np.prod([len(GRID[axis]) for axis in AXES])
    assert f"`snakemake --cores all`, the whole grid | {cells:,} |" in PAGES["README.md"]


def test_the_readme_counts_the_published_cells_of_the_grid():
    """Each once, whatever number of studies have run it. Annealed ones are no cells of the grid."""
    rows = [row for row in rows_of("groups/*/*/*/summaries.csv") if not json.loads(row["training"])["annealing"]]
    grid = set(itertools.product(*(map(str, GRID[axis]) for axis in AXES)))
    run = {tuple(row[axis] for axis in AXES) for row in rows} & grid
    stand_in = {tuple(STANDS_FOR.get(row[axis], row[axis]) for axis in AXES) for row in rows} & grid - run
    shown = f"{len(run)} of the grid's {len(grid):,} cells are run, and {len(stand_in)} with torchvision's Omniglot"
    assert f"**So far** {shown} images" in " ".join(PAGES["README.md"].split())


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGES["README.md"], re.DOTALL)
    assert f'"results/quickstart/{make_run(tmp_path / "results/quickstart")}"' in code
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(code, found)
    assert found["images"].shape == found["again"].shape == (5, 8, 8)
    assert 0 < found["images"].min() < found["images"].max() < 1


def make_run(study: Path) -> str:
    """Make the run of the quick start that the pages load, with weights that nobody trained; return its folder."""
    sizes = Architecture(pixels=64, hidden=100, variables=10, categories=10)
    run = Run(Cell("digits", 10, "normal", 0.4, 775), [{"training_loss": 1.0}])
    run.weights = initial_weights(sizes, torch.Generator().manual_seed(0))
    laws, options = {"normal": PAPER_LAWS["normal"]}, {"model": {"variables": 10, "hidden": 100}}
    write_runs([run], study, laws=laws, options=options, provenance={"image_shape": [8, 8]})
    return run.cell.directory


def test_the_notebook_runs(tmp_path, monkeypatch):
    """Cell by cell, without Jupyter: its cells are plain Python."""
    make_run(tmp_path / "results/quickstart")
    (tmp_path / "results/mnist-k10").symlink_to(ROOT / "results/mnist-k10")
    (tmp_path / "Snakefile").touch()
    images = np.random.default_rng(0).integers(0, 2, (10, 8, 8)).astype(np.uint8)
    write_arrays(tmp_path / "data/digits.npz", {"test": images})
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    notebook = json.loads((ROOT / "docs/models.ipynb").read_text())
    found = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), found)
    plt.close("all")
    assert len(found["groups"]) == 6
    assert found["losses"].notna().all(axis=None)
    assert found["reconstructions"].shape == (10, 8, 8)


@pytest.mark.parametrize(("page", "size", "low", "high"), DIFFERENCES)
def test_a_difference_and_its_interval_are_published(page, size, low, high):
    # A page says which law is ahead, and by how much: the sign is in its words.
    digits = len(size.partition(".")[2])
    published = {
        tuple(f"{sign * float(row[column]):.{digits}f}" for column in columns)
        for row in [*rows_of("tables/claims.csv"), *rows_of("tables/control.csv")]
        if row["low"]
        for sign, columns in ((1, ("difference", "low", "high")), (-1, ("difference", "high", "low")))
    }
    assert (size, low, high) in published


def test_other_numbers_of_the_readme_are_the_published_ones():
    claims_of_studies = pd.DataFrame(rows_of("tables/claims.csv")).astype({"difference": float})
    differences = claims_of_studies.set_index(["claim", "other", "measure"])["difference"]
    readme = " ".join(PAGES["README.md"].split())
    earlier = spell_range(-differences["2", "gumbel", "training loss: epochs to Gumbel's final"], decimals=0)
    final = -differences["2", "gumbel", "training loss: final"]
    assert f"final training loss {earlier} of 300 epochs earlier, and ends {spell_range(final)} nats lower" in readme
    effects = pd.DataFrame(rows_of("tables/control.csv", ["omniglot-temperature-1"])).set_index(["measure", "effect"])
    of_variance = float(effects["difference"]["training loss: final", "variance"])
    assert (
        f"At K = 10 its smaller variance explains {of_variance:.2f} of {final.min():.2f} nats, its shape the" in readme
    )
    higher = spell_range(differences["1 with fewer temperatures", "gumbel", "paper loss"])
    assert f"with each law at its best epoch, Normal's test loss is {higher} nats higher" in readme


def test_two_verdicts_of_claim_1_rest_on_logistic_noise_alone_as_the_readme_says():
    comparisons = pd.DataFrame(rows_of("tables/claims.csv")).astype({"K": int})
    of_claim = comparisons[comparisons["claim"] == "1"].set_index(["measure", "dataset", "K", "other"])["verdict"]
    of_laws = of_claim.unstack("other")
    paper_loss, elbo = of_laws.loc["paper loss"], of_laws.loc["negative ELBO"]
    assert set(paper_loss["gumbel"]) == {"lower"}
    not_lower = paper_loss["logistic"][paper_loss["logistic"] != "lower"]
    assert not_lower.to_dict() == {("mnist", 30): "open"}
    higher = elbo[elbo["logistic"] == "higher"]
    assert higher[higher["gumbel"] != "higher"].index.tolist() == [("omniglot-resized", 10)]
    assert set(elbo["logistic"][elbo["gumbel"] == "higher"]) == {"higher"}


def test_the_readme_gives_the_cells_and_hours_of_published_studies():
    costs = [rows_of("tables/costs.csv", [study]) for study in PUBLISHED]
    hours = [sum(float(row["core_hours"]) for row in of_study) for of_study in costs if of_study]
    groups = [rows_of("groups/*/*/*/summaries.csv", [study]) for study in PUBLISHED]
    cells = [len(of_study) for of_study in groups if of_study]
    extent = f"{min(cells)} to {max(cells)} | {min(hours):.1f} to {max(hours):.1f}"
    assert f"(docs/reproduce.md#a-published-study-again-or-with-more-seeds) | {extent} |" in PAGES["README.md"]


def test_the_rules_of_the_architecture_page_are_those_of_the_workflow():
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    rules = {name for path in files for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)}
    rows = re.findall(r"^\| (`\w+_[^|]+) \|", PAGES["architecture.md"], re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert described | {"all", "tables", "figures", "control", "fitting"} == rules
    assert described <= {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}


def test_the_columns_of_the_claims_are_explained():
    table = PAGES["reproduce.md"].partition("`tables/claims.csv` has one comparison a row:")[2].partition("\n## ")[0]
    named = [
        column for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for column in re.findall(r"`(\w+)`", row)
    ]
    assert named == COLUMNS


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page):
    words = re.findall(r"`([\w./-]+)`", PAGES[page])
    folders = ("workflow/", "configs/", "tests/", "benchmarks/", "envs/")
    paths = [word for word in words if word.startswith(folders)]
    modules = [word for word in words if re.fullmatch(r"([a-z]+/)?[a-z_]+\.py", word) and word not in paths]
    named = [*paths, *(f"workflow/discrete_vae/{module}" for module in modules)]
    assert [name for name in named if not (ROOT / name).exists() and "NAME" not in name] == []


def test_targets_of_make_that_are_named_are_listed_by_its_help():
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    text = "\n".join(PAGES.values())
    named = set(re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets
    assert targets == set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_a_line_of_a_shell_block_is_one_command(page):
    """Wrapped like prose, a block joins its commands, and runs the words of its comments."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", PAGES[page], re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line]
    known = {"cp", "export", "for", "make", "python", "sbatch", "snakemake", "source", "tar"}
    assert [line for line in lines if line.split()[0] not in known or line.count(" # ") > 1] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(path):
    broken = []
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", PAGES[path.name]):
        if "://" in target:
            continue
        file = path.parent / target if target else path
        if not file.exists() or (heading and heading not in headings(file)):
            broken.append(f"{target}#{heading}")
    assert broken == []


def headings(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_verdicts_over_all_studies_are_as_the_readme_says():
    readme = " ".join(PAGES["README.md"].split())
    rows = list(csv.DictReader((ROOT / "docs/verdicts.csv").read_text().splitlines()))
    of_claim_1, of_claim_2 = ({row["measure"]: row["verdict"] for row in rows if row["claim"] == n} for n in "12")
    short = {measure: verdict.partition(" (")[0] for measure, verdict in of_claim_1.items()}
    of_bounds = {measure: verdict.partition(" run")[0] for measure, verdict in short.items()}
    assert f"- **Claim 1, the best temperature: {short['paper loss'].replace(' run', ' cases run')}**" in readme
    by_elbo = f"the claim is **{of_bounds['negative ELBO']}**, all on Omniglot."
    assert (
        f"By the negative ELBO, with each law's KL (only Gumbel's models trained with their own), {by_elbo}" in readme
    )
    others = "The rest is level or inconclusive."
    by_iwae = f"By the tighter IWAE bound it is {of_bounds['IWAE bound']}, in none after Holm's adjustment"
    assert f"{by_iwae}. {others}" in readme
    levels = {row["measure"]: row["level"] for row in rows if row["measure"] in of_bounds and row["claim"] == "1"}
    assert levels == {"paper loss": "0", "negative ELBO": "1", "IWAE bound": "0"}
    contradicted = [row for row in rows_of("tables/claims.csv") if row["claim"] == "1" and row["verdict"] == "higher"]
    assert {(row["dataset"], row["measure"]) for row in contradicted} == {("omniglot-resized", "negative ELBO")}
    together = of_claim_2[claims.ALL_MEASURES].partition(" (")[0]
    assert f"- **Claim 2, temperature 1 on Omniglot: {together}** (K = 10, 30, 50)" in readme


def test_the_figure_and_verdicts_of_the_pages_are_made_from_the_published_tables(tmp_path):
    """As `make redraw` makes them."""
    draw_published(str(tmp_path), *map(str, published("tables/claims.csv")))
    for name in ("claims.png", "verdicts.csv"):
        assert (tmp_path / name).read_bytes() == (ROOT / "docs" / name).read_bytes(), name
