"""Plot reconstructions and prior samples of one dataset and K."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from discrete_vae.analysis.selection import read_bounds
    from discrete_vae.files import read_arrays, read_tables
    from discrete_vae.report.strips import draw_images, paper_losses
    from discrete_vae.report.style import save

    title = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}"
    losses = {}
    if snakemake.input.pictures:
        seed = Path(snakemake.input.pictures[0]).parent.name.removeprefix("seed")
        title += f", selected models of seed {seed} with their paper loss on the test set"
        losses = paper_losses(read_tables(snakemake.input.selection), read_bounds(snakemake.input.bounds))
    save(draw_images(read_arrays(snakemake.input.pictures), title=title, losses=losses), snakemake.output)
