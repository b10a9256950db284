"""Unpack the published runs of every dataset that has some."""

import logging
import os
import time

from job import logged, pipeline_directory

with logged(snakemake.log[0]):
    import pandas as pd
    from discrete_vae.cells import grid_cells
    from discrete_vae.datasets import BinarizedDataset
    from discrete_vae.errors import InputError
    from discrete_vae.ledger import unpack_benchmarks
    from discrete_vae.unpacking import unpack_runs

    directory = pipeline_directory(snakemake.log[0])
    if not list(directory.glob("results/gathered/*/summaries.csv")):
        raise InputError(
            f"{(directory / 'results/gathered').resolve()} holds no published runs, expected some to unpack;"
            " run this in the folder that has them, or copy them there"
        )
    for dataset, images in zip(snakemake.config["grid"]["dataset"], snakemake.input, strict=True):
        gathered = directory / "results/gathered" / dataset
        if not (gathered / "summaries.csv").exists():
            continue
        cells = set(grid_cells(snakemake.config["grid"], dataset=dataset))
        count = unpack_runs(
            cells,
            directory,
            pd.read_csv(gathered / "summaries.csv"),
            pd.read_csv(gathered / "histories.csv.gz"),
            config=snakemake.config,
            data_sha256=BinarizedDataset.load(images).manifest["sha256"],
        )
        if (gathered / "costs.csv").exists():
            unpack_benchmarks(pd.read_csv(gathered / "costs.csv"), directory / "results/benchmarks")
        now = time.time()
        for file in gathered.iterdir():
            os.utime(file, (now, now))  # what was made of the runs is no older than they are
        logging.info("%s: unpacked %d runs", dataset, count)
