"""Groups made without Snakemake, on a machine with a GPU, torch, pandas and pillow."""
