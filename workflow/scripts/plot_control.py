"""Plot losses and gradients against the variance of the noise for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_bounds
    from discrete_vae.figures import draw_control, save
    from discrete_vae.tables import with_bounds

    dataset = snakemake.wildcards.dataset
    bounds = read_bounds(snakemake.input.bounds, snakemake.config)
    selected = with_bounds(pd.read_csv(snakemake.input.selection), bounds)
    gradients = pd.read_csv(snakemake.input.gradients)
    save(draw_control(selected[selected["dataset"] == dataset], gradients, dataset=dataset), snakemake.output)
