"""Figures, each as PDF and PNG.

Needs:  the groups, <results>/tables/claims.csv
Makes:  <results>/figures/claims                 every difference of the claims with its interval
        <results>/figures/convergence/{dataset}  training loss against epoch at one temperature
        <results>/figures/temperature/{dataset}  validation loss against temperature
        <results>/figures/validation/{dataset}   validation loss against epoch at the selected temperatures
        <results>/figures/images/{dataset}-K{K}  reconstructions and samples of the selected models
Steps:  plot_claims, plot_convergence, plot_temperature, plot_validation, plot_images
"""


rule plot_claims:
    """Plot every difference of the claims with its interval."""
    input:
        "<results>/tables/claims.csv",
    output:
        pdf="<results>/figures/claims.pdf",
        png=report(
            "<results>/figures/claims.png",
            caption="../report/claims_figure.rst",
            category="Claims",
            labels={"table": "all differences"},
        ),
    log:
        "<logs>/plot_claims.log",
    benchmark:
        "<benchmarks>/plot_claims.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/plot_claims.py"


rule plot_convergence:
    """Plot training loss against epoch at one temperature."""
    input:
        histories=lambda wildcards: group_files("histories.csv.gz", **wildcards),
        summaries=lambda wildcards: group_files("summaries.csv", **wildcards),
    output:
        pdf="<results>/figures/convergence/{dataset}.pdf",
        png=report(
            "<results>/figures/convergence/{dataset}.png",
            caption="../report/convergence.rst",
            category="Convergence",
            labels={"dataset": "{dataset}", "loss": "training"},
        ),
    log:
        "<logs>/plot_convergence/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_convergence/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=configuration.figures.convergence_temperature,
        of_the_control=lambda wildcards: wildcards.dataset in control_datasets,
        laws=list(configuration.perturbations),
    script:
        "../scripts/plot_convergence.py"


rule plot_temperature:
    """Plot validation loss against temperature."""
    input:
        summaries=lambda wildcards: group_files("summaries.csv", **wildcards),
    output:
        pdf="<results>/figures/temperature/{dataset}.pdf",
        png=report(
            "<results>/figures/temperature/{dataset}.png",
            caption="../report/temperature.rst",
            category="Temperature",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "<logs>/plot_temperature/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_temperature/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        laws=list(configuration.perturbations),
    script:
        "../scripts/plot_temperature.py"


rule plot_validation:
    """Plot validation loss against epoch at the selected temperatures."""
    input:
        histories=lambda wildcards: group_files("histories.csv.gz", **wildcards),
        summaries=lambda wildcards: group_files("summaries.csv", **wildcards),
    output:
        pdf="<results>/figures/validation/{dataset}.pdf",
        png=report(
            "<results>/figures/validation/{dataset}.png",
            caption="../report/validation.rst",
            category="Convergence",
            labels={"dataset": "{dataset}", "loss": "validation"},
        ),
    log:
        "<logs>/plot_validation/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_validation/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        laws=list(configuration.perturbations),
    script:
        "../scripts/plot_validation.py"


rule plot_images:
    """Plot reconstructions and samples of the selected models of the first seed that has pictures."""
    input:
        pictures=lambda wildcards: of_first_pictures("pictures.npz", wildcards),
        summaries=lambda wildcards: of_first_pictures("summaries.csv", wildcards),
        selection=lambda wildcards: of_first_pictures("selection.csv", wildcards),
        bounds=lambda wildcards: of_first_pictures("bounds.csv", wildcards),
    output:
        pdf="<results>/figures/images/{dataset}-K{K}.pdf",
        png=report(
            "<results>/figures/images/{dataset}-K{K}.png",
            caption="../report/images.rst",
            category="What the models learned",
            labels={"dataset": "{dataset}", "K": "{K}", "figure": "images"},
        ),
    log:
        "<logs>/plot_images/{dataset}-K{K}.log",
    benchmark:
        "<benchmarks>/plot_images/{dataset}-K{K}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/plot_images.py"


figures_results = [
    *missing_files,
    *(["<results>/tables/groups.csv"] if shown_groups else []),
    *expand(
        "<results>/figures/claims.{suffix}",
        suffix=["pdf", "png"] if shown_groups else [],
    ),
    *expand(
        "<results>/figures/{kind}/{dataset}.{suffix}",
        kind=["convergence", "temperature", "validation"],
        dataset=cells.values_of(shown_groups, "dataset"),
        suffix=["pdf", "png"],
    ),
    *sorted(
        {
            f"<results>/figures/images/{group.dataset}-K{group.K}.{suffix}"
            for group in shown_groups
            for suffix in ["pdf", "png"]
        }
    ),
]


rule figures:
    """Make the study's figures; the control and the fits have targets of their own."""
    input:
        figures_results,
