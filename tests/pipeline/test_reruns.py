"""What is there is never lost, made again or mixed up: options, groups and runs of a study, here and in a clone."""

import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import (
    NO_WORK,
    PUBLISHED,
    ROOT,
    copy_of,
    files_of,
    give_one_date,
    made_once,
    make_own,
    outputs_less_times,
    planned_jobs,
    planned_work,
    refusal,
    run_snakemake,
    running_scripts,
    start_snakemake,
    wait_for_an_epoch,
    with_own,
)
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.files import read_arrays
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.groups import WHOLE_GROUP_FILES

GROUP = "mine/K4/seed1"
FOLDER = f"results/own/groups/{GROUP}"
RESULTS, CLAIMS = "results/own/tables/results.md", "results/own/tables/claims.md"
FIGURE = "results/own/figures/images/mine-K4.png"
T5 = "perturbations={t5: {distribution: StudentT, df: 5, loc: 0, scale: 1}}"
PROFILES = sorted(path.parent.name for path in ROOT.glob("profiles/*/config.yaml"))
# A cluster of one node: its jobs run in the background, each in a Snakemake of its own.
CLUSTER = (
    *("--executor", "cluster-generic", "--jobs", "2", "--seconds-between-status-checks", "1", "--latency-wait", "10"),
    *("--cluster-generic-submit-cmd", "sh -c 'sh \"$0\" >>job.log 2>&1 & echo $!'"),
)


AT_1 = ["normal-tau1.0", "laplace-tau1.0"]


def of_group(*cells: str, group: str = GROUP) -> dict[str, set[str]]:
    """Return the work of training some cells of a group, such as normal-tau0.5, and of making the group again."""
    place, seed = group.replace("/", "-").rsplit("-", 1)
    trained = {f"{place}-{cell}-{seed}" for cell in cells}
    return {**NO_WORK, "train": trained, "select": {group}, "evaluate": {group}}


def drawing(directory: Path, study: str = "own") -> tuple[str, ...]:
    """Return the arguments that draw a study again from its groups alone."""
    options = str(directory / "results" / study / "config.yaml")
    return ("--forceall", "--configfile", options, "--config", "draw_only=true")


class TestOwnDatasetAndLaw:
    def test_they_give_results_by_one_line_of_configuration_each(self, own):
        table = pd.read_csv(own / "results/own/tables/results.csv")
        assert table["perturbation"].unique().tolist() == ["normal", "laplace"]
        assert (own / FIGURE).exists()

    def test_the_summary_says_what_was_run_and_on_what(self, own):
        run = own / "results/own/runs/mine/K4/laplace/tau0.5/seed1"
        history, summary = pd.read_csv(run / "history.csv"), json.loads((run / "summary.json").read_text())
        data = BinarizedDataset.load(own / "data" / "mine.npz")
        assert summary["data_sha256"] == data.manifest["sha256"]
        assert summary["law"] == {"distribution": "Laplace", "loc": 0, "scale": 1}
        assert summary["best_epoch"] == 1 + history["validation_loss"].idxmin()
        assert summary["evaluation"] == {"validation_samples": 10, "selection_samples": 100}
        assert summary["training"]["matmul_precision"] == "high"
        assert (summary["device"], summary["threads"], summary["torch"]) == ("cpu", 1, torch.__version__)
        assert not [key for key in summary if key.startswith("test")], "only evaluate reads the test set"

    def test_a_newer_file_of_the_same_images_hides_nothing_that_is_missing(self, own, clone):
        shutil.copytree(own / "data", clone / "data")
        (clone / "my.npz").touch()
        assert planned_work(clone, *with_own(clone, "study=another")) == of_group("normal-tau0.5", "laplace-tau0.5")

    def test_data_that_are_there_hide_no_training_even_if_their_rule_is_forced(self, own, clone):
        """Snakemake would plan the data alone: what follows reads them as ancient."""
        shutil.copytree(own / "data", clone / "data")
        work = planned_work(clone, "--forcerun", "binarize_dataset", *with_own(clone, "study=another"))
        assert work["data"] == set()
        assert len(work["train"]) == 2
        assert planned_jobs(clone, "data/mine.npz", *with_own(clone, "study=another")) == []

    def test_a_job_refuses_other_images_than_those_of_its_study(self, own, clone):
        """A plan cannot see it: the dataset is not made yet."""
        images = {split: 1 - values for split, values in np.load(clone / "my.npz").items()}
        np.savez(clone / "my.npz", **images)
        command = (clone, "--cores", "1", *with_own(clone, "grid={seed: [1, 2]}"))
        said = run_snakemake(*command, check=False).stdout
        assert f"as the images of {FOLDER}; put those images back" in said
        assert not list((clone / "results/own/runs").rglob("*.*"))

    def test_models_are_kept_where_a_study_asks_for_it(self, own, tmp_path):
        copy_of(own, tmp_path)
        shutil.rmtree(tmp_path / FOLDER)
        keep = with_own(tmp_path, "evaluation={keep_models: true}")
        run_snakemake(tmp_path, f"{FOLDER}/models.pt", "--cores", "1", *keep)
        kept = torch.load(tmp_path / FOLDER / "models.pt", weights_only=True)
        assert kept.keys() == {f"mine-K4-{law}-tau0.5-seed1" for law in ("normal", "laplace")}

    def test_a_cell_outside_the_grid_is_a_target(self, own):
        target = "results/own/runs/mine/K7/normal/tau0.25/seed9/summary.json"
        work = planned_work(own, target, *with_own(own))
        assert work == {**NO_WORK, "train": {"mine-K7-normal-tau0.25-seed9"}}


