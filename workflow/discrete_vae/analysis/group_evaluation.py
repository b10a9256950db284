"""Evaluate the selected models of a group on the test set, once."""

import time
from pathlib import Path

import torch

from discrete_vae.analysis.costs import group_costs
from discrete_vae.analysis.selection import selected_cells, selections_of
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.bounds import evaluate_selected
from discrete_vae.evaluation.pictures import draw_selected
from discrete_vae.evaluation.trained import load_cell
from discrete_vae.files import read_table, write_arrays, write_csv
from discrete_vae.grid.cells import Cell, Group
from discrete_vae.training.device import environment
from discrete_vae.training.run_files import check_images, write_weights


def evaluate_group(
    study: Path,
    group: Group,
    dataset: BinarizedDataset,
    *,
    samples: int,
    keep_models: bool,
    device: torch.device,
    started: float,
) -> None:
    """Write the files of a group that come from the test set: losses, pictures, costs and perhaps the models.

    Args:
        study: the folder of its study, with its runs, its summaries and its selection.
        group: its coordinates.
        dataset: its images.
        samples: codes drawn for each image.
        keep_models: whether to write the weights of the models that the paper loss selected.
        device: where to evaluate.
        started: when the evaluation began, as time.monotonic() gives it.

    Raises:
        InputError: the runs used other images.
    """
    check_images(study, group.dataset, dataset.manifest["sha256"])
    torch.set_float32_matmul_precision("highest")  # whatever the training used
    folder = study / group.directory
    runs = read_table(folder / "summaries.csv")
    selections = selections_of(runs, read_table(folder / "selection.csv")).values()
    by_paper_loss, by_negative_elbo = map(selected_cells, selections)
    run_of = {Cell.of(run): run for run in runs.to_dict("records")}
    selected = dict.fromkeys([*by_paper_loss, *by_negative_elbo])
    models = {cell: load_cell(study, run_of[cell], dataset.image_shape) for cell in selected}
    test_images = dataset.splits["test"]
    bounds, image_losses = evaluate_selected(list(models.values()), test_images, samples=samples, device=device)
    write_arrays(folder / "pictures.npz", draw_selected([models[cell] for cell in by_paper_loss], dataset))
    write_arrays(folder / "image_losses.npz", image_losses)
    if keep_models:
        weights = {str(cell): dict(models[cell].network.state_dict()) for cell in by_paper_loss}
        write_weights(folder / "models.pt", weights)
    write_csv(folder / "costs.csv", group_costs(runs, time.monotonic() - started, environment(device)))
    write_csv(folder / "bounds.csv", bounds)
