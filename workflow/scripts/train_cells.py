"""Train the cells of one job and write the files of each."""

import time
from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.config.reading import read
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.data.shared import check_definition
    from discrete_vae.grid.cells import Cell, asked_cells
    from discrete_vae.grid.progress import announce_progress
    from discrete_vae.grid.study import begin
    from discrete_vae.training.device import choose_device
    from discrete_vae.training.job import run_job
    from discrete_vae.training.run_files import check_images

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    study, configuration = Path(params.study), read(params.configuration, check_files=False)
    cells = [Cell.of(coordinates) for coordinates in params.cells]
    dataset = BinarizedDataset.load(snakemake.input.images)
    name = cells[0].dataset
    check_definition(Path(snakemake.input.images), dataset.manifest, params.configuration["datasets"][name])
    check_images(study, name, dataset.manifest["sha256"])
    begin(study, configuration, dataset=name)
    run_job(
        cells,
        dataset,
        study=study,
        # Outside the outputs, which Snakemake deletes when a job fails.
        checkpoint=Path(params.checkpoint),
        laws=params.configuration["perturbations"],
        options=configuration.result_options(name),
        device=choose_device(configuration.training.device, gpus=snakemake.resources.get("gpu", 0)),
        how_to_train=configuration.training.how_to_train(),
        started=started,
    )
    announce_progress(study, asked_cells(configuration), log=Path(snakemake.log[0]))
