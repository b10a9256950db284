"""Plot reconstructions and prior samples of one dataset and K."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.selection import read_bounds
    from discrete_vae.files import read_arrays, read_tables
    from discrete_vae.report.strips import describe_models, draw_images
    from discrete_vae.report.style import save

    title, labels = f"{snakemake.wildcards.dataset}, $K$ = {snakemake.wildcards.K}", {}
    if snakemake.input.pictures:
        selection, runs = (read_tables(snakemake.input[name]) for name in ("selection", "summaries"))
        of_models, labels = describe_models(selection, read_bounds(snakemake.input.bounds), runs)
        title = f"{title}: {of_models}"
    save(draw_images(read_arrays(snakemake.input.pictures), title=title, labels=labels), snakemake.output)
