"""Write a plan of the groups that are yet to be made."""

from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.config.reading import read
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.grid.study import begin
    from discrete_vae.standalone.plan import write_plan

    params = snakemake.params
    data = {Path(path).stem: BinarizedDataset.load_manifest(path) for path in snakemake.input}
    write_plan(Path(params.study, "plan.json"), {**params.plan, "data": data})
    begin(Path(params.study), read(params.configuration, check_files=False))
