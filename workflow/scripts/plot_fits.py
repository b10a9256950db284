"""Plot the errors of the fits to one target."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.fitting.figure import describe, draw_fits
    from discrete_vae.report.style import save

    target = describe(snakemake.wildcards.target, snakemake.params.target)
    figure = draw_fits(read_tables(snakemake.input), target=target, laws=snakemake.params.laws)
    save(figure, snakemake.output)
