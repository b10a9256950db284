"""The discrete-VAE experiment of arXiv 2406.02180: what the workflow's rules compute, without Snakemake.

What the Snakefile imports, such as ``configuration``, ``cells`` and ``sources``, plans the experiment and imports no
torch, so that Snakemake plans quickly and in an environment of its own; the other modules do the work.
"""