class TestFixedOptions:
    def test_other_options_of_a_study_end_in_one_line_and_touch_nothing(self, clone):
        advice = "as in results/own; choose another name with --config study=NAME, or remove results/own"
        line = refusal(clone, RESULTS, *with_own(clone, "training={epochs: 2}"))
        assert line == f"ERROR: training.epochs.mine is 2, expected 3 {advice}"

    def test_other_images_under_the_name_of_a_dataset_end_in_one_line(self, own, clone):
        """The data are of all studies, whatever the dates of their files."""
        shutil.copytree(own / "data", clone / "data", copy_function=shutil.copyfile)
        with (clone / "my.npz").open("ab") as file:
            file.write(b" ")
        line = refusal(clone, *with_own(clone, "study=another"))
        assert line.startswith("ERROR: my.npz has other content")
        assert line.endswith("give the dataset another name, or remove data/mine.npz")

    def test_a_study_without_results_begins_again(self, clone):
        for folder in ("groups", "tables", "figures"):
            shutil.rmtree(clone / "results/own" / folder)
        work = planned_work(clone, *with_own(clone, "training={epochs: 2}"))
        assert work["select"] == work["evaluate"] == {GROUP}


@pytest.mark.parametrize("name", WHOLE_GROUP_FILES)
def test_a_file_of_a_group_that_is_removed_is_made_again_whatever_is_drawn(own, tmp_path, name):
    shutil.copytree(own, tmp_path, dirs_exist_ok=True)
    (tmp_path / FOLDER / name).unlink()
    work = planned_work(tmp_path, *with_own(tmp_path))
    assert GROUP in work["select"] | work["evaluate"]
    assert work["train"] == set()


