"""Write a plan of the groups that are yet to be made."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.reading import read
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.grid.study import begin
    from discrete_vae.standalone.plan import write_plan

    params = snakemake.params
    images = {Path(path).stem: BinarizedDataset.load(path) for path in snakemake.input}
    data_sha256 = {dataset: loaded.manifest["sha256"] for dataset, loaded in images.items()}
    write_plan(snakemake.output[0], {**params.plan, "data_sha256": data_sha256})
    begin(Path(params.study), read(params.configuration, check_files=False))
