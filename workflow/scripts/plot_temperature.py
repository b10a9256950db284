"""Plot validation loss against temperature for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import check_runs
    from discrete_vae.figures import draw_temperatures, save

    runs = pd.read_csv(snakemake.input.summaries)
    check_runs(runs, snakemake.config, where=snakemake.input.summaries)
    figure = draw_temperatures(runs, dataset=snakemake.wildcards.dataset, origin=runs["data_origin"].iloc[0])
    save(figure, snakemake.output)
