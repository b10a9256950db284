"""Plot validation loss against temperature for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.figures import draw_temperatures, save

    runs = read_tables(snakemake.input.summaries)
    save(draw_temperatures(runs, dataset=snakemake.wildcards.dataset), snakemake.output)
