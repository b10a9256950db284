"""Write the table of what the selected models learned."""

from job import logged

with logged(snakemake.log[0]):
    from discrete_vae.codes import summarize_codes, to_markdown
    from discrete_vae.files import write_csv, write_text
    from discrete_vae.selection import read_bounds

    table = summarize_codes(read_bounds(snakemake.input.bounds))
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.markdown, to_markdown(table))
