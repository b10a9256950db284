"""Plot losses and gradients against the variance of the noise for one dataset."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.control import losses_of_laws
    from discrete_vae.figures import draw_control, save
    from discrete_vae.files import read_tables
    from discrete_vae.selection import read_bounds

    losses = losses_of_laws(
        read_tables(snakemake.input.selection),
        read_bounds(snakemake.input.bounds),
        read_tables(snakemake.input.histories),
        temperature=snakemake.params.temperature,
    )
    gradients = read_tables(snakemake.input.gradients)
    save(draw_control(losses, gradients, dataset=snakemake.wildcards.dataset), snakemake.output)
