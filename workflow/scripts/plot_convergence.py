"""Plot training loss against epoch for one dataset."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.files import read_tables
    from discrete_vae.report.curves import draw_convergence, without_control_laws
    from discrete_vae.report.style import save

    runs = read_tables(snakemake.input.summaries)
    figure = draw_convergence(
        read_tables(snakemake.input.histories),
        without_control_laws(runs) if snakemake.params.of_the_control else runs,
        temperature=snakemake.params.temperature,
        laws=snakemake.params.laws,
    )
    save(figure, snakemake.output)
