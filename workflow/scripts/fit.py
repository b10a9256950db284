"""Fit one target distribution with one noise law."""

from pathlib import Path

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.files import write_csv
    from discrete_vae.fitting.fit import fit, target_probabilities
    from discrete_vae.grid.study import begin

    torch.set_num_threads(snakemake.threads)
    begin(Path(snakemake.params.study), snakemake.config)
    definition = snakemake.params.definition
    target, perturbation = snakemake.wildcards.fit.split("/")
    errors = fit(
        target_probabilities(definition["target"]),
        definition["law"],
        temperatures=snakemake.params.temperatures,
        seeds=snakemake.params.seeds,
        **definition["options"],
    )
    write_csv(snakemake.output[0], errors.assign(target=target, perturbation=perturbation))
