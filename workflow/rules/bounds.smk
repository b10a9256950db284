"""Bounds: what the selected models are worth as likelihoods, whatever the law of their noise.

Needs:  data/{dataset}.npz, the selection, model.pt and summary.json of the selected cells
Makes:  results/gathered/{dataset}/bounds-K{K}-{perturbation}-seed{seed}.csv  negative ELBO and importance-weighted bound
        results/gathered/{dataset}/bounds-K{K}-{perturbation}-seed{seed}.npz  the same for each test image
Steps:  bound
"""

# One job a noise law, so that a new law asks for nothing of the others, unless one job trains them all.
stacked_laws = {
    axis: laws for axis, laws in stacked_axes.items() if axis == "perturbation"
}


rule bound:
    input:
        # New images bring new models; alone, beside published results, they ask for none.
        images=once_selected(
            lambda wildcards, selection: ancient(f"data/{wildcards.dataset}.npz")
        ),
        summaries=once_selected(
            lambda wildcards, selection: cells.selected_cell_files(
                selection, "summary.json", **wildcards
            )
        ),
        models=once_selected(
            lambda wildcards, selection: cells.selected_cell_files(
                selection, "model.pt", **wildcards
            )
        ),
    output:
        bounds=expand(cells.BOUNDS_FILE, **stacked_laws, allow_missing=True),
        per_image=expand(
            cells.BOUNDS_PER_IMAGE_FILE, **stacked_laws, allow_missing=True
        ),
    log:
        cells.job_path(f"logs/bound/{cells.SELECTED_LABEL}.log", stacked_laws),
    benchmark:
        cells.job_path(
            f"results/benchmarks/bound/{cells.SELECTED_LABEL}.tsv", stacked_laws
        )
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3_000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        gpu=configuration.gpus_per_job(config["training"]["device"]),
    params:
        perturbations=lambda wildcards: cells.perturbations_of(
            wildcards, stacked_laws, config["perturbations"]
        ),
        model=config["model"],
        samples=config["evaluation"]["importance_samples"],
    script:
        "../scripts/bound.py"
