"""Binarize and split one dataset."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.definitions import source_of
    from discrete_vae.data.binarization import binarize

    dataset = binarize(source_of(snakemake.params.definition), [Path(path) for path in snakemake.input])
    dataset.save(snakemake.output[0])
