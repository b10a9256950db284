"""Measure bias and variance of the relaxed gradient on small models of one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.files import write_csv
    from discrete_vae.gradients import measure_gradients
    from discrete_vae.training import choose_device

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    table = measure_gradients(
        snakemake.wildcards.dataset,
        BinarizedDataset.load(snakemake.input.images),
        grid=params.grid,
        perturbations=params.perturbations,
        training=params.training,
        control=params.control,
        device=choose_device(snakemake.config["training"]["device"]),
    )
    write_csv(snakemake.output[0], table)
