"""Gather what each job of a dataset has cost."""

from job import logged, pipeline_directory

with logged(snakemake.log[0]):
    from discrete_vae.files import write_csv
    from discrete_vae.ledger import gather_costs
    from discrete_vae.selection import gather_summaries

    dataset = snakemake.wildcards.dataset
    costs = gather_costs(
        dataset,
        snakemake.config["datasets"][dataset],
        gather_summaries(snakemake.input.runs),
        stacked_axes=snakemake.config["training"]["stack"],
        benchmarks=pipeline_directory(snakemake.log[0]) / "results/benchmarks",
    )
    write_csv(snakemake.output[0], costs)
