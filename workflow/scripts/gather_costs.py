"""Gather what each job of a dataset has cost."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.files import write_csv
    from discrete_vae.ledger import gather_costs

    dataset = snakemake.wildcards.dataset
    costs = gather_costs(
        dataset,
        snakemake.config["datasets"][dataset],
        pd.read_csv(snakemake.input.summaries),
        stacked_axes=snakemake.config["training"]["stack"],
    )
    write_csv(snakemake.output[0], costs)
