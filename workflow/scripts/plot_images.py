"""Plot reconstructions and prior samples of one dataset and K."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    from discrete_vae.analysis.selection import read_bounds
    from discrete_vae.files import read_arrays
    from discrete_vae.report.strips import draw_images
    from discrete_vae.report.style import save

    title = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}"
    losses = {}
    if snakemake.input.pictures:
        seed = Path(snakemake.input.pictures[0]).parent.name.removeprefix("seed")
        title += f", selected models of seed {seed} and their test losses"
        losses = read_bounds(snakemake.input.bounds).set_index("perturbation")["paper_loss"].to_dict()
    save(draw_images(read_arrays(snakemake.input.pictures), title=title, losses=losses), snakemake.output)
