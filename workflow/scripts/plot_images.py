"""Plot reconstructions and prior samples of one dataset and K."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from discrete_vae.files import read_arrays
    from discrete_vae.report.strips import draw_images
    from discrete_vae.report.style import save

    title = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}"
    if snakemake.input:
        seed = Path(snakemake.input[0]).parent.name.removeprefix("seed")
        title += f", selected models of seed {seed}"
    save(draw_images(read_arrays(snakemake.input), title=title), snakemake.output)
