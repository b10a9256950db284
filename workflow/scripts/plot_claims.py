"""Plot the differences behind the claims, with their intervals and verdicts."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    from discrete_vae.analysis.comparisons import read_comparisons
    from discrete_vae.report.forest import draw_claims
    from discrete_vae.report.style import save

    save(draw_claims(read_comparisons(snakemake.input[0])), snakemake.output)
