"""Write the groups that are there, with the checksums of their files, as CSV."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from pathlib import Path

    import pandas as pd
    from discrete_vae.files import write_csv
    from discrete_vae.grid.drawn import rows_of_groups

    folders = dict.fromkeys(Path(file).parent for file in snakemake.input)
    write_csv(snakemake.output[0], pd.DataFrame(rows_of_groups(folders)))
