"""Write the results table as CSV, Markdown and LaTeX, and what lies behind it."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.analysis.losses import summarize_test_losses
    from discrete_vae.analysis.selection import diverged_runs, read_bounds, selections_of
    from discrete_vae.files import read_arrays, read_tables, write_csv, write_text
    from discrete_vae.report.notes import describe_runs
    from discrete_vae.report.results import results_notes, results_to_latex, results_to_markdown

    runs = read_tables(snakemake.input.summaries)
    bounds = read_bounds(snakemake.input.bounds)
    selections = selections_of(runs, read_tables(snakemake.input.selection))
    table = summarize_test_losses(selections, bounds, read_arrays(snakemake.input.image_losses))
    notes = results_notes(table, runs, bounds, left_out=snakemake.params.left_out)
    write_csv(snakemake.output.csv, table)
    write_text(snakemake.output.markdown, results_to_markdown(table, notes))
    write_text(snakemake.output.latex, results_to_latex(table, notes))
    write_csv(snakemake.output.selection, pd.concat(selections, names=["selected_by"]).reset_index("selected_by"))
    write_csv(snakemake.output.diverged, diverged_runs(runs))
    write_csv(snakemake.output.runs, describe_runs(runs))
