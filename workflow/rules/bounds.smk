"""Bounds: what the selected models are worth as likelihoods, whatever the law of their noise.

Needs:  data/{dataset}.npz, the models, results/gathered/{dataset}/summaries.csv
Makes:  results/gathered/{dataset}/bounds-K{K}.csv  negative ELBO and importance-weighted bound of the selected models
        results/gathered/{dataset}/bounds-K{K}.npz  the same for each test image
Steps:  bound
"""


rule bound:
    input:
        images="data/{dataset}.npz",
        # New runs bring new models; the table alone, such as a published one, does not ask for models.
        summaries=ancient("results/gathered/{dataset}/summaries.csv"),
        models=lambda wildcards: cells.cell_files(
            config["grid"], "model.pt", dataset=wildcards.dataset, K=wildcards.K
        ),
    output:
        bounds="results/gathered/{dataset}/bounds-K{K}.csv",
        per_image="results/gathered/{dataset}/bounds-K{K}.npz",
    log:
        "logs/bound/{dataset}-K{K}.log",
    benchmark:
        "results/benchmarks/bound/{dataset}-K{K}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3_000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        gpu=configuration.gpus_per_job(config["training"]["device"]),
    params:
        perturbations=cells.grid_perturbations(config),
        model=config["model"],
        samples=config["evaluation"]["importance_samples"],
    script:
        "../scripts/bound.py"
