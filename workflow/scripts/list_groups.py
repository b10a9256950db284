"""Write the groups that are there, with the checksums of their files, as CSV."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from discrete_vae.grid.drawn import list_groups

    list_groups(Path(snakemake.output[0]), {Path(file).parent for file in snakemake.input})
