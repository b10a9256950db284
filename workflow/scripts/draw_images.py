"""Draw reconstructions and prior samples from the selected models of one dataset, K and seed."""

from job import logged

IMAGES = 10

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.files import write_arrays
    from discrete_vae.generators import generator
    from discrete_vae.images import choose_images, load_model, reconstruct, sample_prior
    from discrete_vae.perturbations import NoiseSource, distribution
    from discrete_vae.selection import selected_models

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    dataset = BinarizedDataset.load(snakemake.input.images)
    images = choose_images(dataset.splits["test"], count=IMAGES, seed=params.samples_seed)
    drawn = {"data": 255 * images}
    for cell, path in selected_models(snakemake.input.summaries, snakemake.input.models).items():
        model = load_model(path, variables=params.model["variables"])
        law = distribution(params.perturbations[cell.perturbation])
        noise = NoiseSource(law, generator(params.samples_seed, "reconstruction noise"))
        drawn[f"{cell.perturbation}/reconstructions"] = reconstruct(model, images, noise)
        drawn[f"{cell.perturbation}/samples"] = sample_prior(
            model, dataset.image_shape, count=IMAGES, seed=params.samples_seed
        )
    write_arrays(snakemake.output[0], drawn)
