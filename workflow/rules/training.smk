"""Training: one job per cell, or per stack of cells.

Needs:  data/{dataset}.npz
Makes:  <results>/config.yaml  the options of the study, before its first run
        for each cell, under <results>/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}/
            history.csv   losses of every epoch
            summary.json  the best epoch, its validation losses, hardware, versions
            model.pt      the weights of the best epoch, a state dict
Steps:  train_cells
"""

# A job that reads the Snakefile again, when others have finished, must stack what the main process planned.
stacked_in_main = re.sub(r"\W", "_", f"DISCRETE_VAE_STACK_{results}")
if workflow.is_main_process:
    os.environ[stacked_in_main] = json.dumps(
        planning.stacked_axes(results, found_groups.to_make, asked_cells, stack)
    )


envvars:
    stacked_in_main,


stacked_axes = json.loads(os.environ[stacked_in_main])
# In the names of a job's log, benchmark and resume point.
all_in_stack = dict.fromkeys(stacked_axes, "all")
cells_in_job = math.prod(map(len, stacked_axes.values()))


rule train_cells:
    """Train a cell, or a stack of cells, and keep the weights of each one's best epoch."""
    input:
        # The checksum of the images is compared, not their date.
        images=ancient("data/{dataset}.npz"),
    output:
        history=expand(
            "<results>/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}/history.csv",
            **stacked_axes,
            allow_missing=True,
        ),
        summary=expand(
            "<results>/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}/summary.json",
            **stacked_axes,
            allow_missing=True,
        ),
        model=expand(
            "<results>/runs/{dataset}/K{K}/{perturbation}/tau{temperature}/seed{seed}/model.pt",
            **stacked_axes,
            allow_missing=True,
        ),
    log:
        expand(
            "<logs>/train_cells/{dataset}-K{K}-{perturbation}-tau{temperature}-seed{seed}.log",
            **all_in_stack,
            allow_missing=True,
        ),
    benchmark:
        expand(
            "<benchmarks>/train_cells/{dataset}-K{K}-{perturbation}-tau{temperature}-seed{seed}.tsv",
            **all_in_stack,
            allow_missing=True,
        )[0]
    wildcard_constraints:
        dataset=unless_finished(finished_runs, "dataset"),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * scheduling.training_mb(cells_in_job),
        runtime=lambda wildcards, attempt: attempt
        * scheduling.training_minutes(
            configuration.training.of_dataset(wildcards.dataset),
            K=int(wildcards.K),
            cells=cells_in_job,
            gpus=gpus_of_training,
        ),
        gpu=gpus_per_job,
    params:
        study=lambda wildcards: str(results),
        checkpoint=expand(
            f"{checkpoints}/{cells.CELL_LABEL}.pt", **all_in_stack, allow_missing=True
        )[0],
        cells=lambda wildcards: cells.stack_coordinates(wildcards, stacked_axes),
        # A study's options are fixed.
        configuration=untracked(options),
    script:
        "../scripts/train_cells.py"