class TestWholeGroups:
    def older_groups(self, own, clone):
        for file in (clone / "results/own/groups").rglob("*.*"):
            os.utime(file, (0, 0))

    def data_that_are_newer_and_others(self, own, clone):
        shutil.copytree(own / "data", clone / "data")
        made = BinarizedDataset.load(clone / "data/mine.npz")
        others = {split: 1 - images for split, images in made.splits.items()}
        BinarizedDataset(others, {**made.manifest, "sha256": "another"}).save(clone / "data/mine.npz")

    def some_runs(self, own, clone):
        shutil.copytree(own / "data", clone / "data")
        cell = "results/own/runs/mine/K4/normal"
        shutil.copytree(own / cell, clone / cell, copy_function=shutil.copyfile)

    def runs_that_are_newer_and_others(self, own, clone):
        shutil.copytree(own / "results/own/runs", clone / "results/own/runs")
        for file in (clone / "results/own/runs").glob("**/seed*/*"):
            file.write_bytes(file.read_bytes() + b" ")

    @pytest.mark.parametrize(
        "arrange", [older_groups, data_that_are_newer_and_others, some_runs, runs_that_are_newer_and_others]
    )
    def test_they_are_never_made_again(self, own, clone, arrange):
        arrange(self, own, clone)
        assert planned_work(clone, *with_own(clone)) == NO_WORK

    def test_one_line_says_so_where_they_are_asked_for_by_name(self, clone):
        line = refusal(clone, f"{FOLDER}/bounds.csv", *with_own(clone))
        assert line.startswith(f"ERROR: {FOLDER}/bounds.csv is finished, and what is finished is kept")
        assert line.endswith(f"remove {FOLDER} to make it again")

    @pytest.mark.parametrize(
        ("axis", "values", "group"),
        [
            ("seed", [1, 2], "mine/K4/seed2"),
            ("K", [4, 5], "mine/K5/seed1"),
            ("dataset", ["mine", "other"], "other/K4/seed1"),
        ],
        ids=["seed", "K", "dataset"],
    )
    def test_a_new_seed_K_or_dataset_plans_its_own_cells_only(self, clone, axis, values, group):
        definition = "datasets={other: {source: npz, path: my.npz}}"
        work = planned_work(clone, *with_own(clone, f"grid={{{axis}: {values}}}", definition))
        data = {f"data/{group.partition('/')[0]}.npz"}
        assert work == of_group("normal-tau0.5", "laplace-tau0.5", group=group) | {"data": data}

    def test_a_table_without_a_group_that_is_asked_for_is_not_handed_over(self, clone):
        line = refusal(clone, RESULTS, *with_own(clone, "grid={seed: [1, 2]}"))
        assert line.startswith(f"ERROR: {RESULTS} does not show all groups of the grid (1 not finished)")


class TestGroupsThatGrow:
    @pytest.mark.parametrize("stack", ["[]", "[temperature]", "[perturbation]"])
    @pytest.mark.parametrize(
        ("axis", "cells"),
        [
            ("temperature: [0.5, 1.0]", AT_1),
            ("perturbation: [normal, laplace, gumbel]", ["gumbel-tau0.5"]),
        ],
        ids=["temperature", "law"],
    )
    def test_a_new_value_trains_its_own_cells_only(self, own, axis, cells, stack):
        work = planned_work(own, *with_own(own, f"grid={{{axis}}}", f"training={{stack: {stack}}}"))
        assert work == of_group(*cells)

    @pytest.mark.parametrize("date_of_data", [1e9, 1.1e9], ids=["as old as the runs", "newer"])
    def test_a_new_value_trains_its_own_cells_only_where_snakemake_remembers_nothing(self, own, clone, date_of_data):
        for folder in ("data", "results/own/runs"):
            shutil.copytree(own / folder, clone / folder)
        give_one_date(clone)
        os.utime(clone / "data/mine.npz", (date_of_data, date_of_data))
        assert planned_work(clone, *with_own(clone, "grid={temperature: [0.5, 1.0]}")) == of_group(*AT_1)

    def test_a_new_value_trains_its_own_cells_only_where_the_images_are_made_again(self, own, tmp_path):
        copy_of(own, tmp_path)
        (tmp_path / "data/mine.npz").unlink()
        work = planned_work(tmp_path, *with_own(tmp_path, "grid={temperature: [0.5, 1.0]}"))
        assert work == of_group(*AT_1) | {"data": {"data/mine.npz"}}
        run = "results/own/runs/mine/K4/normal/tau0.5/seed1/summary.json"
        assert "finished is kept" in refusal(tmp_path, run, *with_own(tmp_path))

    @pytest.mark.parametrize("profile", PROFILES)
    def test_a_new_value_trains_its_own_cells_only_whatever_code_and_environment_made_the_others(
        self, own, tmp_path, profile
    ):
        """All files are older than the scripts, and the records name other code and another environment."""
        copy_of(own, tmp_path)
        for record in filter(Path.is_file, (tmp_path / ".snakemake/metadata").rglob("*")):
            others = {"code": "other", "software_stack_hash": "other"}
            record.write_text(json.dumps(json.loads(record.read_text()) | others))
        give_one_date(tmp_path)
        arguments = with_own(tmp_path, "grid={temperature: [0.5, 1.0]}")
        work = planned_work(tmp_path, "--workflow-profile", f"profiles/{profile}", *arguments)
        assert work == of_group(*AT_1)

    def test_without_the_runs_one_line_names_the_folder_to_remove(self, clone):
        line = refusal(clone, RESULTS, *with_own(clone, "grid={temperature: [0.5, 1.0]}"))
        assert line.startswith(f"ERROR: {FOLDER} lacks cells that are asked for")
        assert line.endswith(f"or remove {FOLDER} to train all its cells again")

    def test_a_group_that_is_selected_and_not_yet_evaluated_again_is_not_whole(self, own, tmp_path):
        """As after a kill between the two."""
        copy_of(own, tmp_path)
        arguments = with_own(tmp_path, "grid={perturbation: [normal, laplace, gumbel]}")
        run_snakemake(tmp_path, "--cores", "all", f"{FOLDER}/selection.csv", *arguments)
        assert planned_work(tmp_path, *arguments) == {**NO_WORK, "evaluate": {GROUP}}


