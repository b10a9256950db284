"""The real MNIST, Fashion-MNIST and Omniglot through the whole chain, where a local mirror has them."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, published, run_snakemake
from discrete_vae.data.dataset import SPLITS, BinarizedDataset
from discrete_vae.files import read_tables

SIZES = {
    "mnist": (50_000, 10_000, 10_000),
    "fashion-mnist": (50_000, 10_000, 10_000),
    "omniglot-resized": (23_000, 1_345, 8_115),
}


@pytest.fixture(scope="module")
def short_run(tmp_path_factory, local_mirror):
    """All real datasets, and one epoch on Omniglot with few Monte-Carlo samples."""
    directory = tmp_path_factory.mktemp("real")
    (directory / "short.yaml").write_text(f"""
study: short
grid: {{dataset: [omniglot-resized], K: [10], perturbation: [gumbel], temperature: [1.0], seed: [775]}}
training: {{epochs: 1, device: cpu}}
evaluation: {{validation_samples: 1, selection_samples: 1, importance_samples: 2}}
mirror: {local_mirror}
""")
    targets = ("results/short/tables/results.md", *(f"data/{name}.npz" for name in SIZES))
    run_snakemake(directory, "--cores", "all", *targets, "--configfile", str(directory / "short.yaml"))
    return directory


@pytest.mark.parametrize("name", SIZES)
def test_the_splits_have_the_sizes_of_the_study_and_are_disjoint(short_run, name):
    dataset = BinarizedDataset.load(short_run / "data" / f"{name}.npz")
    assert tuple(len(dataset.splits[split]) for split in SPLITS) == SIZES[name]
    images = np.concatenate([dataset.splits[split] for split in SPLITS])
    assert images.shape[1:] == (28, 28)
    assert images.max() == 1
    train, validation, test = ([image.tobytes() for image in dataset.splits[split]] for split in SPLITS)
    distinct = set(train)
    assert len(distinct & set(validation)) < 10
    equal = sum(image in distinct for image in test)
    method = " ".join((ROOT / "docs/method.md").read_text().split())
    assert re.search(rf"\b{equal} (?:test images )?of `{name}`", method)


@pytest.mark.parametrize("name", SIZES)
def test_the_published_runs_are_of_these_images(short_run, name):
    sums = set(read_tables(published(f"groups/{name}/*/*/summaries.csv"))["data_sha256"])
    assert sums == {BinarizedDataset.load(short_run / "data" / f"{name}.npz").manifest["sha256"]}


def test_an_epoch_learns(short_run):
    group = short_run / "results/short/groups/omniglot-resized/K10/seed775"
    assert pd.read_csv(group / "histories.csv.gz")["training_loss"].iloc[0] < 330
    assert pd.read_csv(group / "bounds.csv")["paper_loss"].iloc[0] < 190


def test_the_results_say_where_omniglot_comes_from(short_run):
    notes = (short_run / "results/short/tables/results.md").read_text()
    assert "omniglot-resized: torchvision's Omniglot archives" in notes
    assert "omniglot-resized: not as in the paper: images other than chardata.mat" in notes
