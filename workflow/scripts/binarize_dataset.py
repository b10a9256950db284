"""Binarize and split one dataset."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.definitions import source_of
    from discrete_vae.data.binarization import binarize
    from discrete_vae.files import write_json

    dataset = binarize(source_of(snakemake.params.definition), [Path(path) for path in snakemake.input])
    write_json(snakemake.output.manifest, dataset.manifest)
    dataset.save(snakemake.output.images)  # last: where it is, the dataset is finished
