"""A trained model is read from its run or its group with its sizes, encodes, decodes and samples."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, before_evaluations
from discrete_vae import load_run, load_selected
from discrete_vae.__main__ import main
from discrete_vae.analysis import group_evaluation
from discrete_vae.analysis.gathering import gather_group
from discrete_vae.analysis.group_evaluation import evaluate_group
from discrete_vae.config.options import Evaluation, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.errors import InputError, OutputError
from discrete_vae.evaluation.trained import TrainedModel
from discrete_vae.files import read_arrays
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.training import job
from discrete_vae.training.job import run_job
from discrete_vae.training.stack import StackTrainer
from PIL import Image

CELLS = [Cell("tiny", 4, law, temperature, 1) for law in ("gumbel", "normal") for temperature in (0.5, 1.0)]
GROUP = CELLS[0].group.directory
OPTIONS = {
    "model": {"variables": 3, "hidden": 16},
    "training": Training(epochs=3, batch_size=10).result_options(),
    "evaluation": Evaluation(2, 5).result_options(),
}


@pytest.fixture
def study(tiny_dataset, tmp_path) -> Path:
    """A study with one group of four runs, which keeps its models."""
    train(tmp_path, tiny_dataset)
    gather_group(tmp_path / GROUP, [tmp_path / cell.directory for cell in CELLS])
    evaluate(tmp_path, tiny_dataset)
    return tmp_path


HERE = {"device": torch.device("cpu"), "started": 0}


def with_manifest(dataset: BinarizedDataset, sha256: str = "abc") -> BinarizedDataset:
    return BinarizedDataset(dataset.splits, {"sha256": sha256, "origin": "made up"})


def train(study: Path, dataset: BinarizedDataset, **how_to_train: str) -> int | None:
    what = {"study": study, "checkpoint": study / "checkpoint.pt", "laws": PAPER_LAWS, "options": OPTIONS}
    return run_job(CELLS, with_manifest(dataset), **what, how_to_train=how_to_train, **HERE)


def evaluate(study: Path, dataset: BinarizedDataset, sha256: str = "abc") -> None:
    evaluate_group(study, CELLS[0].group, with_manifest(dataset, sha256), samples=5, keep_models=True, **HERE)


@pytest.fixture
def run(study) -> Path:
    return study / CELLS[2].directory


def test_a_resume_point_outlives_a_full_disk(tiny_dataset, tmp_path):
    (tmp_path / CELLS[0].directory / "model.pt").mkdir(parents=True)  # which no file can replace
    with pytest.raises(OutputError, match=r"model.pt cannot be written"):
        train(tmp_path, tiny_dataset)
    assert (tmp_path / "checkpoint.pt").exists()


def test_a_resume_point_outlives_a_signal_after_the_last_epoch(tiny_dataset, tmp_path, monkeypatch):
    """The job ends well. But Slurm says that it was cancelled or timed out, and Snakemake deletes its outputs."""
    with monkeypatch.context() as patch:
        before_evaluations(
            patch, lambda _, purpose: purpose == "final validation" and signal.raise_signal(signal.SIGTERM)
        )
        assert train(tmp_path, tiny_dataset) == signal.SIGTERM
    assert load_run(tmp_path / CELLS[0].directory)
    shutil.rmtree(tmp_path / "runs")
    monkeypatch.setattr(StackTrainer, "step", lambda trainer: pytest.fail("an epoch is trained again"))
    assert train(tmp_path, tiny_dataset) is None
    assert load_run(tmp_path / CELLS[0].directory)
    assert not (tmp_path / "checkpoint.pt").exists()


def layer(weights: dict[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def test_other_images_than_those_of_the_runs_are_not_evaluated(study, tiny_dataset):
    written = (study / GROUP / "bounds.csv").read_bytes()
    with pytest.raises(InputError, match=r"has the SHA-256 def, expected abc as the images of .*; put those"):
        evaluate(study, tiny_dataset, sha256="def")
    assert (study / GROUP / "bounds.csv").read_bytes() == written


@pytest.mark.parametrize(
    ("device", "fused", "expected"), [("cpu", False, False), ("cpu", True, False), ("cuda", True, True)]
)
def test_a_resume_point_depends_on_the_kernels_of_a_gpu_and_not_on_laws_of_other_cells(
    tiny_dataset, tmp_path, monkeypatch, device, fused, expected
):
    """A plan that is written again may have one more law. On a CPU there are no such kernels."""
    laws = {**PAPER_LAWS, "other": {"distribution": "Laplace", "loc": 0, "scale": 1}}
    known = {}
    monkeypatch.setattr(job, "identity_of", lambda cells, **what: known.update(what) or {})
    monkeypatch.setattr(job, "environment", lambda *_: {})
    monkeypatch.setattr(job, "train", lambda *cells, laws, **what: sys.exit(",".join(laws)))
    what = {"study": tmp_path, "checkpoint": tmp_path / "a.pt", "options": OPTIONS, "laws": laws}
    how = {**HERE, "device": torch.device(device), "how_to_train": {"fused_kernels": fused}}
    with pytest.raises(SystemExit, match=r"^gumbel$"):
        job.run_job(CELLS[:1], with_manifest(tiny_dataset), **what, **how)
    assert known["laws"] == {"gumbel": PAPER_LAWS["gumbel"]}
    assert known["options"]["kernels"] == {"fused": expected}


def test_a_run_is_loaded_with_its_sizes(run, tiny_dataset):
    model = load_run(run)
    assert (model.cell, model.law.distribution, model.image_shape) == (CELLS[2], "Normal", tiny_dataset.image_shape)
    images = tiny_dataset.splits["test"]
    logits = model.encode(images)
    weights = torch.load(run / "model.pt", weights_only=True)
    hidden = F.relu(F.linear(torch.from_numpy(images).flatten(1).float(), *layer(weights, "encoder.0")))
    torch.testing.assert_close(logits, F.linear(hidden, *layer(weights, "encoder.2")).view(-1, 3, 4))

    codes = model.draw_codes(logits, seed=1)
    assert torch.equal(codes, model.draw_codes(logits, seed=1))
    hidden = F.relu(F.linear(F.one_hot(codes, 4).flatten(1).float(), *layer(weights, "decoder.0")))
    expected = F.linear(hidden, *layer(weights, "decoder.2")).sigmoid().view(images.shape)
    torch.testing.assert_close(model.decode(codes), expected)


def test_codes_are_drawn_with_the_noise_of_the_run(run):
    """P(N1 - N2 > 1) of two standard normals is 0.24; of two Gumbels it would be 0.27."""
    logits = torch.tensor([1.0, 0.0]).expand(200_000, 1, 2)
    assert load_run(run).draw_codes(logits).float().mean().item() == pytest.approx(0.2398, abs=0.004)


def test_samples_are_of_the_uniform_prior(run):
    model = load_run(run)
    samples = model.sample(20_000, seed=3)
    every_code = torch.cartesian_prod(*[torch.arange(4)] * 3)
    torch.testing.assert_close(samples.mean(0), model.decode(every_code).mean(0), atol=0.01, rtol=0)
    assert torch.equal(samples, model.sample(20_000, seed=3))


def same(a: TrainedModel, b: TrainedModel) -> bool:
    weights = zip(a.network.state_dict().values(), b.network.state_dict().values(), strict=True)
    return (a.cell, a.law, a.image_shape) == (b.cell, b.law, b.image_shape) and all(torch.equal(*w) for w in weights)


def test_the_selected_model_of_a_law_is_read_from_its_group(study):
    for law in ("gumbel", "normal"):
        selected = load_selected(study / GROUP, law)
        assert same(selected, load_run(study / selected.cell.directory))
    with pytest.raises(InputError, match="no model of 'logistic', expected one of gumbel, normal"):
        load_selected(study / GROUP, "logistic")
    selection = pd.read_csv(study / GROUP / "selection.csv")
    selection.assign(temperature=np.nan).to_csv(study / GROUP / "selection.csv", index=False)
    with pytest.raises(InputError, match="has no selected model, as all its runs diverged, expected one; name another"):
        load_selected(study / GROUP, "normal")


def test_kept_models_and_pictures_are_of_the_selection_by_the_paper_loss(study, tiny_dataset):
    """Where the negative ELBO selects the other models, these are evaluated, too."""
    runs = pd.read_csv(study / GROUP / "summaries.csv")
    selection = pd.read_csv(study / GROUP / "selection.csv").set_index("perturbation")["temperature"]
    others = runs["temperature"] != runs["perturbation"].map(selection)
    runs.assign(validation_kl_of_codes=np.where(others, -100, 0)).to_csv(study / GROUP / "summaries.csv", index=False)
    evaluate(study, tiny_dataset)
    assert len(pd.read_csv(study / GROUP / "bounds.csv")) == 4
    pictures = read_arrays([study / GROUP / "pictures.npz"])
    for law, temperature in selection.items():
        model = load_run(study / Cell("tiny", 4, law, temperature, 1).directory)
        assert same(load_selected(study / GROUP, law), model)
        assert pictures[f"{law}/samples"] == pytest.approx(255 * model.sample(10).numpy(), abs=0.501)


@pytest.mark.parametrize(("device", "asked", "used"), [("cpu", "high", "highest"), ("cuda", "high", "high")])
def test_a_job_computes_products_as_its_training_says_on_a_gpu_and_in_the_highest_precision_elsewhere(
    study, tiny_dataset, monkeypatch, device, asked, used
):
    def record(*arguments, **options):
        seen.append(torch.get_float32_matmul_precision())
        sys.exit()

    seen = []
    monkeypatch.setattr(job, "train", record)
    monkeypatch.setattr(job, "environment", lambda *arguments: {})
    monkeypatch.setattr(job, "identity_of", lambda *arguments, **options: {})
    monkeypatch.setattr(group_evaluation, "evaluate_selected", record)
    monkeypatch.setitem(HERE, "device", torch.device(device))
    with pytest.raises(SystemExit):
        train(study, tiny_dataset, matmul_precision=asked)
    with pytest.raises(SystemExit):
        evaluate(study, tiny_dataset)
    assert seen == [used, "highest"]


def test_an_evaluation_reads_no_more_than_its_rule_says(study, tiny_dataset):
    """The weights of the runs, and the tables of the group; older ones do not say the shape of an image."""
    bounds = study / GROUP / "bounds.csv"
    expected = bounds.read_text()
    runs = pd.read_csv(study / GROUP / "summaries.csv").drop(columns="image_shape")
    runs.to_csv(study / GROUP / "summaries.csv", index=False)
    for cell in CELLS:
        (study / cell.directory / "summary.json").unlink()
    evaluate(study, tiny_dataset)
    assert bounds.read_text() == expected


def test_models_of_a_former_selection_are_void(study):
    """Runs are gathered again when the group grows, and its models may not be kept this time."""
    group = study / GROUP
    gather_group(group, [study / cell.directory for cell in CELLS])
    with pytest.raises(InputError, match=r"models.pt is not readable .*, expected the weights of trained models"):
        load_selected(group, "normal")


def test_models_of_another_selection_are_refused(study):
    """An archive without models may have been unpacked over a group with models."""
    path = study / GROUP / "selection.csv"
    selection = pd.read_csv(path)
    selection["temperature"] = selection["temperature"].map({0.5: 1.0, 1.0: 0.5})
    selection.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"models.pt has tiny-.*, expected tiny-K4-normal-.* as in selection.csv; put"):
        load_selected(study / GROUP, "normal")


def test_a_run_that_diverged_is_refused(run):
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "diverged": True, "diverged_epoch": 2}))
    with pytest.raises(InputError, match=r"seed1 diverged in epoch 2, expected a trained model; name another run"):
        load_run(run)


def test_images_of_other_values_are_refused(run):
    model = load_run(run)
    with pytest.raises(InputError, match="the images have the value 255, expected only 0 and 1; binarize them first"):
        model.encode(np.full((2, *model.image_shape), 255))


@pytest.mark.parametrize("images", [np.zeros((3, 4)), np.zeros((2, 4, 3)), np.zeros((2, 12)), np.zeros(())])
def test_images_of_another_shape_are_told_in_one_line(run, images):
    with pytest.raises(
        InputError, match=r"^the images have the shape \(.*\), expected images x 3 x 4; give one image as"
    ):
        load_run(run).encode(images)


def test_weights_of_other_sizes_than_the_summary_says_are_refused(run):
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "model": {"variables": 2, "hidden": 16}}))
    with pytest.raises(InputError, match=r"model.pt has 12 logits and \d+ pixels, expected 2 x 4 logits and "):
        load_run(run)
    for strange in ({"law": {}}, {"model": None}, {"K": "four"}, {"image_shape": [1, 2]}, {"image_shape": None}):
        (run / "summary.json").write_text(json.dumps({**summary, **strange}))
        with pytest.raises(InputError, match=r"model.pt (has|is not readable) .*, expected .*; (put|name)"):
            load_run(run)
    (run / "summary.json").write_text(json.dumps(summary))
    torch.save([1], run / "model.pt")
    with pytest.raises(InputError, match="expected the weights of trained models"):
        load_run(run)
    (run / "summary.json").write_text("{")
    with pytest.raises(InputError, match="expected the summary of a finished run"):
        load_run(run)
    with pytest.raises(InputError, match="expected the weights of trained models"):
        load_selected(run, "normal")


@pytest.fixture
def sample(run, monkeypatch, capsys) -> Callable[..., str]:
    """Run the command in this process; return what it prints, or the line that it ends in."""

    def execute(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["discrete_vae", "sample", "--out", str(run / "sheet.png"), *arguments])
        try:
            main()
        except SystemExit as error:
            return str(error.code)
        return capsys.readouterr().out

    return execute


def test_samples_are_drawn_on_the_command_line(run):
    command = [sys.executable, "-m", "discrete_vae", "sample", str(run), "--out", str(run / "sheet.png"), "--count=5"]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "5 samples of tiny-K4-normal-tau0.5-seed1" in completed.stdout
    height, width = load_run(run).image_shape
    sheet = np.asarray(Image.open(run / "sheet.png"))
    factor = 56 // height + (56 % height > 0)
    tall, wide = factor * height, factor * width
    assert sheet.shape == (2 * tall + 4, 3 * wide + 8)  # two rows of three images
    expected = 255 - 255 * load_run(run).sample(5)[4].numpy()
    last = sheet[tall + 4 :, wide + 4 : 2 * wide + 4]
    for part in (last[::factor, ::factor], last[factor - 1 :: factor, factor - 1 :: factor]):
        assert np.abs(part - expected).max() <= 0.5
    assert (sheet[tall + 4 :, 2 * wide + 8 :] == 255).all()


def test_a_group_needs_the_name_of_a_law(study, sample):
    group = str(study / GROUP)
    assert "expected --perturbation with it; name a noise law" in sample(group)
    assert "64 samples of tiny-K4-normal" in sample(group, "--perturbation", "normal")


def test_a_run_takes_no_name_of_a_law(run, sample):
    assert "is the folder of a run, expected no --perturbation with it" in sample(str(run), "--perturbation", "normal")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", "0"), "--count is 0, expected 1 to 10000; correct it"),
        (("--out", "sheet"), "--out is sheet, expected the name of a PNG such as samples.png; correct it"),
        (("--out", "/proc/no/sheet.png"), "/proc/no/sheet.png cannot be written"),
    ],
)
def test_samples_that_cannot_be_drawn_end_in_one_line(run, sample, arguments, message):
    line = sample(str(run), *arguments)
    assert line.startswith(f"ERROR: {message}")
    assert "\n" not in line
