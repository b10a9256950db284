"""Plot reconstructions and prior samples of one dataset and K."""

from job import logged

with logged(snakemake.log[0]):
    import numpy as np
    from discrete_vae.figures import draw_images, save

    with np.load(snakemake.input.images) as images:
        title = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}, selected models"
        save(draw_images(dict(images), title=title), snakemake.output)
