"""Evaluate the bounds of the selected models of one dataset, K and seed: of one noise law, or of a stack of them."""

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.bounds import evaluate_selected
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.files import write_arrays, write_csv
    from discrete_vae.selection import models_of_law
    from discrete_vae.training import choose_device

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    test_images = BinarizedDataset.load(snakemake.input.images).splits["test"]
    device = choose_device(snakemake.config["training"]["device"])
    for i, perturbation in enumerate(params.perturbations):
        table, per_image = evaluate_selected(
            models_of_law(snakemake.input.summaries, snakemake.input.models, perturbation),
            test_images,
            perturbations=params.perturbations,
            variables=params.model["variables"],
            samples=params.samples,
            device=device,
        )
        write_csv(snakemake.output.bounds[i], table)
        write_arrays(snakemake.output.per_image[i], per_image)
