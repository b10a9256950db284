"""Draw reconstructions and prior samples of the selected models of a dataset and K: of one noise law, or a stack."""

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.files import write_arrays
    from discrete_vae.images import draw_selected
    from discrete_vae.selection import models_of_law

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    dataset = BinarizedDataset.load(snakemake.input.images)
    for perturbation, output in zip(params.perturbations, snakemake.output, strict=True):
        drawn = draw_selected(
            models_of_law(snakemake.input.summaries, snakemake.input.models, perturbation),
            dataset,
            perturbations=params.perturbations,
            variables=params.model["variables"],
            seed=params.samples_seed,
        )
        write_arrays(output, drawn)
