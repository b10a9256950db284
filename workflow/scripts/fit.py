"""Fit one target distribution with one noise law."""

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.files import write_csv
    from discrete_vae.fitting import fit, target_probabilities

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    errors = fit(
        target_probabilities(params.target),
        params.perturbation,
        temperatures=params.temperatures,
        seeds=params.seeds,
        **params.options,
    )
    write_csv(snakemake.output[0], errors.assign(**snakemake.wildcards))
