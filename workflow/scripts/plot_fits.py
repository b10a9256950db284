"""Plot the errors of the fits to one target."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.consistency import read_fits
    from discrete_vae.figures import draw_fits, save
    from discrete_vae.targets import describe

    fits = read_fits(snakemake.input, snakemake.config)
    save(draw_fits(fits, target=describe(snakemake.wildcards.target, snakemake.params.target)), snakemake.output)
