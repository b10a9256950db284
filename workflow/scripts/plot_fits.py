"""Plot the errors of the fits to one target."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import check_fits
    from discrete_vae.figures import draw_fits, save
    from discrete_vae.targets import describe

    fits = pd.concat([pd.read_csv(path) for path in snakemake.input], ignore_index=True)
    check_fits(fits, snakemake.config, where="results/fitting")
    save(draw_fits(fits, target=describe(snakemake.wildcards.target, snakemake.params.target)), snakemake.output)
