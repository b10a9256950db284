"""Gather the summaries and histories of a dataset's runs."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.cells import grid_cells
    from discrete_vae.consistency import check_runs
    from discrete_vae.files import write_csv
    from discrete_vae.selection import gather_histories, gather_summaries, provenance

    cells = grid_cells(snakemake.config["grid"], dataset=snakemake.wildcards.dataset)
    runs = gather_summaries(snakemake.input.summaries)
    check_runs(runs, snakemake.config, where=f"results/runs/{snakemake.wildcards.dataset}")
    write_csv(snakemake.output.summaries, runs)
    write_csv(snakemake.output.provenance, provenance(runs))
    write_csv(snakemake.output.histories, gather_histories(snakemake.input.histories, cells))
