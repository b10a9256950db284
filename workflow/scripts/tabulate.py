"""Write the results table as CSV, Markdown and LaTeX."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.consistency import read_bounds
    from discrete_vae.files import read_arrays, write_csv, write_text
    from discrete_vae.published import read_published
    from discrete_vae.tables import beside_published, notes, summarize_test_losses, to_latex, to_markdown

    runs = pd.concat([pd.read_csv(path) for path in snakemake.input.summaries], ignore_index=True)
    bounds = read_bounds(snakemake.input.bounds, snakemake.config)
    per_image = read_arrays(snakemake.input.per_image)
    table = summarize_test_losses(pd.read_csv(snakemake.input.selection), bounds, per_image)
    for path in snakemake.input.published:
        published = read_published(path, snakemake.config["datasets"], snakemake.config["perturbations"])
        table = beside_published(table, published)
    table_notes = notes(table, runs)
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.markdown, to_markdown(table, table_notes))
    write_text(snakemake.output.latex, to_latex(table, table_notes))
