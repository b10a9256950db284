"""Write the table of what the selected models learned."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.codes import summarize_codes
    from discrete_vae.analysis.selection import read_bounds
    from discrete_vae.files import read_tables, write_csv, write_text
    from discrete_vae.report.tables import codes_to_markdown

    table = summarize_codes(read_tables(snakemake.input.selection), read_bounds(snakemake.input.bounds))
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.markdown, codes_to_markdown(table))
