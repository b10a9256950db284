"""A training job: from the images to the files of the runs of its cells."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Evaluation, Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.grid.cells import Cell
from discrete_vae.training.device import environment
from discrete_vae.training.loop import train
from discrete_vae.training.resume_point import ResumePoint, identity_of
from discrete_vae.training.run_files import write_runs


def run_job(
    cells: Sequence[Cell],
    dataset: BinarizedDataset,
    *,
    study: Path,
    checkpoint: Path,
    laws: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Mapping[str, Any]],
    device: torch.device,
    started: float,
    how_to_train: Mapping[str, Any],
    revision: str | None = None,
) -> int | None:
    """Train cells of one dataset and K, from their resume point where there is one, and write the files of their runs.

    Args:
        checkpoint: file of the resume point.
        laws, options: definitions of noise laws, of these cells and perhaps of others, and options that determine the
            result, as summaries record them.
        started: when the job began, as time.monotonic() gives it.
        how_to_train: options of the training that determine no result, those of `HOW_TO_TRAIN`.
        revision: of the source, where it is known without git.

    Returns:
        The number of a signal that came after the last epoch, or None. The job is finished all the same. But its resume
        point stays: who sent the signal may count the job as failed, and delete its outputs.

    Raises:
        SystemExit: a signal asked the job to end; it has saved its resume point, unless the disk is full.
    """
    data_sha256 = dataset.manifest["sha256"]
    laws = {cell.perturbation: laws[cell.perturbation] for cell in cells}
    training = replace(Training.of(options["training"]), **how_to_train)
    if device.type != "cuda":  # some CPUs could also round more, with bfloat16 or TensorFloat32
        training = replace(training, matmul_precision="highest", fused_kernels=False)
    torch.set_float32_matmul_precision(training.matmul_precision)
    decides_bits = {**options, "kernels": {"fused": training.fused_kernels}}
    here = environment(device, revision)  # before the training, during which the source may be updated
    identity = identity_of(cells, laws=laws, data_sha256=data_sha256, device=device, options=decides_bits)
    with ResumePoint(checkpoint, identity) as resume_point:
        runs = train(
            cells,
            dataset,
            laws={name: law_of(definition) for name, definition in laws.items()},
            model=Model(**options["model"]),
            training=training,
            evaluation=Evaluation(**options["evaluation"]),
            device=device,
            resume_point=resume_point,
        )
        provenance = {
            "data_sha256": data_sha256,
            "data_origin": dataset.manifest["origin"],
            "image_shape": list(dataset.image_shape),
            "cells_in_job": len(cells),
            "fused_kernels": training.fused_kernels,
            "training_seconds": round(runs[0].seconds, 3),
            "wall_seconds": round(time.monotonic() - started, 3),
            **here,
        }
        write_runs(runs, study, laws=laws, options=options, provenance=provenance)
        if resume_point.asked_to_end is None:
            resume_point.finish()
    return resume_point.asked_to_end
