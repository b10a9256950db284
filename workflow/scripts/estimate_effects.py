"""Estimate what the scale and the shape of the noise do."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.selection import law_definitions, read_bounds
    from discrete_vae.control.comparison import (
        control_to_markdown,
        estimate_effects,
        losses_of_laws,
        notes_on_training_loss,
    )
    from discrete_vae.files import read_tables, write_csv, write_text
    from discrete_vae.report.notes import notes_on_runs

    temperature = snakemake.params.temperature
    runs = read_tables(snakemake.input.summaries)
    bounds = read_bounds(snakemake.input.bounds)
    losses = losses_of_laws(
        read_tables(snakemake.input.selection),
        bounds,
        runs,
        temperature=temperature,
    )
    table = estimate_effects(losses, law_definitions(runs))
    write_csv(snakemake.output.csv, table)
    about_runs = notes_on_runs(runs, bounds, left_out=snakemake.params.left_out)
    notes = [*notes_on_training_loss(runs, temperature), *about_runs]
    write_text(snakemake.output.markdown, control_to_markdown(table, temperature=temperature, notes=notes))
