"""Judge the study's claims."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.claims import judge, summarize_verdicts, to_markdown
    from discrete_vae.consistency import read_bounds
    from discrete_vae.files import read_arrays, write_csv, write_text
    from discrete_vae.run_notes import notes_on_runs

    table = judge(
        pd.read_csv(snakemake.input.selection),
        read_bounds(snakemake.input.bounds, snakemake.config),
        read_arrays(snakemake.input.per_image),
        pd.concat([pd.read_csv(path) for path in snakemake.input.histories], ignore_index=True),
        temperature=snakemake.params.temperature,
    )
    write_csv(snakemake.output.csv, table)
    write_csv(snakemake.output.verdicts, summarize_verdicts(table))
    notes = notes_on_runs(pd.concat([pd.read_csv(path) for path in snakemake.input.summaries], ignore_index=True))
    markdown = to_markdown(table, temperature=snakemake.params.temperature, notes=notes)
    write_text(snakemake.output.markdown, markdown)
