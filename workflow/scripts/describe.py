"""Write the table of what the selected models learned."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.codes import summarize_codes, to_markdown
    from discrete_vae.files import write_csv, write_text

    table = summarize_codes(pd.concat([pd.read_csv(path) for path in snakemake.input.bounds], ignore_index=True))
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.markdown, to_markdown(table))
