"""Plot training loss against epoch for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.curves import draw_convergence
    from discrete_vae.report.style import save

    figure = draw_convergence(
        read_tables(snakemake.input.histories),
        read_tables(snakemake.input.summaries),
        dataset=snakemake.wildcards.dataset,
        temperature=snakemake.params.temperature,
    )
    save(figure, snakemake.output)
