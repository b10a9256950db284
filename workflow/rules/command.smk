"""What a command asks for, and what its jobs write and train.

A target that would not be made is refused, with the reason, before anything starts.
"""

group_file_names = [
    *groups.GROUP_FILES,
    *(["models.pt"] if configuration.evaluation.keep_models else []),
]


def makeable_files():
    """Return all files that the study can make by its grid, as the command line spells them."""
    files = [
        *(*tables_results, *figures_results, *control_results, *fitting_results),
        *(
            f"<results>/{place.directory}/{name}"
            for places, names in (
                (asked_cells, cells.CELL_FILES),
                (found_groups.to_make, group_file_names),
            )
            for place in places
            for name in names
        ),
        *(f"<results>/gradients/{label}.csv" for label in gradients_labels),
        *(f"<results>/fits/{label}.csv.gz" for label in fit_labels),
        *(f"data/{name}.npz" for name in options["datasets"]),
        *(file for name in options["datasets"] for file in sources_of(name)),
    ]
    return {str(folder(file)) for file in files}


def files_to_write(jobs):
    """List the files that some jobs write, and a file beside the resume points if one of them trains."""
    written = [file for job in jobs for file in (*job.output, *job.log)]
    trains = any(job.rule.name == "train_cells" for job in jobs)
    return [*written, *([checkpoints / "any.pt"] if trains else [])]


def planned_cells(jobs):
    """List the coordinates of the cells that some jobs train."""
    trainings = (job for job in jobs if job.rule.name == "train_cells")
    return [cell for job in trainings for cell in job.params.cells]


if file_targets:
    asked_command = command.Command(
        configuration=configuration,
        results=results,
        makeable=makeable_files(),
        finished=[
            *(results / group.directory for group in found_groups.whole),
            *(results / "runs" / run for run in finished_runs),
            *(results / "gradients", results / "fits"),
        ],
        to_make=found_groups.to_make,
        control_datasets=control_datasets,
        stack=stack,
        has_rule=lambda file: any(rule.is_producer(file) for rule in workflow.rules),
    )
for target in file_targets:
    if reason := asked_command.refusal(target):
        sys.exit(f"ERROR: {reason}")
    if asked_command.is_beyond_the_grid(target):
        print(
            f"{target} is not in the grid, but it is made; it joins its group, unless the group is finished",
            file=sys.stderr,
        )
if "control" in own_targets and not control_datasets:
    reason = (
        "no group is finished, expected one to draw; set draw_only to false"
        if configuration.control.enabled
        else "control.enabled is false, expected true; add --configfile configs/control.yaml"
    )
    sys.exit(f"ERROR: the target control is asked for, but {reason}")
if is_own_command and found_groups.to_make:
    if said := scheduling.contradiction(configuration.training, gpus_of_training):
        print(said, file=sys.stderr)
if is_own_command and not default_targets:
    print(
        f"the study {configuration.study} has nothing to make or to draw: the grid has no dataset, or"
        " draw_only is true and there is no group",
        file=sys.stderr,
    )