def widen(own: Path, directory: Path, *executor: str) -> None:
    """Ask for a new temperature and a new seed, without the temperature that is there."""
    copy_of(own, directory)
    targets = [f"results/own/groups/mine/K4/seed{seed}/bounds.csv" for seed in (1, 2)]
    grid = ("grid={temperature: [1.0], seed: [1, 2]}", "training={stack: [perturbation, seed]}")
    run_snakemake(directory, *targets, *(executor or ("--cores", "all")), *with_own(directory, *grid))


@pytest.fixture(scope="session")
def widened(own, tmp_path_factory) -> Path:
    return made_once(tmp_path_factory, "widened", lambda directory: widen(own, directory))


@pytest.fixture(scope="session")
def widened_on_a_cluster(own, tmp_path_factory) -> Path:
    def make(directory: Path) -> None:
        widen(own, directory, *CLUSTER)
        assert (directory / "job.log").read_text().count("Finished jobid: 0 (Rule: evaluate_models)") == 2

    return made_once(tmp_path_factory, "widened-on-a-cluster", make)


class TestGroupsNeverShrink:
    @pytest.fixture(params=["widened", "widened_on_a_cluster"])
    def groups(self, request) -> Path:
        return request.getfixturevalue(request.param) / "results/own/groups/mine/K4"

    def test_a_grid_without_an_old_temperature_keeps_it(self, groups):
        for name in ("summaries.csv", "histories.csv.gz"):
            tables = {seed: pd.read_csv(groups / f"seed{seed}" / name) for seed in (1, 2)}
            assert {seed: set(table["temperature"]) for seed, table in tables.items()} == {1: {0.5, 1.0}, 2: {1.0}}

    def test_old_cells_are_as_they_were(self, own, groups):
        grown = pd.read_csv(groups / "seed1/summaries.csv").query("temperature == 0.5").reset_index(drop=True)
        pd.testing.assert_frame_equal(grown, pd.read_csv(own / FOLDER / "summaries.csv"))

    def test_the_models_of_the_new_selection_are_evaluated(self, groups):
        for seed in (1, 2):
            selection, bounds = (
                pd.read_csv(groups / f"seed{seed}" / f"{name}.csv") for name in ("selection", "bounds")
            )
            pd.testing.assert_frame_equal(selection[list(AXES)], bounds[list(AXES)])
            losses = read_arrays([groups / f"seed{seed}/image_losses.npz"])
            means = [loss.astype(float).mean(1).tolist() for loss in losses.values()]
            measures = bounds[["paper_loss", "negative_elbo", "importance_weighted_bound"]]
            assert np.array(means) == pytest.approx(measures.to_numpy())


@pytest.fixture(scope="class")
def drawn(own, widened, tmp_path_factory) -> Path:
    """A clone with a group of another seed and one that is not finished, none with pictures, drawn again."""
    directory = tmp_path_factory.mktemp("elsewhere")
    groups = directory / "results/own/groups"
    shutil.copytree(own / "results", directory / "results", ignore=shutil.ignore_patterns("runs", "pictures.npz"))
    for seed in (2, 3):
        added = groups / f"mine/K4/seed{seed}"
        shutil.copytree(widened / "results/own/groups/mine/K4/seed2", added)
        (added / "pictures.npz").unlink()
    unfinished = groups / "mine/K4/seed3"
    pd.read_csv(unfinished / "summaries.csv").assign(seed=3).to_csv(unfinished / "summaries.csv", index=False)
    (unfinished / "bounds.csv").unlink()
    before = files_of(groups)
    run_snakemake(directory, "--cores", "all", RESULTS, CLAIMS, FIGURE, *drawing(directory))
    assert files_of(groups) == before
    return directory


