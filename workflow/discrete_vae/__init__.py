"""The discrete-VAE experiment of arXiv 2406.02180: what the workflow's rules compute, without Snakemake.

``configuration``, ``cells`` and ``sources`` plan the experiment and import no torch, so that Snakemake plans quickly
and in an environment of its own; the other modules do the work.
"""
