"""Plot validation loss against epoch at the selected temperatures of one dataset."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.figures import draw_validation, save
    from discrete_vae.files import read_tables
    from discrete_vae.selection import read_summaries

    figure = draw_validation(
        read_tables(snakemake.input.histories),
        read_summaries(snakemake.input.summaries),
        dataset=snakemake.wildcards.dataset,
    )
    save(figure, snakemake.output)