class TestGroupsFromElsewhere:
    def test_they_are_in_the_tables(self, drawn):
        assert pd.read_csv(drawn / "results/own/tables/results.csv")["seeds"].unique().tolist() == [2]
        assert "seeds 1, 2\n" in (drawn / RESULTS).read_text()

    def test_those_not_finished_are_left_out_with_a_note(self, drawn):
        for page in (RESULTS, CLAIMS):
            assert "left out, as they are not finished: mine/K4/seed3\n" in (drawn / page).read_text()

    def test_without_pictures_they_are_drawn_and_nothing_is_evaluated(self, own, drawn):
        assert (drawn / FIGURE).read_bytes() != (own / FIGURE).read_bytes()
        assert not (drawn / "data").exists()
        assert not (drawn / "results/own/runs").exists()

    def test_groups_of_other_images_are_refused(self, clone):
        other = clone / "results/own/groups/mine/K4/seed2"
        shutil.copytree(clone / FOLDER, other)
        summaries = pd.read_csv(other / "summaries.csv")
        summaries.assign(seed=2, data_sha256="abc").to_csv(other / "summaries.csv", index=False)
        line = refusal(clone, RESULTS, *drawing(clone))
        assert "groups of mine have data_sha256" in line
        assert "mine/K4/seed2" in line


@pytest.fixture(scope="class")
def redrawn(own, tmp_path_factory) -> Path:
    """A clone that is drawn again in a user's shell and with a matplotlibrc, none of which may change a bit."""
    directory, shell = tmp_path_factory.mktemp("redrawn"), tmp_path_factory.mktemp("shell")
    shutil.copytree(own / "results", directory / "results", ignore=shutil.ignore_patterns("runs"))
    (directory / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 20\nsavefig.facecolor: red\n")
    (shell / "startup.py").write_text("raise ImportError('this is for a prompt')")
    variables = {"MPLBACKEND": "no-such-backend", "GIT_DIR": "/none", "OMP_NUM_THREADS": "3"}
    variables["OPENBLAS_CORETYPE"] = "Nehalem"  # matrix products as on another processor
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "PYTHONSTARTUP": str(shell / "startup.py")}.items():
            patch.setenv(name, value)
        run_snakemake(directory, "--cores", "all", *drawing(directory), fork=False)
    return directory


