"""Plot losses and gradients against the variance of the noise for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_bounds
    from discrete_vae.control import losses_of_laws
    from discrete_vae.figures import draw_control, save

    dataset = snakemake.wildcards.dataset
    selection = pd.read_csv(snakemake.input.selection)
    losses = losses_of_laws(
        selection[selection["dataset"] == dataset],
        read_bounds(snakemake.input.bounds, snakemake.config),
        pd.read_csv(snakemake.input.histories),
        temperature=snakemake.params.temperature,
    )
    save(draw_control(losses, pd.read_csv(snakemake.input.gradients), dataset=dataset), snakemake.output)
