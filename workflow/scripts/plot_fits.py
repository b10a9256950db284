"""Plot the errors of the fits to one target."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.targets import describe
    from discrete_vae.files import read_tables
    from discrete_vae.report.figures import draw_fits, save

    target = describe(snakemake.wildcards.target, snakemake.params.target)
    save(draw_fits(read_tables(snakemake.input), target=target), snakemake.output)
