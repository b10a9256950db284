"""Plot the differences behind the claims, with their intervals and verdicts."""

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.report.forest import draw_claims
    from discrete_vae.report.style import save

    save(draw_claims(pd.read_csv(snakemake.input[0])), snakemake.output)
