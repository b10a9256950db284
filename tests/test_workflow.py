"""Snakemake run for real: fits, the control, configurations, data from a mirror, and manners."""

import functools
import gzip
import hashlib
import http.server
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from conftest import OWN_CONFIG, ROOT, make_own, planned_jobs, run_snakemake, serving
from discrete_vae.datasets import SPLITS, BinarizedDataset


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
            "control={enabled: true, variables: 2, K: 3, hidden: 32, epochs: 300, images: 5, samples: 20}",
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
        with serving(handler) as url:
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
