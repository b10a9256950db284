"""Fitting: the other experiment, logits fitted to fixed discrete distributions by gradient descent.

Needs:  the definitions under `fitting: targets`; the noise laws, temperatures and seeds of the grid
Makes:  results/fitting/{target}/{perturbation}.csv.gz  errors of every temperature and seed along the fit
        results/tables/fitting.csv                      errors after the last step
        results/figures/fitting/{target}                error against step and temperature, as PDF and PNG
Steps:  fit, tabulate_fits, plot_fits
"""


rule fit:
    output:
        "results/fitting/{target}/{perturbation}.csv.gz",
    log:
        "logs/fit/{target}-{perturbation}.log",
    benchmark:
        "results/benchmarks/fit/{target}-{perturbation}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    params:
        definition=lambda wildcards: configuration.fit_definition(
            config, wildcards.target, wildcards.perturbation
        ),
        temperatures=config["grid"]["temperature"],
        seeds=config["grid"]["seed"],
    script:
        "../scripts/fit.py"


rule tabulate_fits:
    input:
        expand(
            rules.fit.output,
            target=config["fitting"]["targets"],
            perturbation=config["grid"]["perturbation"],
        ),
    output:
        report(
            "results/tables/fitting.csv",
            caption="../report/fitting-table.rst",
            category="Fitting",
            labels={"target": "all, after the last step"},
        ),
    log:
        "logs/tabulate_fits.log",
    benchmark:
        "results/benchmarks/tabulate_fits.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/tabulate_fits.py"


rule plot_fits:
    input:
        expand(
            rules.fit.output,
            perturbation=config["grid"]["perturbation"],
            allow_missing=True,
        ),
    output:
        pdf="results/figures/fitting/{target}.pdf",
        png=report(
            "results/figures/fitting/{target}.png",
            caption="../report/fitting.rst",
            category="Fitting",
            labels={"target": "{target}"},
        ),
    log:
        "logs/plot_fits/{target}.log",
    benchmark:
        "results/benchmarks/plot_fits/{target}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        target=lambda wildcards: config["fitting"]["targets"][wildcards.target],
    script:
        "../scripts/plot_fits.py"


rule fitting:
    input:
        table=rules.tabulate_fits.output,
        figures=expand(
            "results/figures/fitting/{target}.{suffix}",
            target=config["fitting"]["targets"],
            suffix=["pdf", "png"],
        ),
