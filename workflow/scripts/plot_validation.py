"""Plot validation loss against epoch at the selected temperatures of one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_runs
    from discrete_vae.figures import draw_validation, save

    runs = read_runs(snakemake.input.summaries, snakemake.config)
    figure = draw_validation(
        pd.read_csv(snakemake.input.histories),
        runs,
        dataset=snakemake.wildcards.dataset,
        origin=runs["data_origin"].iloc[0],
    )
    save(figure, snakemake.output)
