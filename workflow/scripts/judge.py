"""Judge the study's claims."""

from job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.claims import compare_convergence, compare_test_losses, summarize_verdicts, to_markdown
    from discrete_vae.files import read_arrays, write_csv, write_text
    from discrete_vae.tables import read_bounds

    selection = pd.read_csv(snakemake.input.selection)
    bounds = read_bounds(snakemake.input.bounds)
    histories = pd.concat([pd.read_csv(path) for path in snakemake.input.histories], ignore_index=True)
    temperature = snakemake.params.temperature
    per_image = read_arrays(snakemake.input.per_image)
    comparisons = [compare_test_losses(selection, bounds, per_image), compare_convergence(histories, temperature)]
    # An empty table would turn the numbers of the other one into objects.
    table = pd.concat([comparison for comparison in comparisons if len(comparison)] or comparisons, ignore_index=True)
    write_csv(snakemake.output.csv, table)
    write_csv(snakemake.output.verdicts, summarize_verdicts(table))
    write_text(snakemake.output.markdown, to_markdown(table, temperature=temperature))
