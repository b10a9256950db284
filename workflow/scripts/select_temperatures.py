"""Gather the runs of a group and select the temperature of each noise law on the validation set."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.gathering import gather_group

    run_folders = [Path(path).parent for path in snakemake.input.summaries]
    gather_group(Path(snakemake.output.selection).parent, run_folders)
