"""Groups made without Snakemake, on a machine that may lack everything but torch, pandas and a GPU."""
