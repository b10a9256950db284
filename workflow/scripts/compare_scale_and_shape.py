"""Compare the noise laws that differ in scale or in shape only."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_bounds
    from discrete_vae.control import compare_scale_and_shape, losses_of_laws, to_markdown
    from discrete_vae.files import write_csv, write_text
    from discrete_vae.run_notes import notes_on_runs

    temperature = snakemake.params.temperature
    selection = pd.read_csv(snakemake.input.selection)
    losses = losses_of_laws(
        selection[selection["dataset"].isin(snakemake.params.datasets)],
        read_bounds(snakemake.input.bounds, snakemake.config),
        pd.concat([pd.read_csv(path) for path in snakemake.input.histories], ignore_index=True),
        temperature=temperature,
    )
    gradients = pd.concat([pd.read_csv(path) for path in snakemake.input.gradients], ignore_index=True)
    variances = gradients.groupby("perturbation")["noise_variance"].first().to_dict()
    table = compare_scale_and_shape(losses, snakemake.params.perturbations, variances)
    write_csv(snakemake.output.csv, table)
    notes = notes_on_runs(pd.concat([pd.read_csv(path) for path in snakemake.input.summaries], ignore_index=True))
    write_text(snakemake.output.markdown, to_markdown(table, temperature=temperature, notes=notes))
