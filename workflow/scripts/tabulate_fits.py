"""Summarize the fits of all targets and noise laws."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.consistency import read_fits
    from discrete_vae.files import write_csv
    from discrete_vae.tables import summarize_fits

    fits = read_fits(snakemake.input, snakemake.config)
    write_csv(snakemake.output[0], summarize_fits(fits))
