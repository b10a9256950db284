"""Obtain one source file."""

from pathlib import Path

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.download import obtain
    from discrete_vae.sources import RAW_FILE, find_source_file

    file = find_source_file(snakemake.config, RAW_FILE.format(**snakemake.wildcards))
    obtain(file, Path(snakemake.output[0]), mirror=snakemake.config["mirror"])
