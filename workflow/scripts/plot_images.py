"""Plot reconstructions and prior samples of one dataset and K."""

from job import logged

with logged(snakemake.log[0]):
    import numpy as np
    from discrete_vae.figures import draw_images, save

    wildcards, seed = snakemake.wildcards, snakemake.params.seed
    with np.load(snakemake.input.images) as images:
        title = f"{wildcards.dataset}, $K$ = {wildcards.K}, selected models of seed {seed}"
        save(draw_images(dict(images), title=title), snakemake.output)
