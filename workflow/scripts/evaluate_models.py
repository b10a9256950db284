"""Evaluate the selected models of a group on the test set, once."""

import time

from discrete_vae_job import logged

with logged(snakemake.log[0]):
    import pandas as pd
    import torch
    from discrete_vae.analysis.costs import group_costs
    from discrete_vae.analysis.selection import NEGATIVE_ELBO, select_temperatures
    from discrete_vae.data.dataset import BinarizedDataset
    from discrete_vae.evaluation.bounds import evaluate_selected
    from discrete_vae.evaluation.pictures import draw_selected
    from discrete_vae.evaluation.selected import selected_models
    from discrete_vae.files import write_arrays, write_csv
    from discrete_vae.training.loop import choose_device
    from discrete_vae.training.run_files import environment

    started = time.monotonic()
    torch.set_num_threads(snakemake.threads)
    device = choose_device(snakemake.params.device)
    dataset = BinarizedDataset.load(snakemake.input.images)
    runs = pd.read_csv(snakemake.input.summaries)
    selections = [pd.read_csv(snakemake.input.selection), select_temperatures(runs, by=NEGATIVE_ELBO)]
    by_paper_loss, by_negative_elbo = (
        selected_models(runs, selection, snakemake.input.models, data_sha256=dataset.manifest["sha256"])
        for selection in selections
    )
    models = list(dict.fromkeys([*by_paper_loss, *by_negative_elbo]))
    bounds, image_losses = evaluate_selected(
        models, dataset.splits["test"], samples=snakemake.params.samples, device=device
    )
    write_arrays(snakemake.output.pictures, draw_selected(by_paper_loss, dataset))
    write_arrays(snakemake.output.image_losses, image_losses)
    write_csv(snakemake.output.costs, group_costs(runs, time.monotonic() - started, environment(device)))
    write_csv(snakemake.output.bounds, bounds)
