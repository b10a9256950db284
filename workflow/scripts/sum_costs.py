"""Write what the groups have cost as CSV and Markdown."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.costs import sum_costs
    from discrete_vae.files import read_tables, write_csv, write_text
    from discrete_vae.report.tables import costs_to_markdown

    costs = sum_costs(read_tables(snakemake.input))
    write_csv(snakemake.output.csv, costs)
    write_text(snakemake.output.markdown, costs_to_markdown(costs))
