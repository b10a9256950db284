"""Obtain one source file."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.data.download import obtain
    from discrete_vae.data.sources import RAW_FILE, source_file

    file = source_file(RAW_FILE.format(**snakemake.wildcards), snakemake.params.checksum)
    obtain(file, Path(snakemake.output[0]), mirror=snakemake.params.mirror)
