"""Fit one target distribution with one noise law."""

import json

from job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.files import write_csv
    from discrete_vae.fitting import fit, target_probabilities

    torch.set_num_threads(snakemake.threads)
    definition = snakemake.params.definition
    errors = fit(
        target_probabilities(definition["target"]),
        definition["law"],
        temperatures=snakemake.params.temperatures,
        seeds=snakemake.params.seeds,
        **definition["options"],
    )
    write_csv(snakemake.output[0], errors.assign(**snakemake.wildcards, definition=json.dumps(definition)))
