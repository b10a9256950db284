"""Select the temperature of each model on the validation set."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_runs
    from discrete_vae.files import write_csv
    from discrete_vae.selection import diverged_runs, select_temperatures

    runs = pd.concat([read_runs(path, snakemake.config) for path in snakemake.input.summaries], ignore_index=True)
    write_csv(snakemake.output.selection, select_temperatures(runs))
    write_csv(snakemake.output.diverged, diverged_runs(runs))
