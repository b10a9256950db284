"""Plot validation loss against temperature for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.curves import draw_temperatures
    from discrete_vae.report.style import save

    figure = draw_temperatures(read_tables(snakemake.input.summaries), laws=snakemake.params.laws)
    save(figure, snakemake.output)
