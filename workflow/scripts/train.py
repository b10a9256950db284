"""Train the cells of one job and write the files of each."""

import time

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.cells import Cell
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.results import environment, write_run
    from discrete_vae.training import choose_device, train

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    device = choose_device(snakemake.config["training"]["device"])
    dataset = BinarizedDataset.load(snakemake.input.images)
    cells = [Cell.of(coordinates) for coordinates in snakemake.params.cells]
    perturbations = snakemake.params.perturbations
    options = {section: snakemake.params[section] for section in ("model", "training", "evaluation")}
    runs = train(cells, dataset, perturbations=perturbations, device=device, **options)
    wall_seconds = round(time.monotonic() - started, 3)
    provenance = {
        "data_sha256": dataset.manifest["sha256"],
        "data_origin": dataset.manifest["origin"],
        "cells_in_job": len(cells),
        "wall_seconds": wall_seconds,
        **environment(device),
    }
    for i, run in enumerate(runs):
        write_run(
            run,
            history=snakemake.output.history[i],
            summary=snakemake.output.summary[i],
            model=snakemake.output.model[i],
            provenance=provenance,
            options={"law": perturbations[run.cell.perturbation], **options},
        )
