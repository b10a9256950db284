"""Obtain one source file."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.configuration import datasets_of
    from discrete_vae.data.download import obtain
    from discrete_vae.data.sources import RAW_FILE, find_source_file

    config = snakemake.config
    file = find_source_file(config, RAW_FILE.format(**snakemake.wildcards), first=datasets_of(config))
    obtain(file, Path(snakemake.output[0]), mirror=config["mirror"])