class TestDrawingInAClone:
    def test_everything_is_drawn_to_the_same_bits(self, own, redrawn):
        for folder in ("tables", "figures"):
            before, after = own / "results/own" / folder, redrawn / "results/own" / folder
            assert files_of(after) == files_of(before)
            assert len(files_of(after)) > 5
            assert min(path.stat().st_mtime for path in after.rglob("*.*")) > max(
                path.stat().st_mtime for path in before.rglob("*.*")
            )

    def test_nothing_else_is_made(self, own, redrawn):
        assert {path.name for path in redrawn.iterdir()} == {".snakemake", "logs", "matplotlibrc", "results"}
        for folder in ("groups", "config.yaml"):
            assert (redrawn / "results/own" / folder).exists()
        assert files_of(redrawn / "results/own/groups") == files_of(own / "results/own/groups")

    def test_a_group_alone_is_enough(self, own, tmp_path):
        """As where someone copies one into a study of a new name, which has no config.yaml."""
        shutil.copytree(own / "results/own/groups", tmp_path / "results/copied/groups")
        run_snakemake(
            tmp_path, "--cores", "1", "results/copied/tables/results.csv", "--config", "draw_only=true", "study=copied"
        )
        of_both = [
            pd.read_csv(study / "tables/results.csv") for study in (tmp_path / "results/copied", own / "results/own")
        ]
        pd.testing.assert_frame_equal(*of_both)

    def test_the_report_has_everything_and_no_warning(self, redrawn):
        output = run_snakemake(redrawn, "--report", "report.html", *drawing(redrawn)[1:]).stdout
        assert "metadata" not in output.lower()
        assert "warning" not in output.lower()
        report = (redrawn / "report.html").read_text()
        for text in ("Claims", "Convergence", "Temperature", "Tables", "Costs", "What the models learned"):
            assert text in report
        # Under Tables, what was run.
        assert "my.npz" in (redrawn / "results/own/tables/runs.csv").read_text()

    def test_a_narrower_grid_leaves_groups_and_tables_as_they_are(self, clone):
        for file in (clone / FOLDER).iterdir():
            file.touch()
        before = files_of(clone)
        targets = (RESULTS, "results/own/tables/claims.md")
        grid = "grid={perturbation: [normal]}"
        output = run_snakemake(clone, "--cores", "all", *targets, *with_own(clone, grid)).stdout
        assert "Finished jobid: 0" in output
        assert "rule tabulate_results:" in output
        assert "rule judge_claims:" in output
        assert files_of(clone) == before

    def test_one_cell_asked_for_by_name_has_the_same_bits_and_changes_nothing_else(self, own, clone):
        before = files_of(clone)
        cell = "mine/K4/laplace/tau0.5/seed1"
        target = f"results/own/runs/{cell}/summary.json"
        run_snakemake(clone, "--cores", "all", target, *with_own(clone))
        assert "finished is kept" in refusal(clone, target, *with_own(clone))
        run = f"results/own/runs/{cell}"
        assert outputs_less_times(clone, run) == outputs_less_times(own, run)
        after = files_of(clone)
        assert before.items() <= after.items()
        made = {f"results/own/runs/{cell}/{name}" for name in ("history.csv", "summary.json", "model.pt")}
        assert after.keys() - before.keys() == made | {"data/mine.npz"}


def copy_of_published(study: str, directory: Path) -> list[str]:
    """Copy the committed files of a study from the working tree, and list its tables and figures."""
    command = ["git", "ls-files", f"results/{study}"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for file in listed:
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, directory / file)
    return [file for file in listed if file.split("/")[2] in ("tables", "figures")]


@pytest.mark.parametrize("study", PUBLISHED)
def test_published_tables_and_figures_are_what_is_made_of_the_published_groups(study, tmp_path):
    drawn = copy_of_published(study, tmp_path)
    before = files_of(tmp_path)
    for file in drawn:
        (tmp_path / file).unlink()
    run_snakemake(tmp_path, "--cores", "all", *drawn, *drawing(tmp_path, study)[1:])
    after = files_of(tmp_path)
    assert [file for file in drawn if after[file] != before[file]] == []
    assert after.keys() == before.keys()


@pytest.mark.parametrize("happened", ["came", "went"])
def test_all_is_drawn_again_if_a_group_came_or_went_though_no_date_tells(tmp_path, happened):
    """As a group from an archive that is older than the clone, where Snakemake remembers nothing."""
    drawn = copy_of_published("as-the-script", tmp_path)
    table = tmp_path / "results/as-the-script/tables/groups.csv"
    group = tmp_path / "results/as-the-script/groups/mnist/K10/seed777"
    shutil.rmtree(group) if happened == "went" else table.write_text(table.read_text().replace("777", "776"))
    give_one_date(tmp_path)
    jobs = planned_jobs(tmp_path, *drawing(tmp_path, "as-the-script")[1:])
    assert sorted(path for job in jobs for path in job.split(", ")) == drawn


def test_nothing_is_drawn_again_if_all_groups_are_those_that_were_drawn(tmp_path):
    copy_of_published("as-the-script", tmp_path)
    give_one_date(tmp_path)
    assert planned_jobs(tmp_path, *drawing(tmp_path, "as-the-script")[1:]) == []


