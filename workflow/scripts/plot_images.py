"""Plot reconstructions and prior samples of one dataset and K."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.selection import is_annealed, read_bounds
    from discrete_vae.files import read_arrays, read_tables
    from discrete_vae.report.strips import draw_images, label_models
    from discrete_vae.report.style import save

    title = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}"
    labels = {}
    if snakemake.input.pictures:
        selection, bounds = read_tables(snakemake.input.selection), read_bounds(snakemake.input.bounds)
        title += f": selected models of seed {selection['seed'].iloc[0]}, paper loss | negative ELBO in nats"
        labels = label_models(selection, bounds, annealed=is_annealed(read_tables(snakemake.input.summaries)))
    save(draw_images(read_arrays(snakemake.input.pictures), title=title, labels=labels), snakemake.output)
