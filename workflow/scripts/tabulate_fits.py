"""Summarize the fits of all targets and noise laws."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import check_fits
    from discrete_vae.files import write_csv
    from discrete_vae.tables import summarize_fits

    fits = pd.concat([pd.read_csv(path) for path in snakemake.input], ignore_index=True)
    check_fits(fits, snakemake.config, where="results/fitting")
    write_csv(snakemake.output[0], summarize_fits(fits))