@pytest.mark.parametrize("change", ["tables are those of before", "costs.csv", "the list is empty"])
def test_all_is_drawn_again_if_the_list_is_wrong_though_snakemake_has_recorded_the_checksums(tmp_path, change):
    drawn = copy_of_published("as-the-script", tmp_path)
    study = tmp_path / "results/as-the-script"
    of_before = files_of(study / "tables")
    group = study / "groups/mnist/K10/seed777"
    if change == "tables are those of before":
        shutil.rmtree(group)
    run_snakemake(tmp_path, "--cores", "all", *drawing(tmp_path, "as-the-script"))
    match change:
        case "tables are those of before":
            for name, content in of_before.items():
                (study / "tables" / name).write_bytes(content)
        case "costs.csv":
            (group / "costs.csv").write_text((group / "costs.csv").read_text().replace(".", ".9"))
        case _:
            (study / "tables/groups.csv").write_bytes(b"")
    jobs = planned_jobs(tmp_path, *drawing(tmp_path, "as-the-script")[1:])
    assert sorted(path for job in jobs for path in job.split(", ")) == drawn
    run_snakemake(tmp_path, "--cores", "all", *drawing(tmp_path, "as-the-script")[1:])
    assert planned_jobs(tmp_path, *drawing(tmp_path, "as-the-script")[1:]) == []


@pytest.mark.parametrize("drawn_from_others", ["figures", "results/own/figures/temperature/mine.pdf"])
def test_all_is_drawn_again_if_a_group_is_as_before_with_its_old_date(own, tmp_path, drawn_from_others):
    """Meanwhile some files were drawn from other losses."""
    shutil.copytree(own, tmp_path, dirs_exist_ok=True)
    before = files_of(tmp_path / "results/own")
    summaries = tmp_path / FOLDER / "summaries.csv"
    shutil.copy2(summaries, tmp_path / "as-it-was.csv")
    table = pd.read_csv(summaries)
    table.assign(validation_loss=table["validation_loss"] + 1).to_csv(summaries, index=False)
    run_snakemake(tmp_path, "--cores", "1", drawn_from_others, *drawing(tmp_path)[1:])
    shutil.copy2(tmp_path / "as-it-was.csv", summaries)
    run_snakemake(tmp_path, "--cores", "1", *drawing(tmp_path)[1:])
    assert files_of(tmp_path / "results/own") == before
    assert planned_jobs(tmp_path, *drawing(tmp_path)[1:]) == []


