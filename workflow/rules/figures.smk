"""Figures, each as PDF and PNG.

Needs:  results/gathered/{dataset}/, and for the images also the models and the data
Makes:  results/figures/convergence/{dataset}   training loss against epoch at one temperature
        results/figures/temperature/{dataset}   validation loss against temperature
        results/figures/validation/{dataset}    validation loss against epoch at the selected temperatures
        results/figures/images/{dataset}-K{K}   reconstructions and samples of the selected models
Steps:  plot_convergence, plot_temperature, plot_validation, draw_images, plot_images
"""


rule plot_convergence:
    input:
        histories="results/gathered/{dataset}/histories.csv.gz",
        summaries="results/gathered/{dataset}/summaries.csv",
        provenance="results/gathered/{dataset}/provenance.csv",
    output:
        pdf="results/figures/convergence/{dataset}.pdf",
        png=report(
            "results/figures/convergence/{dataset}.png",
            caption="../report/convergence.rst",
            category="Convergence",
            labels={"dataset": "{dataset}", "loss": "training"},
        ),
    log:
        "logs/plot_convergence/{dataset}.log",
    benchmark:
        "results/benchmarks/plot_convergence/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=config["figures"]["convergence_temperature"],
    script:
        "../scripts/plot_convergence.py"


rule plot_temperature:
    input:
        summaries="results/gathered/{dataset}/summaries.csv",
        provenance="results/gathered/{dataset}/provenance.csv",
    output:
        pdf="results/figures/temperature/{dataset}.pdf",
        png=report(
            "results/figures/temperature/{dataset}.png",
            caption="../report/temperature.rst",
            category="Temperature",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/plot_temperature/{dataset}.log",
    benchmark:
        "results/benchmarks/plot_temperature/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/plot_temperature.py"


rule plot_validation:
    input:
        histories="results/gathered/{dataset}/histories.csv.gz",
        summaries="results/gathered/{dataset}/summaries.csv",
        provenance="results/gathered/{dataset}/provenance.csv",
    output:
        pdf="results/figures/validation/{dataset}.pdf",
        png=report(
            "results/figures/validation/{dataset}.png",
            caption="../report/validation.rst",
            category="Convergence",
            labels={"dataset": "{dataset}", "loss": "validation"},
        ),
    log:
        "logs/plot_validation/{dataset}.log",
    benchmark:
        "results/benchmarks/plot_validation/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/plot_validation.py"


rule draw_images:
    input:
        # New images bring new models; alone, beside published results, they ask for none.
        images=once_selected(
            lambda wildcards, selection: ancient(f"data/{wildcards.dataset}.npz")
        ),
        summaries=once_selected(
            lambda wildcards, selection: cells.selected_cell_files(
                selection,
                "summary.json",
                **wildcards,
                seed=cells.first_seed(config["grid"], wildcards.dataset),
            )
        ),
        models=once_selected(
            lambda wildcards, selection: cells.selected_cell_files(
                selection,
                "model.pt",
                **wildcards,
                seed=cells.first_seed(config["grid"], wildcards.dataset),
            )
        ),
    output:
        expand(cells.IMAGES_FILE, **stacked_laws, allow_missing=True),
    log:
        cells.job_path(
            "logs/draw_images/{dataset}-K{K}-{perturbation}.log", stacked_laws
        ),
    benchmark:
        cells.job_path(
            "results/benchmarks/draw_images/{dataset}-K{K}-{perturbation}.tsv",
            stacked_laws,
        )
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    params:
        perturbations=lambda wildcards: cells.perturbations_of(
            wildcards, stacked_laws, config["perturbations"]
        ),
        model=config["model"],
        seed=lambda wildcards: cells.first_seed(config["grid"], wildcards.dataset),
        samples_seed=config["figures"]["samples_seed"],
    script:
        "../scripts/draw_images.py"


rule plot_images:
    input:
        images=lambda wildcards: cells.grid_files(
            config["grid"], cells.IMAGES_FILE, **wildcards
        ),
        provenance="results/gathered/{dataset}/provenance.csv",
    output:
        pdf="results/figures/images/{dataset}-K{K}.pdf",
        png=report(
            "results/figures/images/{dataset}-K{K}.png",
            caption="../report/images.rst",
            category="What the models learned",
            labels={"dataset": "{dataset}", "K": "{K}", "figure": "images"},
        ),
    log:
        "logs/plot_images/{dataset}-K{K}.log",
    benchmark:
        "results/benchmarks/plot_images/{dataset}-K{K}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        seed=rules.draw_images.params.seed,
    script:
        "../scripts/plot_images.py"


rule figures:
    input:
        expand(
            "results/figures/{kind}/{dataset}.{suffix}",
            kind=["convergence", "temperature", "validation"],
            dataset=config["grid"]["dataset"],
            suffix=["pdf", "png"],
        ),
        cells.grid_files(config["grid"], "results/figures/images/{dataset}-K{K}.pdf"),
        cells.grid_files(config["grid"], "results/figures/images/{dataset}-K{K}.png"),
        rules.fitting.input.figures if config["fitting"]["enabled"] else [],
