"""Judge the paper's claims."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.claims import summarize_verdicts
    from discrete_vae.analysis.comparisons import judge, notes_on_early_stops
    from discrete_vae.analysis.selection import read_bounds, selections_of
    from discrete_vae.files import read_arrays, read_tables, write_csv, write_text
    from discrete_vae.report.notes import notes_on_runs
    from discrete_vae.report.tables import claims_to_markdown

    runs = read_tables(snakemake.input.summaries)
    bounds = read_bounds(snakemake.input.bounds)
    temperature = snakemake.params.temperature
    table = judge(
        runs,
        selections_of(runs, read_tables(snakemake.input.selection)),
        bounds,
        read_arrays(snakemake.input.image_losses),
        read_tables(snakemake.input.histories),
        temperature=temperature,
    )
    write_csv(snakemake.output.csv, table)
    write_csv(snakemake.output.verdicts, summarize_verdicts(table))
    notes = [*notes_on_early_stops(runs, temperature), *notes_on_runs(runs, bounds, left_out=snakemake.params.left_out)]
    write_text(snakemake.output.markdown, claims_to_markdown(table, temperature=temperature, notes=notes))
