"""Snakemake run for real: the quick start, one's own dataset and noise law, what a change reruns, and its manners."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.io
import torch
import yaml
from conftest import ROOT, planned_jobs, run_snakemake
from discrete_vae.cells import Cell, cell_file, cell_files
from discrete_vae.datasets import SPLITS, BinarizedDataset
from discrete_vae.images import load_model

QUICKSTART = ("--configfile", "configs/quickstart.yaml")
PUBLISHED = ("--configfile", "configs/published.yaml")

OWN_CONFIG = """
grid: {dataset: [mine], K: [4], perturbation: [normal, laplace], temperature: [0.5], seed: [1]}
datasets: {mine: {source: npz, path: my.npz}}
perturbations: {laplace: {distribution: Laplace, loc: 0, scale: 1}}
model: {variables: 3, hidden: 16}
training: {epochs: 3, batch_size: 20, device: cpu}
"""

TWO_DATASETS_CONFIG = """
grid:
  {dataset: [mine, other], K: [3, 4], perturbation: [normal], temperature: [0.5, 1.0], seed: [1],
   only: {other: {K: [4], temperature: [0.5]}}}
datasets: {mine: {source: npz, path: my.npz}, other: {source: npz, path: my.npz}}
model: {variables: 3, hidden: 16}
training: {epochs: {mine: 2, other: 3}}
evaluation: {importance_samples: 20}
"""


def make_own(directory: Path) -> tuple[str, str]:
    """Write a dataset and a configuration of one's own; return the arguments that use it."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (4, 6, 5))
    images = {split: prototypes[rng.integers(0, 4, 50)].astype(np.uint8) for split in SPLITS}
    np.savez(directory / "my.npz", **images)
    (directory / "own.yaml").write_text(OWN_CONFIG)
    return "--configfile", str(directory / "own.yaml")


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """The working directory of a finished run on one's own dataset and noise law, and its arguments."""
    directory = tmp_path_factory.mktemp("own")
    arguments = make_own(directory)
    run_snakemake(directory, "--cores", "all", *arguments)
    return directory, arguments


