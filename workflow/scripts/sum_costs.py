"""Write what the groups have cost as CSV and Markdown."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.costs import sum_costs, to_markdown
    from discrete_vae.files import read_tables, write_csv, write_text

    costs = sum_costs(read_tables(snakemake.input))
    write_csv(snakemake.output.csv, costs)
    write_text(snakemake.output.markdown, to_markdown(costs))
