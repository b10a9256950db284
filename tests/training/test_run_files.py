"""The files of a cell, and what they are stamped with."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from discrete_vae.analysis.selection import LOSSES
from discrete_vae.errors import InputError, OutputError
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.groups import is_finished
from discrete_vae.training.run_files import check_images, write_runs
from discrete_vae.training.runs import Run

CELL = Cell("digits", 3, "normal", 0.5, 1)
HISTORY = [{"epoch": epoch, "training_loss": 9.0 - epoch, "validation_loss": 8.0} for epoch in (1, 2)]


def written(study, run: Run) -> dict:
    """Write a run and read its summary."""
    write_runs([run], study, laws={run.cell.perturbation: {}}, options={}, provenance={"device": "cpu"})
    return json.loads((study / run.cell.directory / "summary.json").read_text())


def test_the_files_of_a_cell_hold_its_run(tmp_path):
    final = dict.fromkeys(LOSSES, 1.5)
    weights = {"weight": torch.arange(3.0)}
    summary = written(tmp_path, Run(CELL, HISTORY, 1, None, stopped_early=True, weights=weights, final=final))
    expected = {
        **{"diverged": False, "diverged_epoch": None, "stopped_early": True, "epochs_run": 2, "best_epoch": 1},
        **{"final_training_loss": 7.0, "law": {}, "device": "cpu"},
    }
    assert summary == {**CELL.coordinates(), **expected, **final}
    assert is_finished(tmp_path, CELL)
    folder = tmp_path / CELL.directory
    assert pd.read_csv(folder / "history.csv").to_dict("records") == HISTORY
    assert torch.equal(torch.load(folder / "model.pt", weights_only=True)["weight"], weights["weight"])


def test_a_full_disk_leaves_no_stack_finished_in_part(tmp_path):
    """Its resume point is of all its cells."""
    cells = [replace(CELL, temperature=temperature) for temperature in (0.5, 1.0)]
    (tmp_path / cells[1].directory / "model.pt").mkdir(parents=True)  # which cannot be replaced by a file
    runs = [Run(cell, HISTORY, 1, None, final=dict.fromkeys(LOSSES, 1.5)) for cell in cells]
    with pytest.raises(OutputError, match=r"model.pt cannot be written"):
        write_runs(runs, tmp_path, laws={"normal": {}}, options={}, provenance={})
    assert not any(is_finished(tmp_path, cell) for cell in cells)


def test_a_diverged_run_has_no_losses_in_its_summary(tmp_path):
    summary = written(tmp_path, Run(CELL, HISTORY, 0, 2))
    assert {name for name, value in summary.items() if value is None} == {"best_epoch", "final_training_loss", *LOSSES}
    assert (summary["diverged"], summary["diverged_epoch"], summary["epochs_run"]) == (True, 2, 2)


def test_a_kl_that_is_not_known_is_null(tmp_path):
    """Of a law that quadrature cannot serve. JSON has no NaN."""
    final = {**dict.fromkeys(LOSSES, 1.5), "validation_kl_of_codes": math.nan}
    summary = written(tmp_path, Run(CELL, HISTORY, 1, final=final))
    assert summary["validation_kl_of_codes"] is None
    assert summary["validation_kl"] == 1.5


def test_other_images_than_those_of_a_datasets_groups_are_refused(tmp_path):
    folder = tmp_path / "groups" / "digits" / "K3" / "seed1"
    folder.mkdir(parents=True)
    (folder / "summaries.csv").write_text("data_sha256\na\n")
    check_images(tmp_path, "digits", "a")
    check_images(tmp_path, "mnist", "b")
    with pytest.raises(InputError, match=rf"digits.npz has the SHA-256 b, expected a as the images of {folder}; put"):
        check_images(tmp_path, "digits", "b")
    folder.rename(folder.with_name("seed1.bak"))
    check_images(tmp_path, "digits", "b")


def test_other_images_than_those_of_runs_that_are_not_gathered_are_refused(tmp_path):
    folder = tmp_path / CELL.directory
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text('{"data_sha256": "a"}')
    check_images(tmp_path, "digits", "a")
    with pytest.raises(InputError, match=rf"digits.npz has the SHA-256 b, expected a as the images of {folder}; put"):
        check_images(tmp_path, "digits", "b")


def test_other_images_than_those_of_gradients_are_refused(tmp_path):
    """Older tables of gradients do not say of which images they are."""
    table = tmp_path / "gradients/digits/seed1.csv"
    table.parent.mkdir(parents=True)
    table.write_text("dataset,data_sha256\ndigits,a\n")
    check_images(tmp_path, "digits", "a")
    with pytest.raises(InputError, match=rf"digits.npz has the SHA-256 b, expected a as the images of {table}; put"):
        check_images(tmp_path, "digits", "b")
    table.write_text("dataset\ndigits\n")
    check_images(tmp_path, "digits", "b")


def test_a_group_without_rows_says_nothing_of_its_images(tmp_path):
    folder = tmp_path / "groups" / "digits" / "K3" / "seed1"
    folder.mkdir(parents=True)
    (folder / "summaries.csv").touch()
    check_images(tmp_path, "digits", "abc")
