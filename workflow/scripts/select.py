"""Select the temperature of each model on the validation set."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import check_runs
    from discrete_vae.files import write_csv
    from discrete_vae.selection import diverged_runs, select_temperatures

    of_datasets = {path: pd.read_csv(path) for path in snakemake.input.summaries}
    for path, runs in of_datasets.items():
        check_runs(runs, snakemake.config, where=path)
    runs = pd.concat(of_datasets.values(), ignore_index=True)
    write_csv(snakemake.output.selection, select_temperatures(runs))
    write_csv(snakemake.output.diverged, diverged_runs(runs))
