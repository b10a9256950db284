"""Bounds: what the selected models are worth as likelihoods, whatever the law of their noise.

Needs:  data/{dataset}.npz, model.pt and summary.json of the cells
Makes:  results/gathered/{dataset}/bounds-K{K}-seed{seed}.csv  negative ELBO and importance-weighted bound of each model
        results/gathered/{dataset}/bounds-K{K}-seed{seed}.npz  the same for each test image
Steps:  bound
"""


rule bound:
    input:
        # New images bring new models; alone, beside published results, they ask for none.
        images=ancient("data/{dataset}.npz"),
        summaries=lambda wildcards: cells.cell_files(
            config["grid"],
            "summary.json",
            dataset=wildcards.dataset,
            K=wildcards.K,
            seed=wildcards.seed,
        ),
        models=lambda wildcards: cells.cell_files(
            config["grid"],
            "model.pt",
            dataset=wildcards.dataset,
            K=wildcards.K,
            seed=wildcards.seed,
        ),
    output:
        bounds="results/gathered/{dataset}/bounds-K{K}-seed{seed}.csv",
        per_image="results/gathered/{dataset}/bounds-K{K}-seed{seed}.npz",
    log:
        "logs/bound/{dataset}-K{K}-seed{seed}.log",
    benchmark:
        "results/benchmarks/bound/{dataset}-K{K}-seed{seed}.tsv"
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
