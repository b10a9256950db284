"""Plot reconstructions and prior samples of one dataset and K."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.figures import draw_images, save
    from discrete_vae.files import read_arrays

    wildcards, seed = snakemake.wildcards, snakemake.params.seed
    title = f"{wildcards.dataset}, $K$ = {wildcards.K}, selected models of seed {seed}"
    save(draw_images(read_arrays(snakemake.input.images), title=title), snakemake.output)
