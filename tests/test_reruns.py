"""One's own dataset and noise law, published results in a clone, and runs that are interrupted and continued."""

import io
import json
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
import yaml
from conftest import ROOT, assert_same_result, bounds_of_the_selection, make_own, planned_jobs, result_of, run_snakemake
from discrete_vae.cells import cell_files
from discrete_vae.datasets import BinarizedDataset
from discrete_vae.model import load_model

PUBLISHED = ("--configfile", "configs/published.yaml")

TWO_DATASETS_CONFIG = """
grid:
  {dataset: [mine, other], K: [3, 4], perturbation: [normal], temperature: [0.5, 1.0], seed: [1],
   only: {other: {K: [4], temperature: [0.5]}}}
datasets: {mine: {source: npz, path: my.npz}, other: {source: npz, path: my.npz}}
model: {variables: 3, hidden: 16}
training: {epochs: {mine: 2, other: 3}}
evaluation: {importance_samples: 20}
"""


def published_results(directory: Path) -> Path:
    """Copy the committed results/, whatever else was run in this checkout, and return its place."""
    archive = subprocess.run(["git", "archive", "HEAD", "results"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("not in a git checkout")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory / "results"


def wait_for_an_epoch(log: Path) -> None:
    """Wait until the training process has written its first epoch to its log."""
    deadline = time.monotonic() + 120
    while not (log.exists() and "epoch" in log.read_text()):
        assert time.monotonic() < deadline, f"no epoch in {log}"
        time.sleep(0.05)


def end_training_once_it_reports(log: Path) -> None:
    """Send SIGTERM to the training process when it has written its first epoch to its log."""
    wait_for_an_epoch(log)
    for process in psutil.Process().children(recursive=True):
        if any(word.endswith("train.py") for word in process.cmdline()[1:]) and not process.children():
            process.send_signal(signal.SIGTERM)


class TestPublishedResults:
    def test_the_published_tables_are_what_is_made_of_the_published_runs(self, tmp_path):
        published = published_results(tmp_path / "published")
        shutil.copytree(published / "gathered", tmp_path / "results" / "gathered")
        run_snakemake(tmp_path, "--cores", "all", "tables", "results/tables/control.md", *PUBLISHED)
        assert not (tmp_path / "results" / "runs").exists()
        made = {file.name: file.read_text() for file in (tmp_path / "results" / "tables").iterdir()}
        assert made == {name: (published / "tables" / name).read_text() for name in made}
        assert {"results.md", "claims.md", "control.md", "ledger.md"} < made.keys()

    def test_the_published_bounds_are_of_the_published_selection(self, tmp_path):
        assert len(bounds_of_the_selection(published_results(tmp_path))) > 0


class TestOwnDatasetAndLaw:
    def test_they_give_results_by_one_line_of_configuration_each(self, own):
        directory, _ = own
        table = pd.read_csv(directory / "results" / "tables" / "results.csv")
        assert table["perturbation"].unique().tolist() == ["normal", "laplace"]
        assert (directory / "results/figures/images/mine-K4.png").exists()

    def test_a_law_without_bounds_leaves_those_of_the_others(self, own, tmp_path):
        directory, arguments = own
        shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
        t5 = "perturbations={t5: {distribution: StudentT, df: 5, loc: 0, scale: 1}}"
        run_snakemake(
            *(tmp_path, "figures", "tables", "control", "--cores", "all", *arguments),
            *("--config", t5, "grid={perturbation: [normal, laplace, t5]}", "control={images: 4, samples: 10}"),
        )
        tables = tmp_path / "results/tables"
        results = pd.read_csv(tables / "results.csv").groupby("measure")["mean"].count()
        assert results.to_dict() == {"paper loss": 3, "negative ELBO": 2, "IWAE bound": 2}
        assert "none: no bound is computed for t5" in (tables / "results.md").read_text()
        verdicts = pd.read_csv(tables / "claims.csv").query("other == 't5'").set_index("measure")["verdict"]
        assert verdicts["negative ELBO"] == "inconclusive (nothing to compare)"
        assert verdicts["paper loss"] == "inconclusive (one seed)"

    def test_a_law_of_one_K_only_is_compared_there(self, own, tmp_path):
        directory, arguments = own
        shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
        overlay = (
            *("--config", "perturbations={wide: {distribution: Normal, loc: 0, scale: 2}}"),
            "control={enabled: true, images: 4, samples: 10}",
            "grid={K: [4, 5], perturbation: [normal, laplace, wide],"
            " only: {mine: [{perturbation: [normal, laplace]}, {K: [4]}]}}",
        )
        run_snakemake(tmp_path, "--cores", "all", *arguments, *overlay)
        tables = tmp_path / "results/tables"
        laws = pd.read_csv(tables / "selection.csv").groupby("K")["perturbation"].agg(list).to_dict()
        assert laws == {4: ["normal", "laplace", "wide"], 5: ["normal", "laplace"]}
        claims = pd.read_csv(tables / "claims.csv").groupby("K")["other"].unique().map(list).to_dict()
        assert claims == {4: ["laplace", "wide"], 5: ["laplace"]}
        control = pd.read_csv(tables / "control.csv")
        assert set(control[["K", "differ_in", "perturbation", "other"]].itertuples(index=False, name=None)) == {
            (4, "scale", "wide", "normal")
        }
        assert control["measure"].tolist() == ["paper loss", "negative ELBO", "IWAE bound", "training loss: final"]
        assert control["difference"].notna().all()
        assert (tmp_path / "results/figures/control/mine.png").exists()
        assert (tmp_path / "results/figures/images/mine-K5.png").exists()
        run_snakemake(tmp_path, "--report", "report.html", *arguments, *overlay)
        report = (tmp_path / "report.html").read_text().replace(r"\n", " ")
        assert "On mine only perturbation normal, laplace, and K 4." in report
        assert "training losses after the last epoch at temperature 1.0" in report

    def test_the_model_file_is_a_plain_state_dict(self, own):
        directory, _ = own
        path = str(directory / "results/runs/mine/K4/laplace/tau0.5/seed1/model.pt")
        assert set(torch.load(path, weights_only=True)) == set(load_model(path, variables=3).state_dict())

    def test_the_summary_says_what_was_run_and_on_what(self, own):
        directory, _ = own
        _, history, summary = result_of(directory, "mine/K4/laplace/tau0.5/seed1")
        data = BinarizedDataset.load(directory / "data" / "mine.npz")
        assert summary["data_sha256"] == data.manifest["sha256"]
        assert summary["law"] == {"distribution": "Laplace", "loc": 0, "scale": 1}
        assert summary["best_epoch"] == 1 + history["validation_loss"].idxmin()
        assert summary["evaluation"] == {"validation_samples": 10, "test_samples": 100}
        assert summary["training"]["matmul_precision"] == "highest"
        assert (summary["device"], summary["threads"], summary["torch"]) == ("cpu", 1, torch.__version__)
        assert summary["test_loss"] == pytest.approx(summary["test_reconstruction"] + summary["test_kl"])

    def test_a_new_temperature_trains_its_own_cells_only(self, own):
        directory, arguments = own
        jobs = planned_jobs(directory, *arguments, "--config", "grid={temperature: [0.5, 1.0]}")
        trained = [job.split(",")[0] for job in jobs if job.startswith("results/runs/")]
        grid = {"dataset": ["mine"], "K": [4], "perturbation": ["normal", "laplace"], "temperature": [1.0], "seed": [1]}
        assert sorted(trained) == sorted(cell_files(grid, "history.csv"))

    def test_a_dataset_may_be_run_with_fewer_values_and_epochs(self, tmp_path):
        make_own(tmp_path)
        (tmp_path / "two.yaml").write_text(TWO_DATASETS_CONFIG)
        arguments = ("--configfile", str(tmp_path / "two.yaml"))
        planned = " ".join(planned_jobs(tmp_path, "figures", *arguments))
        images = re.findall(r"results/figures/images/([\w-]+).png", planned)
        assert sorted(images) == ["mine-K3", "mine-K4", "other-K4"]
        run_snakemake(tmp_path, "--cores", "all", "results/tables/results.md", *arguments)
        assert len(list((tmp_path / "results" / "runs").glob("*/K*/*/tau*/seed*/summary.json"))) == 5
        table = pd.read_csv(tmp_path / "results/tables/results.csv")
        assert table.groupby("dataset")["K"].unique().map(list).to_dict() == {"mine": [3, 4], "other": [4]}
        notes = (tmp_path / "results/tables/results.md").read_text()
        assert "- mine: my.npz; 2 epochs; temperatures 0.5, 1.0; seed 1\n" in notes
        assert "- other: my.npz; 3 epochs; temperature 0.5; seed 1\n" in notes

    def test_runs_that_an_interrupted_command_trained_anew_are_taken_up_everywhere(self, own, tmp_path):
        directory, _ = own
        shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
        for file in (tmp_path / "results" / "runs").glob("**/seed*/*"):
            file.write_bytes(file.read_bytes() + b" ")
        planned = " ".join(planned_jobs(tmp_path, "--configfile", str(tmp_path / "own.yaml")))
        for made in ("summaries.csv", "bounds-K4-normal-seed1.csv", "images-K4-laplace.npz", "costs.csv"):
            assert f"results/gathered/mine/{made}" in planned
        assert "results/runs" not in planned


class TestPublishedRuns:
    @pytest.mark.parametrize(
        ("axis", "values", "jobs"),
        [
            ("seed", [1, 2], {"train": 2, "bound": 2, "draw_images": 0}),
            ("perturbation", ["normal", "laplace", "gumbel"], {"train": 1, "bound": 1, "draw_images": 1}),
            ("temperature", [0.5, 1.0], {"train": 2, "bound": 2, "draw_images": 2}),  # 1.0 is selected
            ("temperature", [0.5, 0.1], {"train": 2, "bound": 0, "draw_images": 0}),  # 0.5 still is
        ],
    )
    def test_published_runs_are_unpacked_and_only_new_ones_are_trained(self, own, tmp_path, axis, values, jobs):
        directory, _ = own
        arguments = (*make_own(tmp_path), "--config", f"grid={{{axis}: {values}}}")
        published = shutil.ignore_patterns("runs", "benchmarks")
        shutil.copytree(directory / "results", tmp_path / "results", ignore=published)
        run_snakemake(tmp_path, "--cores", "all", "unpack", *arguments)
        output = run_snakemake(tmp_path, "--cores", "all", *arguments).stdout
        assert {rule: len(re.findall(f"^localrule {rule}:", output, re.MULTILINE)) for rule in jobs} == jobs
        for name in ("summaries.csv", "histories.csv.gz"):
            before, after = (pd.read_csv(top / "results/gathered/mine" / name) for top in (directory, tmp_path))
            published_values = after[axis].isin(before[axis])
            pd.testing.assert_frame_equal(after[published_values].reset_index(drop=True), before)
            assert after[axis].unique().tolist() == values
        costs, published_costs = (pd.read_csv(top / "results/gathered/mine/costs.csv") for top in (tmp_path, directory))
        assert set(published_costs["job"]) < set(costs["job"])
        assert yaml.safe_load((tmp_path / "results/config.yaml").read_text())["grid"][axis] == values

    def test_where_nothing_is_published_there_is_nothing_to_unpack(self, tmp_path):
        failed = run_snakemake(tmp_path, "--cores", "1", "unpack", *make_own(tmp_path), check=False)
        assert failed.returncode != 0
        assert "results/gathered holds no published runs, expected some to unpack" in failed.stdout

    def test_published_runs_of_other_options_are_not_unpacked(self, own, tmp_path):
        directory, _ = own
        shutil.copytree(directory / "results" / "gathered", tmp_path / "results" / "gathered")
        arguments = (*make_own(tmp_path), "--config", "training={learning_rate: 0.01}")
        failed = run_snakemake(tmp_path, "--cores", "all", "unpack", *arguments, check=False)
        expected = "mine-K4-normal-tau0.5-seed1 has training.learning_rate 0.001, expected 0.01 as configured; unpack"
        assert expected in failed.stdout
        assert not (tmp_path / "results" / "runs").exists()

    def test_results_of_another_configuration_are_not_taken_for_this_one(self, own, tmp_path):
        """As in a clone, where Snakemake has no record of what the published results were made with."""
        directory, _ = own
        shutil.copytree(directory / "results" / "gathered", tmp_path / "results" / "gathered")
        figure = "results/figures/temperature/mine.png"
        arguments = (figure, "--cores", "all", *make_own(tmp_path))
        for file in (tmp_path / "results/gathered/mine").iterdir():
            file.touch()
        for overlay, difference in (
            ("training={epochs: 4}", "a run mine-K4-normal-tau0.5-seed1 with training.epochs 3, expected 4"),
            ("grid={seed: [1, 2]}", "no run mine-K4-laplace-tau0.5-seed2, expected the 4 runs"),
        ):
            failed = run_snakemake(tmp_path, *arguments, "--config", overlay, check=False)
            assert failed.returncode != 0
            assert f"results/gathered/mine/summaries.csv has {difference}" in failed.stdout
            assert not (tmp_path / figure).exists()
        run_snakemake(tmp_path, *arguments)
        assert (tmp_path / figure).exists()


class TestTraining:
    def test_what_another_job_wrote_meanwhile_from_the_same_training_is_kept(self, own, tmp_path):
        """As a job may that ran on when its Snakemake was killed."""
        directory, _ = own
        cell = "mine/K4/normal/tau0.5/seed1"
        summary = json.loads((directory / "results/runs" / cell / "summary.json").read_text())
        summary["training"]["epochs"] = 2000
        target = tmp_path / "results/runs" / cell / "summary.json"

        def write_as_another_job() -> None:
            wait_for_an_epoch(tmp_path / "logs/train/mine-K4-normal-tau0.5-seed1.log")
            for name in ("history.csv", "model.pt"):
                shutil.copy(directory / "results/runs" / cell / name, target.parent)
            target.write_text(json.dumps(summary))

        other = threading.Thread(target=write_as_another_job)
        other.start()
        arguments = (str(target.relative_to(tmp_path)), "--cores", "1", *make_own(tmp_path))
        run_snakemake(tmp_path, *arguments, "--config", "training={epochs: 2000}")
        other.join()
        assert len(result_of(tmp_path, cell)[1]) == 3

    def test_a_law_that_diverges_in_every_run_leaves_its_place_empty(self, tmp_path):
        arguments = ("figures", "tables", "--cores", "all", *make_own(tmp_path))
        run_snakemake(tmp_path, *arguments, "--config", "training={learning_rate: 1e38}")
        table = (tmp_path / "results/tables/results.md").read_text()
        assert table.count("diverged‡") == 6
        assert (tmp_path / "results/figures/images/mine-K4.png").exists()

    def test_a_cell_is_the_same_bits_whatever_else_is_run(self, own, tmp_path):
        directory, _ = own
        arguments = make_own(tmp_path)
        cell = "mine/K4/laplace/tau0.5/seed1"
        run_snakemake(tmp_path, "--cores", "1", f"results/runs/{cell}/summary.json", *arguments)
        assert not (tmp_path / "results/runs/mine/K4/normal").exists()
        assert_same_result(tmp_path, cell, result_of(directory, cell))

    def test_more_epochs_go_on_from_a_finished_run(self, tmp_path):
        cell = "mine/K4/normal/tau0.5/seed1"
        arguments = [f"results/runs/{cell}/summary.json", "--cores", "1", *make_own(tmp_path)]
        histories = []
        for epochs in (3, 5):
            run_snakemake(tmp_path, *arguments, "--config", f"training={{epochs: {epochs}, extendable: true}}")
            histories.append(result_of(tmp_path, cell)[1])
        log = (tmp_path / "logs/train/mine-K4-normal-tau0.5-seed1.log").read_text()
        assert log.count("continuing from") == 1
        assert len(histories[1]) == 5
        pd.testing.assert_frame_equal(histories[1].head(3), histories[0])

    def test_a_training_job_that_is_ended_continues_to_the_same_bits(self, tmp_path):
        arguments = ["--cores", "1", *make_own(tmp_path), "--config", "training={epochs: 2000}", "grid={seed: [3]}"]
        cell = "mine/K4/normal/tau0.5/seed3"
        target = f"results/runs/{cell}/summary.json"
        run_snakemake(tmp_path, target, *arguments)
        expected = result_of(tmp_path, cell)
        shutil.rmtree(tmp_path / "results" / "runs")

        log = tmp_path / "logs" / "train" / "mine-K4-normal-tau0.5-seed3.log"
        log.unlink()
        ending = threading.Thread(target=end_training_once_it_reports, args=(log,))
        ending.start()
        completed = run_snakemake(tmp_path, target, *arguments, check=False)
        ending.join()
        assert completed.returncode != 0
        assert "ending on SIGTERM" in log.read_text()
        assert not (tmp_path / target).exists()

        run_snakemake(tmp_path, target, *arguments)
        assert "continuing from" in log.read_text()
        assert_same_result(tmp_path, cell, expected)
        assert list(log.parent.glob("*.checkpoint.pt*")) == []

    def test_a_cell_outside_the_grid_is_a_target(self, own):
        directory, arguments = own
        target = "results/runs/mine/K7/normal/tau0.25/seed9/summary.json"
        assert any("K7" in job for job in planned_jobs(directory, target, *arguments))
