"""The quick start for real: all that it makes, and what a change of the configuration makes anew."""

import json

import pandas as pd
import pytest
from conftest import QUICKSTART, planned_jobs
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.trained import load_run
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.model.network import kl_to_uniform


class TestQuickstart:
    def test_it_makes_every_figure_and_table(self, quickstart):
        figures, tables = (quickstart / "results/quickstart" / kind for kind in ("figures", "tables"))
        of_digits = [f"{kind}/digits" for kind in ("convergence", "temperature", "validation")]
        expected = {f"{name}.{end}" for name in ("claims", "images/digits-K5", *of_digits) for end in ("pdf", "png")}
        assert {path.relative_to(figures).as_posix() for path in figures.rglob("*.*")} == expected
        assert min((figures / name).stat().st_size for name in expected) > 5_000
        plain = ("claims", "codes", "costs", "diverged", "groups", "results", "runs", "selection", "verdicts")
        csv = [f"{name}.csv" for name in plain]
        pages = ["claims.md", "codes.md", "costs.md", "results.md", "results.tex"]
        assert sorted(path.name for path in tables.iterdir()) == sorted([*csv, *pages])
        table = pd.read_csv(tables / "results.csv")
        assert len(table) == 12
        assert (table["seeds"] == 2).all()
        assert table["mean"].between(10, 35).all()
        means = table.set_index(["K", "perturbation", "measure"])["mean"].unstack()
        assert (means["IWAE bound"] < means["negative ELBO"]).all()
        gumbel = means.xs("gumbel", level="perturbation")
        assert gumbel["paper loss"].tolist() == pytest.approx(gumbel["negative ELBO"].tolist(), rel=0.005)
        assert "digits" in (tables / "results.md").read_text()
        assert "\\toprule" in (tables / "results.tex").read_text()
        assert pd.read_csv(tables / "diverged.csv").empty
        claims = pd.read_csv(tables / "claims.csv")
        assert len(claims) == 3 * 2 + 6
        assert claims["n"].unique().tolist() == [2]

    def test_training_lowers_the_loss_of_every_cell(self, quickstart):
        files = (quickstart / "results/quickstart/groups").glob("digits/K*/seed*/histories.csv.gz")
        histories = pd.concat([pd.read_csv(path) for path in files])
        assert len(histories) == 24 * 30
        for _, history in histories.groupby(["K", "perturbation", "temperature", "seed"]):
            assert history["training_loss"].iloc[-1] < 0.9 * history["training_loss"].iloc[0]
            assert history["validation_loss"].min() < history["validation_loss"].iloc[0]

    def test_each_selection_is_the_lowest_validation_loss_of_the_runs(self, quickstart):
        selection = pd.read_csv(quickstart / "results/quickstart/tables/selection.csv")
        assert selection["selected_by"].value_counts().to_dict() == {"validation loss": 6, "negative ELBO": 6}
        study = quickstart / "results/quickstart"
        for row in selection.to_dict("records"):
            folders = {t: study / Cell.of(row | {"temperature": t}).directory for t in (0.1, 0.4, 0.67, 1.0)}
            summaries = {t: json.loads((folder / "summary.json").read_text()) for t, folder in folders.items()}
            kl = {"validation loss": "validation_kl", "negative ELBO": "validation_kl_of_codes"}[row["selected_by"]]
            losses = {t: summary["validation_reconstruction"] + summary[kl] for t, summary in summaries.items()}
            assert row["temperature"] == min(losses, key=losses.get)
            assert row["validation_reconstruction"] + row[kl] == pytest.approx(min(losses.values()))

    def test_the_bounds_are_of_the_selected_models_on_the_test_set(self, quickstart):
        """The KL of the softmax tells: it has no noise in it."""
        study = quickstart / "results/quickstart"
        bounds = pd.concat([pd.read_csv(path) for path in (study / "groups").glob("digits/K*/seed*/bounds.csv")])
        selection = pd.read_csv(study / "tables/selection.csv")
        selected = selection[list(AXES)].drop_duplicates()
        assert len(bounds.merge(selected, on=list(AXES))) == len(bounds) == len(selected)
        assert selection["selected_by"].value_counts().to_dict() == {"validation loss": 6, "negative ELBO": 6}
        assert bounds["samples"].unique().tolist() == [200]
        images = BinarizedDataset.load(quickstart / "data/digits.npz").splits["test"]
        for row in bounds.to_dict("records"):
            logits = load_run(study / Cell.of(row).directory).encode(images)
            kl = kl_to_uniform(logits).sum(-1).mean().item()
            assert row["kl_of_softmax"] == pytest.approx(kl, rel=1e-5)

    def test_every_job_has_a_log_and_a_benchmark(self, quickstart):
        logs, benchmarks = quickstart / "logs/quickstart", quickstart / "logs/quickstart/benchmarks"
        logged = {path.relative_to(logs).with_suffix("") for path in logs.rglob("*.log")}
        assert logged == {path.relative_to(benchmarks).with_suffix("") for path in benchmarks.rglob("*.tsv")}
        assert len([path for path in logged if path.parent.name == "train_cells"]) == 2

    def test_every_training_job_says_how_many_cells_are_finished(self, quickstart):
        lines = (quickstart / "logs/quickstart/progress.txt").read_text().splitlines()
        assert len(lines) == 2
        assert lines[-1].endswith("cells finished: 24 of 24")

    def test_the_costs_are_those_of_every_training_and_evaluation(self, quickstart):
        costs = pd.read_csv(quickstart / "results/quickstart/tables/costs.csv")
        assert costs.groupby("step")["jobs"].sum().to_dict() == {"train": 24, "evaluate": 2}
        groups = (quickstart / "results/quickstart/groups").rglob("costs.csv")
        recorded = pd.concat(map(pd.read_csv, groups)).groupby("step")["seconds"].sum()
        rules = {"train": "train_cells", "evaluate": "evaluate_models"}
        for step, hours in costs.groupby("step")["core_hours"].sum().items():
            benchmarks = (quickstart / "logs/quickstart/benchmarks" / rules[step]).rglob("*.tsv")
            seconds = sum(pd.read_csv(path, sep="\t")["s"].sum() for path in benchmarks)
            assert 3600 * hours == pytest.approx(recorded[step], abs=0.01)
            assert 0.02 * seconds < 3600 * hours < seconds, "the start of Python is not counted, and may be most of it"

    def test_the_configuration_is_saved(self, quickstart):
        saved = (quickstart / "results/quickstart/config.yaml").read_text()
        for value in (
            "study: quickstart",
            "epochs: {digits: 30}",
            "distribution: Logistic",
            "importance_samples: 200",
        ):
            assert value in saved

    def test_nothing_is_left_to_do(self, quickstart):
        assert planned_jobs(quickstart, *QUICKSTART) == []

    def test_a_changed_plot_setting_retrains_nothing(self, quickstart):
        changed = ("--config", "figures={convergence_temperature: 0.4}")
        forest, curves, tables = sorted(planned_jobs(quickstart, *QUICKSTART, *changed))
        assert forest.startswith("results/quickstart/figures/claims.pdf, ")
        assert curves.startswith("results/quickstart/figures/convergence/digits.pdf, ")
        assert tables.startswith("results/quickstart/tables/claims.csv, ")
