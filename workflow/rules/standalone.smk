"""Standalone: a plan of the groups that are yet to be made, for a machine without Snakemake.

Needs:  data/{dataset}.npz of those groups
Makes:  <results>/plan.json    the groups, their cells and all that determines them
        <results>/config.yaml  the options of the study, before its first group
Steps:  export_plan
"""

# One seed of everything first, in the order of the configuration.
groups_to_plan = sorted(
    found_groups.to_make,
    key=lambda group: (
        group.seed,
        list(configuration.datasets).index(group.dataset),
        group.K,
    ),
)
datasets_to_plan = cells.values_of(groups_to_plan, "dataset")


rule export_plan:
    """Write a plan of what is yet to be made, for a machine without Snakemake."""

    # Without an output it runs whenever it is asked for: dates do not tell whether a plan is up to date.
    input:
        [f"data/{dataset}.npz" for dataset in datasets_to_plan],
    log:
        "<logs>/export_plan.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        study=lambda wildcards: str(results),
        configuration=untracked(options),
        plan=lambda wildcards: {
            "study": configuration.study,
            "groups": {
                str(group): [
                    (cell.perturbation, cell.temperature)
                    for cell in cells_of_group(**vars(group))
                ]
                for group in groups_to_plan
            },
            "laws": options["perturbations"],
            "options": {
                dataset: configuration.result_options(dataset)
                for dataset in datasets_to_plan
            },
            "importance_samples": configuration.evaluation.importance_samples,
            "keep_models": configuration.evaluation.keep_models,
            "revision": git_revision(),
            "source_sha256": source_sum(),
        },
    script:
        "../scripts/export_plan.py"
