"""Evaluate the selected models of a group on the test set, once."""

import time
from pathlib import Path

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import torch
    from discrete_vae.analysis.group_evaluation import evaluate_group
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.grid.cells import Group
    from discrete_vae.training.device import choose_device

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    evaluate_group(
        Path(snakemake.params.study),
        Group(snakemake.wildcards.dataset, int(snakemake.wildcards.K), int(snakemake.wildcards.seed)),
        BinarizedDataset.load(snakemake.input.images),
        samples=snakemake.params.samples,
        keep_models=snakemake.params.keep_models,
        device=choose_device(snakemake.params.device, gpus=snakemake.resources.get("gpu", 0)),
        started=started,
    )
