"""Plot training loss against epoch for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_runs
    from discrete_vae.figures import draw_convergence, save

    runs = read_runs(snakemake.input.summaries, snakemake.config)
    figure = draw_convergence(
        pd.read_csv(snakemake.input.histories),
        dataset=snakemake.wildcards.dataset,
        origin=runs["data_origin"].iloc[0],
        temperature=snakemake.params.temperature,
    )
    save(figure, snakemake.output)
