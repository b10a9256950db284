"""Plot the errors of the fits to one target."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.figures import draw_fits, save
    from discrete_vae.files import read_tables
    from discrete_vae.targets import describe

    target = describe(snakemake.wildcards.target, snakemake.params.target)
    save(draw_fits(read_tables(snakemake.input), target=target), snakemake.output)
