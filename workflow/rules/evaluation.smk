"""Evaluation: the selected models of a group on the test set, once.

Needs:  data/{dataset}.npz, the group's summaries and selection, model.pt of its cells
Makes:  <results>/groups/{dataset}/K{K}/seed{seed}/
            bounds.csv        a row for each selected model: paper loss, negative ELBO, IWAE bound
            image_losses.npz  the same for each test image
            pictures.npz      reconstructions and prior samples
            costs.csv         seconds of training and evaluation
            models.pt         with `keep_models`, the weights of the selected models by cell
Steps:  evaluate_models
"""


rule evaluate_models:
    """Evaluate the selected models of a group on the test set."""
    input:
        images=ancient("data/{dataset}.npz"),
        summaries="<results>/groups/{dataset}/K{K}/seed{seed}/summaries.csv",
        selection="<results>/groups/{dataset}/K{K}/seed{seed}/selection.csv",
        models=lambda wildcards: [
            f"<results>/{cell.directory}/model.pt"
            for cell in cells_of_group(**wildcards)
        ],
    output:
        **(
            {"models": "<results>/groups/{dataset}/K{K}/seed{seed}/models.pt"}
            if configuration.evaluation.keep_models
            else {}
        ),
        bounds="<results>/groups/{dataset}/K{K}/seed{seed}/bounds.csv",
        image_losses="<results>/groups/{dataset}/K{K}/seed{seed}/image_losses.npz",
        pictures="<results>/groups/{dataset}/K{K}/seed{seed}/pictures.npz",
        costs="<results>/groups/{dataset}/K{K}/seed{seed}/costs.csv",
    log:
        "<logs>/evaluate_models/{dataset}/K{K}/seed{seed}.log",
    benchmark:
        "<benchmarks>/evaluate_models/{dataset}/K{K}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=unless_finished(map(str, found_groups.whole), "dataset"),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3_000 * attempt,
        runtime=lambda wildcards, attempt: attempt
        * scheduling.evaluation_minutes(
            cells_of_group(**wildcards),
            configuration.evaluation.importance_samples,
        ),
        gpu=gpus_per_job,
    params:
        study=lambda wildcards: str(results),
        samples=configuration.evaluation.importance_samples,
        keep_models=configuration.evaluation.keep_models,
        device=untracked(configuration.training.device),
    script:
        "../scripts/evaluate_models.py"