@pytest.fixture(scope="class")
def patient(own, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("patient")
    make_own(directory)
    shutil.copytree(own / "results", directory / "results", ignore=shutil.ignore_patterns("runs"))
    tables = [f"results/patient/tables/{name}.md" for name in ("results", "claims")]
    config = (
        "study=patient",
        "grid={perturbation: [gumbel, normal]}",
        "training={epochs: 300, patience: 2, learning_rate: 0.03, kl: codes, stack: [perturbation]}",
    )
    run_snakemake(directory, "--cores", "all", *tables, *with_own(directory, *config))
    return directory


class TestPatience:
    """A small study of another name, made in a clone."""

    def test_it_leaves_the_files_of_other_studies_as_they_are(self, own, patient):
        folders = [path.name for path in (patient / "results").iterdir()]
        assert sorted(folders) == ["own", "patient"]
        before = files_of(own / "results/own").items()
        assert files_of(patient / "results/own") == {
            name: bits for name, bits in before if not name.startswith("runs/")
        }

    def test_runs_stop_when_their_loss_has_not_fallen(self, patient):
        summaries = pd.read_csv(patient / "results/patient/groups" / GROUP / "summaries.csv")
        assert summaries["stopped_early"].all()
        assert (summaries["epochs_run"] == summaries["best_epoch"] + 2).all()
        assert (summaries["epochs_run"] < 300).all()
        histories = pd.read_csv(patient / "results/patient/groups" / GROUP / "histories.csv.gz")
        assert (
            histories.groupby("perturbation").size().to_dict()
            == summaries.set_index("perturbation")["epochs_run"].to_dict()
        )

    def test_tables_say_so(self, patient):
        tables = patient / "results/patient/tables"
        assert "training.patience 2 (paper: none)" in (tables / "results.md").read_text()
        claims = (tables / "claims.md").read_text()
        assert (
            "convergence (claim 2) is not judged on mine at K = 4: a run stopped early, as training.patience says"
            in claims
        )
        assert not pd.read_csv(tables / "claims.csv")["measure"].str.startswith("training loss").any()


class TestRunsThatAreUnlikeOthers:
    def test_a_law_without_bounds_leaves_those_of_the_others(self, own, tmp_path):
        copy_of(own, tmp_path)
        grid = "grid={perturbation: [normal, laplace, t5]}"
        targets = (RESULTS, "results/own/tables/claims.csv")
        run_snakemake(tmp_path, "--cores", "all", *targets, *with_own(tmp_path, grid, T5))
        tables = tmp_path / "results/own/tables"
        results = pd.read_csv(tables / "results.csv").groupby("measure")["mean"].count()
        by_elbo = "negative ELBO, selected by it"
        assert results.to_dict() == {"paper loss": 3, "negative ELBO": 2, "IWAE bound": 2, by_elbo: 2}
        assert (
            "- not evaluated, or on fewer seeds: quadrature does not serve the law"
            in (tables / "results.md").read_text()
        )
        claims = pd.read_csv(tables / "claims.csv").query("other == 't5'").set_index("measure")
        assert claims["n"].to_dict() == {"paper loss": 1, "negative ELBO": 0, "IWAE bound": 0}
        assert claims["verdict"].unique().tolist() == ["open"]

    def test_a_law_that_diverges_in_every_run_leaves_its_place_empty(self, own, tmp_path):
        make_own(tmp_path)
        targets = (RESULTS, FIGURE)
        config = "training={learning_rate: 1e38, stack: [perturbation]}"
        run_snakemake(tmp_path, "--cores", "all", *targets, *with_own(tmp_path, config))
        assert (tmp_path / RESULTS).read_text().count("diverged‡") == 8
        assert (tmp_path / FIGURE).exists()


def test_a_training_job_that_is_ended_continues_to_the_same_bits(own, tmp_path):
    make_own(tmp_path)
    shutil.copytree(own / "data", tmp_path / "data", copy_function=shutil.copyfile)
    cell = "mine/K4/normal/tau0.5/seed3"
    target = f"results/own/runs/{cell}/summary.json"
    arguments = (target, "--cores", "1", *with_own(tmp_path, "training={epochs: 500}", "grid={seed: [3]}"))
    run_snakemake(tmp_path, *arguments)
    expected = outputs_less_times(tmp_path, f"results/own/runs/{cell}")
    shutil.rmtree(tmp_path / "results")

    log = tmp_path / "logs/own/train_cells/mine-K4-normal-tau0.5-seed3.log"
    log.unlink()

    def end() -> None:
        wait_for_an_epoch(log)
        running_scripts(tmp_path)["train_cells"].send_signal(signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    completed = run_snakemake(tmp_path, *arguments, check=False)
    ending.join()
    assert completed.returncode != 0
    assert "ending on SIGTERM" in log.read_text()
    assert not (tmp_path / target).exists()
    assert (tmp_path / "checkpoints/own/mine-K4-normal-tau0.5-seed3.pt").exists()

    run_snakemake(tmp_path, *arguments)
    assert "continuing from" in log.read_text()
    assert outputs_less_times(tmp_path, f"results/own/runs/{cell}") == expected
    assert list((tmp_path / "checkpoints").rglob("*.pt*")) == []


def close_terminal(process: subprocess.Popen) -> None:
    """End as the system does: it sends the signal to the leader of the group alone where there is no shell."""
    process.send_signal(signal.SIGHUP)


def press_ctrl_c(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)


@pytest.fixture
def heeding_ctrl_c():
    """Let the processes that are started heed Ctrl-C, also where these tests run in the background of a shell."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize("end", [close_terminal, press_ctrl_c])
@pytest.mark.usefixtures("heeding_ctrl_c")
def test_a_run_that_is_ended_saves_a_resume_point_and_says_how_to_continue(own, tmp_path, end):
    make_own(tmp_path)
    shutil.copytree(own / "data", tmp_path / "data", copy_function=shutil.copyfile)
    cell = "mine-K4-normal-tau0.5-seed1"
    target = f"results/own/runs/{cell.replace('-', '/')}/summary.json"
    config = with_own(tmp_path, "training={epochs: 100000}")
    process = start_snakemake(tmp_path, target, "--cores", "1", *config, start_new_session=True)
    wait_for_an_epoch(tmp_path / f"logs/own/train_cells/{cell}.log")
    end(process)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "stopped; the same command continues" in output.splitlines()
    assert (tmp_path / f"checkpoints/own/{cell}.pt").exists()
    assert not list((tmp_path / ".snakemake").glob("locks/*"))
