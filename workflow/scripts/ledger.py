"""Write the ledger as CSV and Markdown."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.files import write_csv, write_text
    from discrete_vae.ledger import summarize_costs, to_markdown

    ledger = summarize_costs([pd.read_csv(path) for path in snakemake.input])
    write_csv(snakemake.output.csv, ledger)
    write_text(snakemake.output.markdown, to_markdown(ledger))
