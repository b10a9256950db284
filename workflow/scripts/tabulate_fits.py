"""Summarize the fits of all targets and noise laws."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables, write_csv
    from discrete_vae.fitting.table import summarize_fits

    write_csv(snakemake.output[0], summarize_fits(read_tables(snakemake.input)))
