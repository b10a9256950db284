"""Save the effective configuration beside the results."""

from job import logged

with logged(snakemake.log[0]):
    import yaml
    from discrete_vae.files import write_text

    write_text(snakemake.output[0], yaml.safe_dump(snakemake.params.config, sort_keys=False, default_flow_style=None))
