"""Plot validation loss against temperature for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.curves import draw_temperatures
    from discrete_vae.report.style import save

    runs = read_tables(snakemake.input.summaries)
    figure = draw_temperatures(runs, dataset=snakemake.wildcards.dataset, laws=snakemake.params.laws)
    save(figure, snakemake.output)
