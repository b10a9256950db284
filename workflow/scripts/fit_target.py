"""Fit one target distribution with one noise law."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.config.definitions import law_of, target_of
    from discrete_vae.config.options import Fit
    from discrete_vae.config.reading import read
    from discrete_vae.files import write_csv
    from discrete_vae.fitting.fit import fit, target_probabilities
    from discrete_vae.grid.study import begin

    torch.set_num_threads(snakemake.threads)
    params = snakemake.params
    begin(Path(params.study), read(params.configuration, check_files=False))
    target, perturbation = snakemake.wildcards.fit.split("/")
    errors = fit(
        target_probabilities(target_of(params.target)),
        law_of(params.law),
        temperatures=params.temperatures,
        seeds=params.seeds,
        options=Fit(**params.fit),
    )
    write_csv(snakemake.output[0], errors.assign(target=target, perturbation=perturbation))
