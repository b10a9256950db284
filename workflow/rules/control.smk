"""The control: does the scale of the noise or its shape make the difference? Off by default; `control: {enabled: true}`.

Needs:  data/{dataset}.npz, the selection, the bounds of the selected models, the gathered histories
Makes:  results/gathered/{dataset}/gradients.csv  bias and variance of the relaxed gradient, on small models
        results/tables/control.*                  laws that differ in scale or in shape only, compared
        results/figures/control/{dataset}         losses and gradients against the variance of the noise
Steps:  measure_gradients, compare_scale_and_shape, plot_control
"""

control_datasets = config["control"]["datasets"] or config["grid"]["dataset"]


rule measure_gradients:
    input:
        images="data/{dataset}.npz",
    output:
        "results/gathered/{dataset}/gradients.csv",
    log:
        "logs/measure_gradients/{dataset}.log",
    benchmark:
        "results/benchmarks/measure_gradients/{dataset}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6_000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
        gpu=configuration.gpus_per_job(config["training"]["device"]),
    params:
        grid=lambda wildcards: {
            axis: cells.axis_values(config["grid"], axis, wildcards.dataset)
            for axis in ("perturbation", "temperature", "seed")
        },
        perturbations=cells.grid_perturbations(config),
        training={
            option: config["training"][option]
            for option in ("batch_size", "learning_rate", "kl", "annealing")
        },
        control={
            option: value
            for option, value in config["control"].items()
            if option not in ("enabled", "datasets")
        },
    script:
        "../scripts/measure_gradients.py"


rule compare_scale_and_shape:
    input:
        summaries=expand(
            "results/gathered/{dataset}/summaries.csv", dataset=control_datasets
        ),
        selection=rules.select.output.selection,
        provenance=rules.select.input.provenance,
        bounds=rules.tabulate.input.bounds,
        histories=expand(
            "results/gathered/{dataset}/histories.csv.gz", dataset=control_datasets
        ),
        gradients=expand(
            "results/gathered/{dataset}/gradients.csv", dataset=control_datasets
        ),
    output:
        csv=report(
            "results/tables/control.csv",
            caption="../report/control_table.rst",
            category="Scale or shape",
            labels={"table": "comparisons"},
        ),
        markdown="results/tables/control.md",
    log:
        "logs/compare_scale_and_shape.log",
    benchmark:
        "results/benchmarks/compare_scale_and_shape.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        datasets=control_datasets,
        perturbations=cells.grid_perturbations(config),
        temperature=config["figures"]["convergence_temperature"],
    script:
        "../scripts/compare_scale_and_shape.py"


rule plot_control:
    input:
        selection=rules.select.output.selection,
        bounds=rules.tabulate.input.bounds,
        histories="results/gathered/{dataset}/histories.csv.gz",
        gradients="results/gathered/{dataset}/gradients.csv",
        provenance="results/gathered/{dataset}/provenance.csv",
    output:
        pdf="results/figures/control/{dataset}.pdf",
        png=report(
            "results/figures/control/{dataset}.png",
            caption="../report/control.rst",
            category="Scale or shape",
            labels={"dataset": "{dataset}"},
        ),
    log:
        "logs/plot_control/{dataset}.log",
    benchmark:
        "results/benchmarks/plot_control/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=config["figures"]["convergence_temperature"],
    script:
        "../scripts/plot_control.py"


rule control:
    input:
        rules.compare_scale_and_shape.output,
        expand(
            "results/figures/control/{dataset}.{suffix}",
            dataset=control_datasets,
            suffix=["pdf", "png"],
        ),
