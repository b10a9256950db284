"""Train the cells of one job and write the files of each."""

import time
from pathlib import Path

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.grid.cells import Cell
    from discrete_vae.grid.study import begin
    from discrete_vae.training.loop import choose_device, train
    from discrete_vae.training.resume_point import Checkpoint, identity_of
    from discrete_vae.training.run_files import announce_progress, check_images, environment, write_run

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    study = Path(snakemake.params.study)
    device = choose_device(snakemake.config["training"]["device"])
    dataset = BinarizedDataset.load(snakemake.input.images)
    data_sha256 = dataset.manifest["sha256"]
    cells = [Cell.of(coordinates) for coordinates in snakemake.params.cells]
    check_images(study, cells[0].dataset, data_sha256)
    begin(study, snakemake.config)
    perturbations, options = snakemake.params.perturbations, snakemake.params.options
    torch.set_float32_matmul_precision(options["training"]["matmul_precision"])
    identity = identity_of(cells, perturbations=perturbations, data_sha256=data_sha256, device=device, options=options)
    # Outside the outputs, which Snakemake deletes when a job fails.
    with Checkpoint(Path(snakemake.params.checkpoint), identity) as checkpoint:
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
        write_run(
            run,
            history=snakemake.output.history[i],
            summary=snakemake.output.summary[i],
            model=snakemake.output.model[i],
            provenance=provenance,
            definition={"law": perturbations[run.cell.perturbation], **options},
        )
    checkpoint.finish()
    announce_progress(study, snakemake.config, log=Path(snakemake.log[0]))
