"""Train the cells of one job and write the files of each."""

import time
from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.config.definitions import law_of
    from discrete_vae.config.options import Evaluation, Model, Training
    from discrete_vae.config.reading import read
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.grid.cells import Cell, asked_cells
    from discrete_vae.grid.study import begin
    from discrete_vae.training.loop import choose_device, train
    from discrete_vae.training.resume_point import ResumePoint, identity_of
    from discrete_vae.training.run_files import announce_progress, check_images, environment, write_run

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    params, output = snakemake.params, snakemake.output
    study, configuration = Path(params.study), read(params.configuration, check_files=False)
    cells = [Cell.of(coordinates) for coordinates in params.cells]
    dataset = BinarizedDataset.load(snakemake.input.images)
    data_sha256 = dataset.manifest["sha256"]
    check_images(study, cells[0].dataset, data_sha256)
    begin(study, configuration)
    device = choose_device(params.device)
    options = params.options
    torch.set_float32_matmul_precision(options["training"]["matmul_precision"])
    identity = identity_of(cells, laws=params.laws, data_sha256=data_sha256, device=device, options=options)
    # Outside the outputs, which Snakemake deletes when a job fails.
    with ResumePoint(Path(params.checkpoint), identity) as resume_point:
        runs = train(
            cells,
            dataset,
            laws={name: law_of(definition) for name, definition in params.laws.items()},
            model=Model(**options["model"]),
            training=Training.of(options["training"]),
            evaluation=Evaluation(**options["evaluation"]),
            device=device,
            resume_point=resume_point,
        )
    provenance = {
        "data_sha256": data_sha256,
        "data_origin": dataset.manifest["origin"],
        "cells_in_job": len(cells),
        "training_seconds": round(runs[0].seconds, 3),
        "wall_seconds": round(time.monotonic() - started, 3),
        **environment(device),
    }
    for run, *files in zip(runs, output.history, output.summary, output.model, strict=True):
        history, summary, model = files
        definition = {"law": params.laws[run.cell.perturbation], **options}
        write_run(run, history=history, summary=summary, model=model, provenance=provenance, definition=definition)
    resume_point.finish()
    announce_progress(study, asked_cells(configuration), log=Path(snakemake.log[0]))
