"""Plot validation loss against temperature for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.consistency import read_runs
    from discrete_vae.figures import draw_temperatures, save

    runs = read_runs(snakemake.input.summaries, snakemake.config)
    figure = draw_temperatures(runs, dataset=snakemake.wildcards.dataset, origin=runs["data_origin"].iloc[0])
    save(figure, snakemake.output)
