"""Train the cells of one job and write the files of each."""

import logging
import time
from pathlib import Path

from job import logged, pipeline_directory

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.cells import Cell
    from discrete_vae.checkpoints import Checkpoint, identity_of
    from discrete_vae.configuration import run_definition
    from discrete_vae.consistency import is_written
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.results import announce_progress, environment, write_run
    from discrete_vae.training import choose_device, train

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    device = choose_device(snakemake.config["training"]["device"])
    dataset = BinarizedDataset.load(snakemake.input.images)
    cells = [Cell.of(coordinates) for coordinates in snakemake.params.cells]
    perturbations = snakemake.params.perturbations
    options = snakemake.params.options
    torch.set_float32_matmul_precision(options["training"]["matmul_precision"])
    data_sha256 = dataset.manifest["sha256"]
    identity = identity_of(cells, perturbations=perturbations, data_sha256=data_sha256, device=device, options=options)
    # Beside the log: Snakemake deletes the outputs of a failed job, and keeps its log.
    path = Path(snakemake.log[0]).with_suffix(".checkpoint.pt")
    with Checkpoint(path, identity, kept=snakemake.config["training"]["extendable"]) as checkpoint:
        runs = train(cells, dataset, perturbations=perturbations, device=device, checkpoint=checkpoint, **options)
    provenance = {
        "data_sha256": data_sha256,
        "data_origin": dataset.manifest["origin"],
        "cells_in_job": len(cells),
        "training_seconds": round(runs[0].seconds, 3),
        "wall_seconds": round(time.monotonic() - started, 3),
        **environment(device),
    }
    for i, run in enumerate(runs):
        # Snakemake removed it at the start. Where the controlling process was killed, an older job may still have run.
        if is_written(snakemake.output.summary[i], snakemake.config, data_sha256=data_sha256):
            logging.warning("%s was written by another job meanwhile, from the same training; it stays", run.cell)
            continue
        write_run(
            run,
            history=snakemake.output.history[i],
            summary=snakemake.output.summary[i],
            model=snakemake.output.model[i],
            provenance=provenance,
            definition=run_definition(snakemake.config, run.cell),
        )
    checkpoint.finish()
    announce_progress(snakemake.config["grid"], pipeline_directory(snakemake.log[0]))
