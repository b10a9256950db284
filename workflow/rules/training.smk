"""Training: one job per cell, or per stack of cells.

Needs:  data/{dataset}.npz
Makes:  for each cell, under results/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}/
            history.csv   losses of every epoch
            summary.json  the best epoch, its validation and test losses, hardware, versions
            model.pt      the weights of the best epoch, a state dict
Steps:  train; on request unpack, which makes history.csv and summary.json of published runs from results/gathered/
"""

stacked_axes = {axis: config["grid"][axis] for axis in config["training"]["stack"]}


rule train:
    input:
        images="data/{dataset}.npz",
    output:
        history=expand(
            f"{cells.CELL_DIRECTORY}/history.csv", **stacked_axes, allow_missing=True
        ),
        summary=expand(
            f"{cells.CELL_DIRECTORY}/summary.json", **stacked_axes, allow_missing=True
        ),
        model=expand(
            f"{cells.CELL_DIRECTORY}/model.pt", **stacked_axes, allow_missing=True
        ),
    log:
        cells.job_path(f"logs/train/{cells.CELL_LABEL}.log", stacked_axes),
    benchmark:
        cells.job_path(f"results/benchmarks/train/{cells.CELL_LABEL}.tsv", stacked_axes)
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=configuration.gpus_per_job(config["training"]["device"]),
    params:
        cells=lambda wildcards: cells.stack_coordinates(wildcards, stacked_axes),
        perturbations=lambda wildcards: cells.perturbations_of(
            wildcards, stacked_axes, config["perturbations"]
        ),
        options=lambda wildcards: configuration.result_options(
            config, wildcards.dataset
        ),
    script:
        "../scripts/train.py"


rule unpack:
    input:
        expand("data/{dataset}.npz", dataset=config["grid"]["dataset"]),
    log:
        "logs/unpack.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/unpack.py"
