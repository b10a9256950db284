"""Plot losses and gradients against the variance of the noise for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.selection import law_definitions, read_bounds
    from discrete_vae.control.comparison import losses_of_laws
    from discrete_vae.control.figure import draw_control
    from discrete_vae.files import read_tables
    from discrete_vae.report.style import save

    runs = read_tables(snakemake.input.summaries)
    losses = losses_of_laws(
        read_tables(snakemake.input.selection),
        read_bounds(snakemake.input.bounds),
        runs,
        temperature=snakemake.params.temperature,
    )
    figure = draw_control(
        losses,
        read_tables(snakemake.input.gradients),
        law_definitions(runs),
        laws=snakemake.params.laws,
    )
    save(figure, snakemake.output)
