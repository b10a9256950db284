"""Plot validation loss against epoch at the selected temperatures of one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.curves import draw_validation
    from discrete_vae.report.style import save

    figure = draw_validation(
        read_tables(snakemake.input.histories),
        read_tables(snakemake.input.summaries),
        laws=snakemake.params.laws,
    )
    save(figure, snakemake.output)
