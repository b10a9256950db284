"""Snakemake run for real: fits, the control, configurations, data from a mirror, and manners."""

import functools
import gzip
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from conftest import (
    NO_WORK,
    QUICKSTART,
    ROOT,
    SilentHandler,
    copy_of,
    make_own,
    planned_jobs,
    planned_work,
    refusal,
    run_as_module,
    run_snakemake,
    serving,
    with_own,
)
from discrete_vae.data.dataset import SPLITS, BinarizedDataset

FITS = "results/own/fits"
NO_DATASET = "grid={dataset: [], perturbation: [laplace]}"
FITS_OF_A_TABLE = (
    "fitting={steps: 30, record_every: 10, targets: {mine: {family: table, probabilities: [0.6, 0.3, 0.1]}}}"
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> tuple[Path, tuple[str, ...]]:
    """A folder with the fits of one law to one target of one's own, their figure, and a table of what is there."""
    directory = tmp_path_factory.mktemp("fitted")
    make_own(directory)
    arguments = with_own(directory, NO_DATASET, FITS_OF_A_TABLE)
    modules = directory / "modules"  # of the user's, of which none may take the place of ours or of a library's
    modules.mkdir()
    libraries = ("scipy", "torch", "matplotlib", "seaborn")  # none that Snakemake imports first
    for name in ("discrete_vae_job", "job", "files", "errors", "data", "model", "fitting", "fit_target", *libraries):
        (modules / f"{name}.py").write_text("raise ImportError('this is another module')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(modules))
        run_snakemake(directory, "--cores", "all", "results/own/figures/fitting/mine.png", *arguments, fork=False)
    run_snakemake(directory, "--cores", "all", "results/own/tables/fitting.csv", *arguments, "draw_only=true")
    return directory, arguments


class TestFitting:
    def test_it_is_on_with_one_line(self, tmp_path):
        jobs = planned_jobs(tmp_path, "--config", "grid={dataset: []}", "fitting={enabled: true}")
        enabled = [job for job in jobs if "/fit" in job]
        assert len(enabled) == 4 * 3 + 4 + 1

    def test_a_table_of_ones_own_is_fitted(self, fitted):
        directory, _ = fitted
        table = pd.read_csv(directory / "results/own/tables/fitting.csv")
        assert table[["target", "perturbation"]].drop_duplicates().to_numpy().tolist() == [["mine", "laplace"]]
        fits = pd.read_csv(directory / FITS / "mine/laplace.csv.gz")
        assert fits["step"].tolist() == [0, 10, 20, 30]
        assert fits["discrete_error"].iloc[-1] < 0.7 * fits["discrete_error"].iloc[0]
        assert (directory / "results/own/figures/fitting/mine.pdf").stat().st_size > 5_000

    def test_their_options_are_fixed(self, fitted):
        directory, _ = fitted
        fewer = FITS_OF_A_TABLE.replace("steps: 30", "steps: 20")
        line = refusal(directory, "fitting", *with_own(directory, NO_DATASET, fewer))
        assert line.startswith("ERROR: fitting.steps is 20, expected 30 as in results/own")

    def test_without_fits_there_is_nothing_to_draw(self, tmp_path):
        drawn = run_snakemake(tmp_path, "--dry-run", "--config", "draw_only=true", "fitting={enabled: true}")
        assert "the study paper has nothing to make or to draw" in drawn.stdout

    def test_fits_that_are_there_are_never_made_again(self, fitted):
        directory, arguments = fitted
        line = refusal(directory, f"{FITS}/mine/laplace.csv.gz", *arguments)
        assert f"remove {FITS}/mine/laplace.csv.gz to make it again" in line
        targets = ("binomial", "poisson", "negative-binomial", "discrete")
        work = planned_work(directory, "fitting", *arguments)
        assert work == {**NO_WORK, "measure": {f"{FITS}/{target}/laplace.csv.gz" for target in targets}}

    def test_they_are_made_again_if_they_are_removed_whatever_is_drawn(self, fitted, tmp_path):
        directory, _ = fitted
        shutil.copytree(directory / "results", tmp_path / "results")
        make_own(tmp_path)
        shutil.rmtree(tmp_path / FITS)
        targets = ("binomial", "poisson", "negative-binomial", "discrete", "mine")
        for target in targets:
            for suffix in ("pdf", "png"):
                (tmp_path / f"results/own/figures/fitting/{target}.{suffix}").touch()
        work = planned_work(tmp_path, "fitting", *with_own(tmp_path, NO_DATASET, FITS_OF_A_TABLE))
        assert work["measure"] == {f"{FITS}/{target}/laplace.csv.gz" for target in targets}

    def test_a_grid_that_asks_for_more_ends_in_one_line_with_the_folder_to_remove(self, fitted):
        directory, _ = fitted
        grid = "grid={dataset: [], perturbation: [laplace], seed: [1, 2]}"
        line = refusal(directory, "fitting", *with_own(directory, grid, FITS_OF_A_TABLE))
        assert line.startswith(f"ERROR: {FITS}/mine/laplace.csv.gz has no values at temperature 0.5, seed 2")
        assert f"remove {FITS} to make all its tables again" in line


FOUR_LAWS_AT_ONE_K = (
    "grid={blocks: [{perturbation: [normal, laplace, wide, gumbel, narrow]},"
    " {K: [5], perturbation: [normal, laplace]}]}"
)
CONTROL = (
    "perturbations={wide: {distribution: Normal, loc: 0, scale: 1.28255},"
    " narrow: {distribution: Gumbel, loc: 0, scale: 0.7797}}",
    "control={enabled: true}",
)


@pytest.fixture(scope="module")
def controlled(own, tmp_path_factory) -> tuple[Path, tuple[str, ...]]:
    """One's own study with the four laws of the control at one K only."""
    directory = tmp_path_factory.mktemp("controlled")
    arguments = with_own(copy_of(own, directory), FOUR_LAWS_AT_ONE_K, *CONTROL)
    targets = (
        "results/own/tables/control.csv",
        "results/own/tables/claims.csv",
        "results/own/figures/control/mine.png",
    )
    run_snakemake(directory, "--cores", "all", *targets, *arguments)
    return directory, arguments


class TestControl:
    def test_laws_are_compared_where_both_were_run(self, controlled):
        tables = controlled[0] / "results/own/tables"
        claims = pd.read_csv(tables / "claims.csv").groupby("K")["other"].unique().map(list).to_dict()
        assert {K: sorted(others) for K, others in claims.items()} == {
            4: ["gumbel", "laplace", "narrow", "wide"],
            5: ["laplace"],
        }
        control = pd.read_csv(tables / "control.csv")
        assert control["K"].unique().tolist() == [4]
        assert control["effect"].unique().tolist() == ["shape", "variance", "interaction"]
        assert control["measure"].unique().tolist() == [
            *("paper loss", "negative ELBO", "IWAE bound", "training loss: final"),
        ]
        assert control["difference"].notna().all()

    def test_gradients_are_measured_against_the_variance_of_the_noise(self, controlled):
        gradients = pd.read_csv(controlled[0] / "results/own/gradients/mine/seed1.csv")
        variances = {"normal": 1, "laplace": 2, "wide": 1.6449, "gumbel": 1.6449, "narrow": 1}
        found = gradients.set_index("perturbation")["noise_variance"].to_dict()
        assert found == pytest.approx(variances, rel=1e-4)
        assert gradients["relative_variance"].gt(0).all()
        assert (controlled[0] / "results/own/figures/control/mine.pdf").stat().st_size > 5_000

    def test_it_is_made_for_the_datasets_that_are_named(self, tmp_path):
        grid = "grid={dataset: [digits, mnist], K: [5], seed: [1], temperature: [1.0]}"
        own = ("--configfile", "configs/control.yaml", "--config", "study=own", grid, "control={datasets: [digits]}")
        work = planned_work(tmp_path, "control", *own)
        assert work["measure"] == {"results/own/gradients/digits/seed1.csv"}
        everything = planned_work(tmp_path, *own)
        datasets = [{cell.partition("-")[0] for cell in planned["train"]} for planned in (work, everything)]
        assert datasets == [{"digits"}, {"digits", "mnist"}]
        assert everything["measure"] == work["measure"]

    def test_its_table_does_not_wait_for_datasets_beyond_it(self, controlled):
        directory, _ = controlled
        grid = FOUR_LAWS_AT_ONE_K.replace("blocks", "dataset: [mine, digits], blocks")
        arguments = with_own(directory, grid, *CONTROL[:1], "control={enabled: true, datasets: [mine]}")
        assert planned_jobs(directory, "results/own/tables/control.csv", *arguments) == []

    def test_gradients_alone_fix_the_options_of_their_study(self, tmp_path):
        arguments = (*make_own(tmp_path), "--config", "control={enabled: true}")
        run_snakemake(tmp_path, "results/own/gradients/mine/seed1.csv", "--cores", "1", *arguments)
        line = refusal(tmp_path, *arguments, "training={epochs: 3, batch_size: 20, device: cpu, learning_rate: 0.5}")
        assert line.startswith("ERROR: training.learning_rate is 0.5, expected 0.001 as in results/own")

    def test_gradients_are_of_the_images_of_the_study(self, controlled, tmp_path):
        shutil.copytree(controlled[0], tmp_path, dirs_exist_ok=True)
        table = tmp_path / "results/own/gradients/mine/seed1.csv"
        runs = pd.read_csv(tmp_path / "results/own/groups/mine/K4/seed1/summaries.csv")
        assert set(pd.read_csv(table)["data_sha256"]) == set(runs["data_sha256"])
        table.unlink()
        shutil.rmtree(tmp_path / "data")
        np.savez(tmp_path / "my.npz", **{split: 1 - images for split, images in np.load(tmp_path / "my.npz").items()})
        arguments = ("control", "--cores", "1", *with_own(tmp_path, FOUR_LAWS_AT_ONE_K, *CONTROL))
        assert "put those images back" in run_snakemake(tmp_path, *arguments, check=False).stdout
        assert not table.exists()

    def test_gradients_that_are_there_are_never_measured_again(self, controlled):
        directory, arguments = controlled
        os.utime(directory / "results/own/gradients/mine/seed1.csv", (0, 0))
        assert planned_work(directory, *arguments) == NO_WORK

    def test_gradients_that_are_removed_are_measured_again_whatever_is_drawn(self, controlled, tmp_path):
        shutil.copytree(controlled[0], tmp_path, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "results/own/gradients")
        work = planned_work(tmp_path, "control", *with_own(tmp_path, FOUR_LAWS_AT_ONE_K, *CONTROL))
        assert work == {**NO_WORK, "measure": {"results/own/gradients/mine/seed1.csv"}}

    def test_gradients_without_a_whole_group_are_not_drawn(self, controlled, tmp_path):
        directory, _ = controlled
        shutil.copytree(directory / "results/own/gradients", tmp_path / "results/own/gradients")
        make_own(tmp_path)
        own = with_own(tmp_path, FOUR_LAWS_AT_ONE_K, *CONTROL, "draw_only=true")
        assert "the study own has nothing to make or to draw" in run_snakemake(tmp_path, "--dry-run", *own).stdout
        line = refusal(tmp_path, "control", *own)
        assert line.startswith("ERROR: the target control is asked for, but no group is finished, expected one")

    def test_a_grid_that_asks_for_more_ends_in_one_line_with_the_folder_to_remove(self, controlled):
        directory, _ = controlled
        line = refusal(directory, *with_own(directory, "grid={temperature: [0.5, 1.0]}", *CONTROL))
        assert line.startswith("ERROR: results/own/gradients/mine/seed1.csv has no values at perturbation normal,")
        assert "remove results/own/gradients to make all its tables again" in line


class TestConfiguration:
    def test_the_default_is_the_paper_with_one_training_job_per_cell(self, tmp_path):
        """One seed of it."""
        jobs = planned_jobs(tmp_path, "--set-resources", "train_cells:gpu=0", "--config", "grid={seed: [775]}")
        trained = [job for job in jobs if job.startswith("results/paper/runs/")]
        assert len(trained) == 3 * 3 * 3 * 10
        assert len([job for job in jobs if job.startswith("data/raw/")]) == 5
        assert not [job for job in jobs if "/fit" in job or "control" in job]

    def test_a_cell_beyond_the_grid_is_told_and_planned(self, tmp_path):
        def told(temperature: float) -> bool:
            target = f"results/paper/runs/digits/K10/normal/tau{temperature}/seed775/summary.json"
            grid = "grid={dataset: [digits], K: [10]}"
            completed = run_snakemake(tmp_path, target, "--dry-run", "--cores", "1", "--config", grid)
            assert "rule train_cells:" in completed.stdout
            return f"{target} is not in the grid, but it is made; it joins its group" in completed.stdout

        assert (told(0.45), told(0.4)) == (True, False)

    def test_gpus_that_no_job_uses_are_told_where_cells_are_trained(self, tmp_path):
        def told(*arguments: str) -> bool:
            mine = make_own(tmp_path)
            completed = run_snakemake(tmp_path, "--dry-run", "--set-resources", "train_cells:gpu=1", *mine, *arguments)
            return "train_cells:gpu=1: each job reserves a GPU that it does not use" in completed.stdout

        assert (told(), told("--config", "draw_only=true")) == (True, False)

    def test_a_training_without_a_place_for_resume_points_does_not_begin(self, tmp_path):
        arguments = make_own(tmp_path)
        (tmp_path / "checkpoints").symlink_to("unmounted")
        completed = run_snakemake(tmp_path, "--cores", "1", *arguments, check=False)
        assert "ERROR: checkpoints is a link to unmounted, expected an existing folder" in completed.stdout
        assert not list((tmp_path / "results").rglob("*.*"))

    def test_a_sum_of_an_unknown_file_is_told_before_anything_runs(self, tmp_path):
        kmnist = f"datasets={{kmnist: {{source: torchvision, class: KMNIST, sha256: {{labels: {'0' * 64}}}}}}}"
        assert "kmnist.sha256 has 'labels'" in refusal(tmp_path, "--config", "grid={dataset: [kmnist]}", kmnist)

    def test_a_law_whose_codes_cannot_be_trained_on_is_told_before_anything_runs(self, tmp_path):
        law = "perturbations={heavy: {distribution: LogNormal, loc: 0, scale: 1}}"
        grid = "grid={dataset: [digits], K: [10], perturbation: [normal, heavy]}"
        line = refusal(tmp_path, "--config", grid, law, "training={kl: codes}")
        assert line.startswith("ERROR: grid.perturbation has 'heavy': the law LogNormal(loc 0, scale 1) has tails that")

    def test_a_file_of_another_study_is_told_with_the_way_to_name_it(self, tmp_path):
        for name in ("tables/results.md", "config.yaml"):
            path = tmp_path / "results/another" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        line = refusal(tmp_path, "results/another/tables")
        assert line.startswith(
            "ERROR: results/another/tables is of the study another, expected a file of the study paper; "
        )
        assert refusal(tmp_path, "results/").startswith("ERROR: nothing makes results in the study paper; ")

    def test_a_figure_is_drawn_from_the_groups_of_its_dataset_and_K_alone(self, tmp_path):
        grid = "grid={dataset: [omniglot, omniglot-resized], K: [10, 30], seed: [775, 776], temperature: [1.0]}"
        more = "fitting={targets: {poisson-2: {family: poisson, rate: 5, K: 20}}}"
        asked = ("figures", "control", "fitting", "--dry-run", "--config", grid, more, "control={enabled: true}")
        said = run_snakemake(tmp_path, *asked).stdout
        pattern = r"rule plot_\w+:\n +input: (.*)\n +output: \S*figures/(\w+)/([\w-]+?)(?:-K(\d+))?\.pdf"
        jobs = re.findall(pattern, said)
        assert len(jobs) == 2 * 4 + 4 + 5, "four kinds of each dataset, images of each K, and fits of five targets"
        for files, kind, name, K in jobs:
            parts = [file.split("/") for file in files.split(", ")]
            assert {part[3].removesuffix(".csv.gz") for part in parts} == {name}, kind
            assert not K or {(part[4], part[5]) for part in parts} == {(f"K{K}", "seed775")}

    def test_a_word_of_the_command_line_may_be_longer_than_a_name_of_a_file(self, tmp_path):
        grid = f"grid={{dataset: [digits], seed: {list(range(100))}}}"
        assert len(grid) > 255
        targets = [f"results/paper/groups/digits/K10/seed{seed}/summaries.csv" for seed in (0, 99)]
        planned = planned_work(tmp_path, *targets, "--config", grid)
        assert {f"digits/K10/seed{seed}" for seed in (0, 99)} <= planned["select"]

    def test_overlays_replace_lists_of_the_grid_and_add_to_definitions(self, tmp_path):
        (tmp_path / "overlay.yaml").write_text(
            "grid: {dataset: [digits], K: [20], perturbation: [uniform], seed: [1]}\n"
            "perturbations: {uniform: {distribution: Uniform, low: -1, high: 1}}\n"
        )
        jobs = planned_jobs(tmp_path, "--configfile", str(tmp_path / "overlay.yaml"))
        assert len([job for job in jobs if job.startswith("results/paper/runs/digits/K20/uniform/")]) == 10

    def test_a_wrong_key_ends_in_one_line_and_leaves_nothing(self, tmp_path):
        completed = run_snakemake(tmp_path, "--cores", "1", "--config", "training={epoch: 3}", check=False)
        assert completed.returncode != 0
        (line,) = [line for line in completed.stdout.splitlines() if "training.epoch" in line]
        assert "did you mean epochs?" in line
        assert "Traceback" not in completed.stdout
        assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == []

    def test_a_target_that_nothing_makes_ends_in_one_line_with_a_near_one(self, tmp_path):
        folder = "results/paper/runs/mnist/K10"
        line = refusal(tmp_path, f"{folder}/Normal/tau1/seed775/summary.json")
        assert line.endswith(f"in the study paper; did you mean {folder}/normal/tau1.0/seed775/summary.json?")

    @pytest.mark.parametrize(
        ("target", "near"),
        [
            ("gradients/mnist/seed775.csv", None),
            ("fits/poisson/laplace.csv.gz", "fits/poisson/normal.csv.gz"),
            ("groups/mnist/K10/seed999/bounds.csv", "groups/mnist/K10/seed779/bounds.csv"),
            ("figures/images/mnist-K20.pdf", "figures/images/mnist-K50.pdf"),
        ],
    )
    def test_a_rule_that_could_make_a_target_is_not_enough(self, tmp_path, target, near):
        """Its inputs would be none, or unknown."""
        line = refusal(tmp_path, f"results/paper/{target}")
        advice = f"did you mean results/paper/{near}?" if near else "correct the path or the study"
        assert line == f"ERROR: nothing makes results/paper/{target} in the study paper; {advice}"

    def test_a_stack_has_only_values_of_the_grid(self, tmp_path):
        target = "results/paper/runs/mnist/K10/normal/tau0.45/seed775/summary.json"
        line = refusal(tmp_path, target, "--config", "training={stack: [temperature, perturbation]}")
        advice = "or set training.stack, which is [temperature, perturbation], to []"
        assert line.endswith(f"{advice}; did you mean {target.replace('0.45', '0.5')}?")

    def test_a_control_that_is_off_is_no_target(self, tmp_path):
        assert refusal(tmp_path, "control").endswith("expected true; add --configfile configs/control.yaml")

    def test_a_study_without_anything_to_do_says_so(self, tmp_path):
        said = run_snakemake(tmp_path, "--cores", "1", "--config", "study=empty", "draw_only=true").stdout
        assert "the study empty has nothing to make or to draw" in said

    def test_a_number_that_yaml_misreads_ends_in_one_line(self, tmp_path):
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text("grid:\n  seed: [0775]\n")
        line = refusal(tmp_path, "--configfile", str(overlay))
        expected = "line 2, has 0775, which YAML reads as 509; write 775 or 509"
        assert line == f"ERROR in the configuration: {overlay}, {expected}"

    def test_a_file_that_a_job_refuses_ends_in_one_line_and_leaves_no_output(self, tmp_path):
        arguments = make_own(tmp_path)
        np.savez(tmp_path / "my.npz", **{split: np.full((50, 6, 5), 255, np.uint8) for split in SPLITS})
        completed = run_snakemake(tmp_path, "--cores", "1", *arguments, check=False)
        assert completed.returncode != 0
        assert "ERROR: my.npz: train has the value 255, expected only 0 and 1; binarize it first" in completed.stdout
        assert "Traceback" not in completed.stdout
        assert "\nfailed: binarize_dataset, see logs/own/binarize_dataset/mine.log\n" in completed.stdout
        assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []
        assert not list((tmp_path / "results").rglob("*.*"))


class TestData:
    def test_omniglots_mat_file_comes_from_a_mirror_over_http(self, tmp_path):
        rng = np.random.default_rng(0)
        folder = tmp_path / "served" / "omniglot"
        folder.mkdir(parents=True)
        scipy.io.savemat(folder / "chardata.mat", {"data": rng.random((784, 1400)), "testdata": rng.random((784, 9))})
        digest = hashlib.sha256((folder / "chardata.mat").read_bytes()).hexdigest()

        with serving(functools.partial(SilentHandler, directory=str(tmp_path / "served"))) as url:
            run_snakemake(
                tmp_path,
                *("--cores", "1", "data/omniglot.npz", "--config", f"mirror={url}"),
                f"datasets={{omniglot: {{sha256: {{chardata.mat: {digest}}}}}}}",
            )
        dataset = BinarizedDataset.load(tmp_path / "data" / "omniglot.npz")
        assert len(dataset.splits["train"]) == 55
        assert "IWAE" in dataset.manifest["origin"]

    def test_hand_placed_kmnist_needs_no_network(self, tmp_path):
        folder = tmp_path / "data" / "raw" / "kmnist"
        folder.mkdir(parents=True)
        for name, count in (("train-images-idx3-ubyte", 60_000), ("t10k-images-idx3-ubyte", 10_000)):
            content = struct.pack(">IIII", 0x803, count, 28, 28) + np.random.default_rng(count).bytes(count * 784)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, compresslevel=1))
        definition = "datasets={kmnist: {source: torchvision, class: KMNIST}}"
        run_snakemake(tmp_path, "--cores", "1", "data/kmnist.npz", "--config", definition)
        dataset = BinarizedDataset.load(tmp_path / "data" / "kmnist.npz")
        assert [len(dataset.splits[split]) for split in SPLITS] == [50_000, 10_000, 10_000]


