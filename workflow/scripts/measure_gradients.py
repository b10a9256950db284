"""Measure bias and variance of the relaxed gradient on small models of one dataset and seed."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.config.reading import read
    from discrete_vae.control.gradients import measure_gradients
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.data.shared import check_definition
    from discrete_vae.files import write_csv
    from discrete_vae.grid.cells import Cell
    from discrete_vae.grid.study import begin
    from discrete_vae.training.device import choose_device
    from discrete_vae.training.run_files import check_images

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    study, configuration = Path(params.study), read(params.configuration, check_files=False)
    name = snakemake.wildcards.dataset
    dataset = BinarizedDataset.load(snakemake.input.images)
    check_definition(Path(snakemake.input.images), dataset.manifest, params.configuration["datasets"][name])
    check_images(study, name, dataset.manifest["sha256"])
    begin(study, configuration)
    of_all = {**snakemake.wildcards, "K": configuration.control.K}
    table = measure_gradients(
        [Cell.of({**of_all, **point}) for point in params.points],
        dataset,
        laws=configuration.perturbations,
        training=configuration.training,
        small_models=configuration.control,
        device=choose_device(configuration.training.device, gpus=snakemake.resources.get("gpu", 0)),
    )
    write_csv(snakemake.output[0], table.assign(data_sha256=dataset.manifest["sha256"]))
