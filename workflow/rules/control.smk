"""The control: does the scale of the noise or its shape make the difference? Off by default; `control: {enabled: true}`.

Needs:  data/{dataset}.npz, the groups
Makes:  <results>/config.yaml                         the options of the study, before its first table
        <results>/gradients/{dataset}/seed{seed}.csv  bias and variance of the relaxed gradient, on small models
        <results>/tables/control.*                    the effects of scale and shape, and their interaction
        <results>/figures/control/{dataset}           losses and gradients against the variance of the noise
Steps:  measure_gradients, estimate_effects, plot_control
"""

gradients_labels = sorted({*found_gradients, *asked_gradients})
# None without a whole group, in a study that is only drawn.
control_datasets = [
    name
    for name in dict.fromkeys(label.partition("/")[0] for label in gradients_labels)
    if groups_at(dataset=name)
]
control_groups = [group for group in shown_groups if group.dataset in control_datasets]


rule measure_gradients:
    """Measure bias and variance of the relaxed gradient on small models of one dataset and seed."""
    input:
        images=ancient("data/{dataset}.npz"),
    output:
        "<results>/gradients/{dataset}/seed{seed}.csv",
    log:
        "<logs>/measure_gradients/{dataset}/seed{seed}.log",
    benchmark:
        "<benchmarks>/measure_gradients/{dataset}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=unless_finished(found_gradients, "dataset"),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6_000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
        gpu=gpus_per_job,
    params:
        study=lambda wildcards: str(results),
        points=lambda wildcards: asked_gradients[
            f"{wildcards.dataset}/seed{wildcards.seed}"
        ],
        configuration=untracked(options),
    script:
        "../scripts/measure_gradients.py"


rule estimate_effects:
    """Estimate what the variance and the shape of the noise do to the losses."""
    input:
        summaries=files_of(control_groups, "summaries.csv"),
        selection=files_of(control_groups, "selection.csv"),
        bounds=files_of(control_groups, "bounds.csv"),
    output:
        csv=report(
            "<results>/tables/control.csv",
            caption="../report/control_table.rst",
            category="Scale or shape",
            labels={"table": "effects"},
        ),
        markdown="<results>/tables/control.md",
    log:
        "<logs>/estimate_effects.log",
    benchmark:
        "<benchmarks>/estimate_effects.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=configuration.figures.convergence_temperature,
        left_out=[
            str(group)
            for group in found_groups.unfinished
            if group.dataset in control_datasets
        ],
    script:
        "../scripts/estimate_effects.py"


rule plot_control:
    """Plot losses and gradients against the variance of the noise."""
    input:
        summaries=lambda wildcards: group_files("summaries.csv", **wildcards),
        selection=lambda wildcards: group_files("selection.csv", **wildcards),
        bounds=lambda wildcards: group_files("bounds.csv", **wildcards),
        gradients=lambda wildcards: [
            f"<results>/gradients/{label}.csv"
            for label in gradients_labels
            if label.startswith(f"{wildcards.dataset}/")
        ],
    output:
        pdf="<results>/figures/control/{dataset}.pdf",
        png=report(
            "<results>/figures/control/{dataset}.png",
            caption="../report/control.rst",
            category="Scale or shape",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "<logs>/plot_control/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_control/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=configuration.figures.convergence_temperature,
        laws=list(configuration.perturbations),
    script:
        "../scripts/plot_control.py"


# Snakemake does not make a missing table if what is drawn from it is newer, so it is asked for by name.
control_results = [
    *(file for file in missing_files if Path(file).parts[2] in control_datasets),
    *(
        f"<results>/gradients/{label}.csv"
        for label in asked_gradients
        if label not in found_gradients and label.partition("/")[0] in control_datasets
    ),
    *expand(
        "<results>/tables/control.{suffix}",
        suffix=["csv", "md"] if control_datasets else [],
    ),
    *expand(
        "<results>/figures/control/{dataset}.{suffix}",
        dataset=control_datasets,
        suffix=["pdf", "png"],
    ),
]


rule control:
    """Make the control's table and figures."""
    input:
        control_results,