class TestManners:
    def test_a_forked_snakemake_plans_what_one_plans_that_a_user_starts(self, tmp_path):
        said = [run_snakemake(tmp_path, "--dry-run", *QUICKSTART, fork=fork).stdout for fork in (True, False)]
        counts, files = (
            [sorted(re.findall(pattern, text, re.MULTILINE)) for text in said]
            for pattern in (r"^\w+ +\d+$", "^ *(?:input|output|log): .*$")
        )
        assert counts[0] == counts[1]
        assert files[0] == files[1]
        assert min(len(counts[0]), len(files[0])) > 10

    @pytest.mark.parametrize(
        "command",
        [
            ["snakemake", "--lint"],
            ["snakefmt", "--check", "Snakefile", "workflow"],
            ["ruff", "check", "."],
            ["ruff", "format", "--check", "."],
        ],
        ids=" ".join,
    )
    def test_linters_find_nothing(self, command):
        executable = Path(sys.executable).with_name(command[0])
        completed = subprocess.run([executable, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert completed.returncode == 0, completed.stdout + completed.stderr

    def test_a_path_that_snakemake_takes_for_a_wildcard_is_refused(self, tmp_path):
        project = tmp_path / "a{b}"
        shutil.copytree(ROOT / "workflow", project / "workflow")
        shutil.copy(ROOT / "Snakefile", project)
        command = [sys.executable, "-m", "snakemake", "--dry-run"]
        completed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert f"ERROR: the path {project} has a brace, which Snakemake takes for a wildcard" in completed.stderr

    def test_it_is_usable_as_a_module_of_another_workflow_in_a_folder_of_its_own(self, own, tmp_path):
        make_own(tmp_path)
        shutil.copytree(own / "results", tmp_path / "vae/results", copy_function=shutil.copyfile)
        outer = """
rule outer:
    input:
        "vae/results/own/groups/mine/K4/seed1/bounds.csv",
        "vae/results/own/groups/mine/K4/seed2/bounds.csv",
        "vae/results/own/figures/images/mine-K4.png",
    output: "copy.csv"
    shell: "cat {input[0]} {input[1]} > {output}"
"""

        def run(config: str, *, check: bool = True) -> str:
            return run_as_module(tmp_path, "copy.csv", "--config", config, prefix="vae", rules=outer, check=check)

        assert "is 2, expected 3 as in vae/results/own" in run("training={epochs: 2}", check=False)
        assert run("grid={seed: [1, 2], perturbation: [laplace]}").count("rule vae_train_cells:") == 1
        assert pd.read_csv(tmp_path / "vae/results/own/groups/mine/K4/seed2/bounds.csv")["seed"].tolist() == [2]
        assert "cells finished: 2 of 2" in (tmp_path / "vae/logs/own/progress.txt").read_text()
        made = {path.name for path in tmp_path.iterdir()}
        assert made == {".snakemake", "Snakefile", "copy.csv", "my.npz", "own.yaml", "vae"}
        # The figure is drawn once more, as the new group was in no list.
        assert "rule vae_train_cells:" not in run("grid={seed: [1, 2], perturbation: [laplace]}")
        assert "Nothing to be done" in run("grid={seed: [1, 2], perturbation: [laplace]}")

    def test_as_a_module_it_trains_no_finished_cell_again_when_code_has_changed(self, tmp_path):
        """A profile of ours, which the other workflow does not have, leaves changes of code out."""
        make_own(tmp_path)
        project = tmp_path / "project"
        for name in ("workflow", "envs"):
            shutil.copytree(ROOT / name, project / name)
        for name in ("Snakefile", "config.yaml"):
            shutil.copy(ROOT / name, project)
        theirs = {"snakefile": "project/Snakefile"}
        assert "rule vae_train_cells:" in run_as_module(tmp_path, "--until", "vae_train_cells", **theirs)
        with (project / "workflow/scripts/train_cells.py").open("a") as file:
            file.write("# changed\n")
        planned = run_as_module(tmp_path, "vae_all", "--dry-run", **theirs)
        assert "vae_select_temperatures" in planned
        assert "vae_train_cells" not in planned
