"""Gather the runs of a group and select the temperature of each noise law on the validation set."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.selection import gather_histories, gather_summaries, select_temperatures
    from discrete_vae.files import write_csv
    from discrete_vae.grid.groups import check_alike

    runs = gather_summaries(snakemake.input.summaries)
    check_alike(runs.to_dict("records"))
    # The evaluation of a former selection is void. A kill from here on must not leave a group that looks whole.
    Path(snakemake.output.selection).with_name("bounds.csv").unlink(missing_ok=True)
    write_csv(snakemake.output.histories, gather_histories(snakemake.input.histories, runs))
    write_csv(snakemake.output.selection, select_temperatures(runs))
    write_csv(snakemake.output.summaries, runs)