def published_results(directory: Path) -> Path:
    """Copy the committed results/, whatever else was run in this checkout, and return its place."""
    archive = subprocess.run(["git", "archive", "HEAD", "results"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("not in a git checkout")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory / "results"


def result_of(directory: Path, cell: str) -> tuple[bytes, pd.DataFrame, dict]:
    """Read what must be the same bits in every run of a cell: weights, history and summary less its times."""
    folder = directory / "results" / "runs" / cell
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    summary = json.loads((folder / "summary.json").read_text())
    for key in ("training_seconds", "wall_seconds", "cells_in_job", "git_revision"):
        del summary[key]
    return (folder / "model.pt").read_bytes(), history, summary


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


class TestQuickstart:
    def test_it_makes_every_figure_and_table(self, quickstart):
        figures = quickstart / "results" / "figures"
        for suffix in ("pdf", "png"):
            for name in ("convergence/digits", "temperature/digits", *(f"images/digits-K{K}" for K in (5, 10, 20))):
                assert (figures / f"{name}.{suffix}").stat().st_size > 5_000
        table = pd.read_csv(quickstart / "results" / "tables" / "results.csv")
        assert len(table) == 27
        assert (table["seeds"] == 2).all()
        assert table["mean"].between(10, 35).all()
        means = table.set_index(["K", "perturbation", "measure"])["mean"].unstack()
        assert (means["IWAE bound"] < means["negative ELBO"]).all()
        gumbel = means.xs("gumbel", level="perturbation")
        assert gumbel["paper loss"].tolist() == pytest.approx(gumbel["negative ELBO"].tolist(), rel=0.005)
        assert "digits" in (quickstart / "results" / "tables" / "results.md").read_text()
        assert "\\toprule" in (quickstart / "results" / "tables" / "results.tex").read_text()
        assert pd.read_csv(quickstart / "results" / "tables" / "diverged.csv").empty
        claims = pd.read_csv(quickstart / "results" / "tables" / "claims.csv")
        assert len(claims) == 3 * 3 * 2 + 3 * 6
        assert claims["n"].unique().tolist() == [2]

    def test_training_lowers_the_loss_of_every_cell(self, quickstart):
        histories = pd.read_csv(quickstart / "results" / "gathered" / "digits" / "histories.csv.gz")
        assert len(histories) == 72 * 100
        for _, history in histories.groupby(["K", "perturbation", "temperature", "seed"]):
            assert history["training_loss"].iloc[-1] < 0.9 * history["training_loss"].iloc[0]
            assert history["validation_loss"].min() < history["validation_loss"].iloc[0]

    def test_the_selection_is_the_lowest_validation_loss_of_the_summaries(self, quickstart):
        selection = pd.read_csv(quickstart / "results" / "tables" / "selection.csv")
        assert len(selection) == 18
        for row in selection.to_dict("records"):
            cells = {t: Cell.of(row | {"temperature": t}) for t in (0.1, 0.4, 0.67, 1.0)}
            summaries = {t: quickstart / cell_file(cell, "summary.json") for t, cell in cells.items()}
            losses = {t: json.loads(path.read_text())["validation_loss"] for t, path in summaries.items()}
            assert row["temperature"] == min(losses, key=losses.get)
            assert row["validation_loss"] == min(losses.values())

    def test_the_bounds_are_of_the_selected_models_on_the_test_set(self, quickstart):
        """The KL of the softmax has no noise in it, and comes from training and from the bounds by different code."""
        gathered = quickstart / "results" / "gathered" / "digits"
        bounds = pd.concat([pd.read_csv(path) for path in gathered.glob("bounds-*.csv")])
        selection = pd.read_csv(quickstart / "results" / "tables" / "selection.csv")
        both = bounds.merge(selection, on=["dataset", "K", "perturbation", "temperature", "seed"])
        assert len(both) == len(bounds) == len(selection) == 18
        assert both["kl_of_softmax"].tolist() == pytest.approx(both["test_kl"].tolist(), rel=1e-5)
        assert bounds["samples"].unique().tolist() == [200]

    def test_every_job_has_a_log_and_a_benchmark(self, quickstart):
        logs, benchmarks = quickstart / "logs", quickstart / "results" / "benchmarks"
        logged = {path.relative_to(logs).with_suffix("") for path in logs.rglob("*.log")}
        assert logged == {path.relative_to(benchmarks).with_suffix("") for path in benchmarks.rglob("*.tsv")}
        assert len([path for path in logged if path.parent.name == "train"]) == 6

    def test_every_training_job_says_how_many_cells_are_finished(self, quickstart):
        counts = [
            line.split("cells finished: ")[1] for line in (quickstart / "logs/progress.txt").read_text().splitlines()
        ]
        assert len(counts) == 6
        assert counts[-1] == "72 of 72"

    def test_the_ledger_counts_every_training_and_bound(self, quickstart):
        ledger = pd.read_csv(quickstart / "results" / "tables" / "ledger.csv")
        assert ledger.groupby("rule")["jobs"].sum().to_dict() == {"binarize": 1, "bound": 6, "train": 6}
        benchmarks = [*(quickstart / "results" / "benchmarks" / "train").glob("*.tsv")]
        seconds = sum(pd.read_csv(path, sep="\t")["s"].sum() for path in benchmarks)
        assert ledger.loc[ledger["rule"] == "train", "cpu_hours"].sum() == pytest.approx(seconds / 3600, rel=0.01)

    def test_the_effective_configuration_is_saved(self, quickstart):
        saved = (quickstart / "results" / "config.yaml").read_text()
        for value in ("digits", "epochs: 100", "distribution: Logistic", "importance_samples: 200"):
            assert value in saved

    def test_nothing_is_left_to_do(self, quickstart):
        assert planned_jobs(quickstart, *QUICKSTART) == []

    def test_a_changed_plot_setting_retrains_nothing(self, quickstart):
        changed = ("--config", "figures={convergence_temperature: 0.4}")
        assert sorted(planned_jobs(quickstart, *QUICKSTART, *changed)) == [
            "results/config.yaml",
            "results/figures/convergence/digits.pdf, results/figures/convergence/digits.png",
            "results/tables/claims.csv, results/tables/verdicts.csv, results/tables/claims.md",
        ]

    def test_results_are_redrawn_without_the_runs_and_the_data(self, quickstart, tmp_path):
        shutil.copytree(quickstart / "results" / "gathered", tmp_path / "results" / "gathered")
        for file in (tmp_path / "results").rglob("*.*"):
            os.utime(file, (0, 0))  # a clone gives files any date, also one before that of the scripts
        run_snakemake(tmp_path, "--cores", "all", "figures", "tables", *QUICKSTART)
        assert not (tmp_path / "results" / "runs").exists()
        assert not (tmp_path / "data").exists()
        drawn = [*(quickstart / "results" / "figures").rglob("*.*"), *(quickstart / "results" / "tables").rglob("*.*")]
        for original in drawn:
            redrawn = tmp_path / original.relative_to(quickstart)
            assert redrawn.read_bytes() == original.read_bytes(), redrawn

    def test_the_report_opens_on_its_categories(self, quickstart):
        run_snakemake(quickstart, *QUICKSTART, "--report", "report.html")
        report = (quickstart / "report.html").read_text()
        for text in ("Claims", "Convergence", "Temperature", "Tables", "Ledger", "mean and range over", "scikit-learn"):
            assert text in report


class TestPublishedResults:
    def test_the_published_tables_are_what_is_made_of_the_published_runs(self, tmp_path):
        published = published_results(tmp_path / "published")
        shutil.copytree(published / "gathered", tmp_path / "results" / "gathered")
        run_snakemake(tmp_path, "--cores", "all", "tables", *PUBLISHED)
        assert not (tmp_path / "results" / "runs").exists()
        made = {file.name: file.read_text() for file in (tmp_path / "results" / "tables").iterdir()}
        assert made == {name: (published / "tables" / name).read_text() for name in made}
        assert {"results.md", "claims.md", "ledger.md"} < made.keys()


class TestOwnDatasetAndLaw:
    def test_they_give_results_by_one_line_of_configuration_each(self, own):
        directory, _ = own
        table = pd.read_csv(directory / "results" / "tables" / "results.csv")
        assert table["perturbation"].unique().tolist() == ["normal", "laplace"]
        assert (directory / "results/figures/images/mine-K4.png").exists()

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
        assert "- mine: my.npz; 2 epochs; temperatures 0.5, 1.0\n" in notes
        assert "- other: my.npz; 3 epochs; temperature 0.5\n" in notes

    def test_runs_that_an_interrupted_command_trained_anew_are_taken_up_everywhere(self, own, tmp_path):
        directory, _ = own
        shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
        for file in (tmp_path / "results" / "runs").glob("**/seed*/*"):
            file.write_bytes(file.read_bytes() + b" ")
        planned = " ".join(planned_jobs(tmp_path, "--configfile", str(tmp_path / "own.yaml")))
        for made in ("summaries.csv", "bounds-K4-seed1.csv", "images-K4.npz", "costs.csv"):
            assert f"results/gathered/mine/{made}" in planned
        assert "results/runs" not in planned

    def test_published_runs_are_unpacked_and_only_new_seeds_are_trained(self, own, tmp_path):
        directory, _ = own
        arguments = (*make_own(tmp_path), "--config", "grid={seed: [1, 2]}")
        published = shutil.ignore_patterns("runs", "benchmarks")
        shutil.copytree(directory / "results", tmp_path / "results", ignore=published)
        run_snakemake(tmp_path, "--cores", "all", "unpack", *arguments)
        output = run_snakemake(tmp_path, "--cores", "all", *arguments).stdout
        assert len(re.findall("^localrule train:", output, re.MULTILINE)) == 2
        assert len(re.findall("^localrule bound:", output, re.MULTILINE)) == 1
        for name in ("summaries.csv", "histories.csv.gz"):
            before, after = (pd.read_csv(top / "results/gathered/mine" / name) for top in (directory, tmp_path))
            pd.testing.assert_frame_equal(after[after["seed"] == 1].reset_index(drop=True), before)
        results = pd.read_csv(tmp_path / "results/tables/results.csv")
        assert results["seeds"].unique().tolist() == [2]
        assert yaml.safe_load((tmp_path / "results/config.yaml").read_text())["grid"]["seed"] == [1, 2]

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
        weights, history, summary = result_of(tmp_path, cell)
        expected_weights, expected_history, expected_summary = result_of(directory, cell)
        assert weights == expected_weights
        pd.testing.assert_frame_equal(history, expected_history)
        assert summary == expected_summary

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
        expected_weights, expected_history, expected_summary = result_of(tmp_path, cell)
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
        weights, history, summary = result_of(tmp_path, cell)
        assert weights == expected_weights
        pd.testing.assert_frame_equal(history, expected_history)
        assert summary == expected_summary
        assert list(log.parent.glob("*.checkpoint.pt*")) == []

    def test_a_cell_outside_the_grid_is_a_target(self, own):
        directory, arguments = own
        target = "results/runs/mine/K7/normal/tau0.25/seed9/summary.json"
        assert any("K7" in job for job in planned_jobs(directory, target, *arguments))


class TestFitting:
    def test_it_is_on_with_one_line(self, tmp_path):
        enabled = [job for job in planned_jobs(tmp_path, "--config", "fitting={enabled: true}") if "fitting" in job]
        assert len(enabled) == 4 * 3 + 4 + 1

    def test_a_table_of_ones_own_is_fitted(self, tmp_path):
        run_snakemake(
            tmp_path,
            *("--cores", "all", "fitting", *make_own(tmp_path), "--config"),
            "grid={perturbation: [laplace]}",
            "fitting={steps: 30, record_every: 10, targets: {mine: {family: table, probabilities: [0.6, 0.3, 0.1]}}}",
        )
        table = pd.read_csv(tmp_path / "results" / "tables" / "fitting.csv")
        assert table["target"].unique().tolist() == ["binomial", "poisson", "negative-binomial", "discrete", "mine"]
        assert table["perturbation"].unique().tolist() == ["laplace"]
        fits = pd.read_csv(tmp_path / "results" / "fitting" / "mine" / "laplace.csv.gz")
        assert fits["step"].tolist() == [0, 10, 20, 30]
        assert fits["discrete_error"].iloc[-1] < 0.7 * fits["discrete_error"].iloc[0]
        for suffix in ("pdf", "png"):
            assert (tmp_path / "results" / "figures" / "fitting" / f"mine.{suffix}").stat().st_size > 5_000


class TestControl:
    def test_laws_are_compared_and_trained_on_the_true_bound_beside_published_values(self, tmp_path):
        arguments = make_own(tmp_path)
        published = tmp_path / "published.csv"
        published.write_text("dataset,K,perturbation,measure,nats\nmine,4,normal,negative ELBO,20\n")
        options = [
            "grid={perturbation: [normal, wide], seed: [1, 2]}",
            "perturbations={wide: {distribution: Normal, loc: 0, scale: 2}}",
            "training={kl: codes}",
            "control={enabled: true, variables: 2, K: 3, hidden: 8, epochs: 2, images: 5, samples: 20}",
            f"published={published}",
        ]
        run_snakemake(tmp_path, "--cores", "all", *arguments, "--config", *options)
        tables = tmp_path / "results" / "tables"
        control = pd.read_csv(tables / "control.csv")
        assert control[["differ_in", "perturbation", "other"]].drop_duplicates().to_numpy().tolist() == [
            ["scale", "wide", "normal"]
        ]
        assert control["n"].unique().tolist() == [2]
        gradients = pd.read_csv(tmp_path / "results" / "gathered" / "mine" / "gradients.csv")
        assert gradients.set_index(["perturbation", "seed"])["noise_variance"].unstack().to_numpy().tolist() == [
            [1, 1],
            [4, 4],
        ]
        assert gradients["relative_variance"].gt(0).all()
        assert (tmp_path / "results" / "figures" / "control" / "mine.pdf").stat().st_size > 5_000
        assert "negative ELBO, published" in (tables / "results.md").read_text()
        summary = json.loads((tmp_path / "results/runs/mine/K4/wide/tau0.5/seed1/summary.json").read_text())
        assert summary["training"]["kl"] == "codes"


class TestConfiguration:
    def test_the_default_is_the_paper_with_one_training_job_per_cell(self, tmp_path):
        jobs = planned_jobs(tmp_path)
        trained = [job for job in jobs if job.startswith("results/runs/")]
        assert len(trained) == 3 * 3 * 3 * 10 * 5
        assert len([job for job in jobs if job.startswith("data/raw/")]) == 5
        assert not [job for job in jobs if "fitting" in job or "control" in job]

    def test_overlays_replace_lists_of_the_grid_and_add_to_definitions(self, tmp_path):
        (tmp_path / "overlay.yaml").write_text(
            "grid: {dataset: [digits], K: [20], perturbation: [uniform], seed: [1]}\n"
            "perturbations: {uniform: {distribution: Uniform, low: -1, high: 1}}\n"
        )
        jobs = planned_jobs(tmp_path, "--configfile", str(tmp_path / "overlay.yaml"))
        assert len([job for job in jobs if job.startswith("results/runs/digits/K20/uniform/")]) == 10

    def test_noise_and_K_can_be_given_on_the_command_line_alone(self, tmp_path):
        jobs = planned_jobs(
            tmp_path,
            "--config",
            "grid={dataset: [digits], K: [20], perturbation: [t5], temperature: [0.5], seed: [1]}",
            "perturbations={t5: {distribution: StudentT, df: 5, loc: 0, scale: 1}}",
        )
        assert len([job for job in jobs if job.startswith("results/runs/digits/K20/t5/tau0.5/seed1/")]) == 1

    def test_a_wrong_key_ends_in_one_line_and_leaves_nothing(self, tmp_path):
        completed = run_snakemake(tmp_path, "--cores", "1", "--config", "training={epoch: 3}", check=False)
        assert completed.returncode != 0
        (line,) = [line for line in completed.stdout.splitlines() if "training.epoch" in line]
        assert "did you mean epochs?" in line
        assert "Traceback" not in completed.stdout
        assert [path.name for path in tmp_path.iterdir() if path.name != ".snakemake"] == []

    def test_a_file_that_a_job_refuses_ends_in_one_line_and_leaves_no_output(self, tmp_path):
        arguments = make_own(tmp_path)
        np.savez(tmp_path / "my.npz", **{split: np.full((50, 6, 5), 255, np.uint8) for split in SPLITS})
        completed = run_snakemake(tmp_path, "--cores", "1", *arguments, check=False)
        assert completed.returncode != 0
        assert "ERROR: my.npz: train has the value 255, expected only 0 and 1; binarize it first" in completed.stdout
        assert "Traceback" not in completed.stdout
        assert not (tmp_path / "data").exists() or list((tmp_path / "data").iterdir()) == []
        assert not (tmp_path / "results" / "runs").exists()


class TestData:
    def test_omniglots_mat_file_comes_from_a_mirror_over_http(self, tmp_path):
        rng = np.random.default_rng(0)
        folder = tmp_path / "served" / "omniglot"
        folder.mkdir(parents=True)
        scipy.io.savemat(folder / "chardata.mat", {"data": rng.random((784, 1400)), "testdata": rng.random((784, 9))})
        digest = hashlib.sha256((folder / "chardata.mat").read_bytes()).hexdigest()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

        handler = functools.partial(Handler, directory=str(tmp_path / "served"))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            run_snakemake(
                tmp_path,
                *("--cores", "1", "data/omniglot.npz", "--config", f"mirror=http://127.0.0.1:{server.server_port}"),
                f"datasets={{omniglot: {{sha256: {{chardata.mat: {digest}}}}}}}",
            )
            server.shutdown()
            thread.join()
        dataset = BinarizedDataset.load(tmp_path / "data" / "omniglot.npz")
        assert len(dataset.splits["train"]) == 55
        assert "IWAE" in dataset.manifest["origin"]

    def test_hand_placed_kmnist_needs_no_network(self, tmp_path):
        folder = tmp_path / "data" / "raw" / "kmnist"
        folder.mkdir(parents=True)
        for name, count in (("train-images-idx3-ubyte", 10_003), ("t10k-images-idx3-ubyte", 4)):
            content = struct.pack(">IIII", 0x803, count, 28, 28) + bytes(range(256)) * (count * 784 // 256 + 1)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content[: 16 + count * 784], compresslevel=1))
        definition = "datasets={kmnist: {source: torchvision, class: KMNIST}}"
        run_snakemake(tmp_path, "--cores", "1", "data/kmnist.npz", "--config", definition)
        dataset = BinarizedDataset.load(tmp_path / "data" / "kmnist.npz")
        assert [len(dataset.splits[split]) for split in SPLITS] == [3, 10_000, 4]


class TestManners:
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

    def test_it_is_usable_as_a_module_of_another_workflow_in_a_folder_of_its_own(self, tmp_path):
        make_own(tmp_path)
        (tmp_path / "own.yaml").write_text(OWN_CONFIG.replace("my.npz", str(tmp_path / "my.npz")))
        (tmp_path / "Snakefile").write_text(f"""
module vae:
    snakefile: "{ROOT / "Snakefile"}"
    prefix: "vae"
    config: config
use rule * from vae as vae_*
rule outer:
    input: "vae/results/tables/results.md", "vae/results/tables/ledger.csv"
    output: "copy.md"
    shell: "cp {{input[0]}} {{output}}"
""")
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "copy.md", "--configfile", "own.yaml"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert "laplace" in (tmp_path / "copy.md").read_text()
        assert "cells finished: 2 of 2" in (tmp_path / "vae/logs/progress.txt").read_text()
        ledger = pd.read_csv(tmp_path / "vae/results/tables/ledger.csv")
        assert set(ledger["rule"]) == {"binarize", "train", "bound"}
