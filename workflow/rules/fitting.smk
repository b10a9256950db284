"""Fitting: the other experiment, logits fitted to fixed discrete distributions by gradient descent.

Needs:  the definitions under `fitting: targets`; the noise laws, temperatures and seeds of the grid
Makes:  <results>/config.yaml                          the options of the study, before its first fit
        <results>/fits/{target}/{perturbation}.csv.gz  errors of every temperature and seed along the fit
        <results>/tables/fitting.csv                   errors after the last step
        <results>/figures/fitting/{target}             error against step and temperature, as PDF and PNG
Steps:  fit_target, tabulate_fits, plot_fits
"""

# By target and noise law, in the order of their definitions.
fit_labels = [
    label
    for target in configuration.fitting.targets
    for law in configuration.perturbations
    if (label := f"{target}/{law}") in {*asked_fits, *found_fits}
]


rule fit_target:
    """Fit one target distribution with one noise law."""
    output:
        "<results>/fits/{target}/{perturbation}.csv.gz",
    log:
        "<logs>/fit_target/{target}/{perturbation}.log",
    benchmark:
        "<benchmarks>/fit_target/{target}/{perturbation}.tsv"
    wildcard_constraints:
        target=unless_finished(found_fits, "target"),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    params:
        study=lambda wildcards: str(results),
        configuration=untracked(options),
    script:
        "../scripts/fit_target.py"


rule tabulate_fits:
    """Tabulate the errors of all fits after the last step."""
    input:
        [f"<results>/fits/{label}.csv.gz" for label in fit_labels],
    output:
        report(
            "<results>/tables/fitting.csv",
            caption="../report/fitting_table.rst",
            category="Fitting",
            labels={"target": "all, after the last step"},
        ),
    log:
        "<logs>/tabulate_fits.log",
    benchmark:
        "<benchmarks>/tabulate_fits.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/tabulate_fits.py"


rule plot_fits:
    """Plot the errors of the fits to one target."""
    input:
        lambda wildcards: [
            f"<results>/fits/{label}.csv.gz"
            for label in fit_labels
            if label.startswith(f"{wildcards.target}/")
        ],
    output:
        pdf="<results>/figures/fitting/{target}.pdf",
        png=report(
            "<results>/figures/fitting/{target}.png",
            caption="../report/fitting.rst",
            category="Fitting",
            labels={"target": "{target}"},
        ),
    log:
        "<logs>/plot_fits/{target}.log",
    benchmark:
        "<benchmarks>/plot_fits/{target}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        target=lambda wildcards: options["fitting"]["targets"][wildcards.target],
        laws=list(configuration.perturbations),
    script:
        "../scripts/plot_fits.py"


# Snakemake does not make a missing table if what is drawn from it is newer, so it is asked for by name.
fitting_results = [
    *(
        f"<results>/fits/{label}.csv.gz"
        for label in asked_fits
        if label not in found_fits
    ),
    *(["<results>/tables/fitting.csv"] if fit_labels else []),
    *expand(
        "<results>/figures/fitting/{target}.{suffix}",
        target=dict.fromkeys(label.split("/")[0] for label in fit_labels),
        suffix=["pdf", "png"],
    ),
]


rule fitting:
    """Make the table and the figures of the other experiment."""
    input:
        fitting_results,
