"""The quick start for real: all that it makes, and what a change of the configuration makes anew."""

import json
import os
import shutil

import pandas as pd
import pytest
from conftest import QUICKSTART, bounds_of_the_selection, planned_jobs, run_snakemake
from discrete_vae.cells import Cell, cell_file


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
        bounds = bounds_of_the_selection(quickstart / "results")
        assert len(bounds) == 18
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
