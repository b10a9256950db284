"""Measure bias and variance of the relaxed gradient on small models of one dataset and seed."""

from pathlib import Path

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.control.gradients import measure_gradients
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.files import write_csv
    from discrete_vae.grid.cells import Cell
    from discrete_vae.grid.study import begin
    from discrete_vae.training.loop import choose_device

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    begin(Path(params.study), snakemake.config)
    dataset, seed = snakemake.wildcards.gradients.split("/")
    of_all = {"dataset": dataset, "K": params.control["K"], "seed": seed.removeprefix("seed")}
    table = measure_gradients(
        [Cell.of({**of_all, **point}) for point in params.points],
        BinarizedDataset.load(snakemake.input.images),
        perturbations=params.perturbations,
        training=params.training,
        control=params.control,
        device=choose_device(snakemake.config["training"]["device"]),
    )
    write_csv(snakemake.output[0], table)
