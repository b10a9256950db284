"""Fit one target distribution with one noise law."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.config.reading import read
    from discrete_vae.files import write_csv
    from discrete_vae.fitting.fit import fit, target_probabilities
    from discrete_vae.grid.study import begin

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    configuration = read(params.configuration, check_files=False)
    begin(Path(params.study), configuration)
    target, perturbation = snakemake.wildcards.target, snakemake.wildcards.perturbation
    errors = fit(
        target_probabilities(configuration.fitting.targets[target]),
        configuration.perturbations[perturbation],
        temperatures=configuration.grid.values("temperature"),
        seeds=configuration.grid.values("seed"),
        options=configuration.fitting,
    )
    write_csv(snakemake.output[0], errors.assign(target=target, perturbation=perturbation))
