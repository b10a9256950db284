"""What a command asks for, and what its jobs write and train.

A target that would not be made is refused, with the reason, before anything starts.
Snakemake would say that no rule makes it, or that nothing is to be done.
"""

finished_places = [
    *(results / group.directory for group in found_groups.whole),
    *(results / "runs" / run for run in runs_to_keep),
    *(results / "gradients", results / "fits"),
]


group_file_names = [
    *(*groups.WHOLE_GROUP_FILES, "pictures.npz"),
    *(["models.pt"] if configuration.evaluation.keep_models else []),
]


@functools.cache
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
        "<results>/plan.json",
    ]
    return {str(folder(file)) for file in files}


def has_rule(path):
    """Tell whether a rule makes a file, of the grid or beyond it."""
    return any(maker.is_producer(path) for maker in workflow.rules)


def is_beyond_the_grid(path):
    """Tell whether a path is a file of a cell that is not in the grid, or of a group of such cells."""
    if not has_rule(path):
        return False
    path = Path(path)
    if path.is_relative_to(results / "groups"):
        label = path.parent.relative_to(results / "groups").as_posix()
        return bool(planning.finished_cells(results, cells.Group.of(label)))
    return path.is_relative_to(results / "runs")


def why_kept(target):
    """Say why a file that is there is not made again, None if it is."""
    path = Path(target)
    if any(map(path.is_relative_to, finished_places)):
        # A run or a group with its folder, a table by itself.
        whole = path.parent if path.parent in finished_places else path
        return (
            f"{path} is finished, and what is finished is kept; leave it out of the command,"
            f" or remove {whole} to make it again"
        )
    to_show = [
        group
        for group in found_groups.to_make
        if path.stem != "control" or group.dataset in control_datasets
    ]
    if planning.is_outdated(results, path, to_show):
        return (
            f"{path} does not show all groups of the grid ({len(to_show)} not"
            " finished); leave the file out of the command to make them first, or draw what is there"
            " with --config draw_only=true"
        )
    return None if has_rule(target) else why_not_made(target)


def why_not_made(target):
    """Say why no rule makes a file, with the nearest one that can be made."""
    near = targets.nearest(target, makeable_files())
    advice = f"did you mean {near}?" if near else "correct the path or the study"
    if stack and Path(target).is_relative_to(results / "runs"):
        advice = f"training.stack has {', '.join(stack)}, so add new values to the grid, or set it to []; {advice}"
    return f"nothing makes {target} in the study {configuration.study}; {advice}"


def why_not_trained(target):
    """Say why the cell of a file outside the grid cannot be trained, None if it can."""
    if configuration.draw_only:
        return f"draw_only is true, expected false to make {target}; unset it"
    folder_of_cells, dataset, *_ = Path(target).relative_to(results).parts
    if (
        folder_of_cells != "runs"
        or configuration.training.epochs_of(dataset) is not None
    ):
        return None
    return f"training.epochs is {configuration.training.epochs}, expected a number for {dataset!r}; add it"


def files_to_write(jobs):
    """List the files that some jobs write, and a file beside the resume points if one of them trains."""
    written = [file for job in jobs for file in (*job.output, *job.log)]
    trains = any(job.rule.name == "train_cells" for job in jobs)
    return [*written, *([checkpoints / "any.pt"] if trains else [])]


def planned_cells(jobs):
    """List the coordinates of the cells that some jobs train."""
    trainings = (job for job in jobs if job.rule.name == "train_cells")
    return [cell for job in trainings for cell in job.params.cells]


for target in file_targets:
    reason = None
    if os.path.isfile(target):  # Path's own fails for a long word
        reason = why_kept(target)
    elif target in makeable_files():
        continue
    elif not is_beyond_the_grid(target):
        reason = why_not_made(target)
    elif not (reason := why_not_trained(target)):
        print(
            f"{target} is not in the grid; it is made all the same, and joins its group if that is not finished",
            file=sys.stderr,
        )
    if reason:
        sys.exit(f"ERROR: {reason}")
if "control" in own_targets and not control_datasets:
    reason = (
        "there is no finished group, expected one to draw; unset draw_only"
        if configuration.control.enabled
        else "control.enabled is false, expected true; add --configfile configs/control.yaml"
    )
    sys.exit(f"ERROR: the target control is asked for and {reason}")
if is_own_command and not default_targets:
    print(
        f"the study {configuration.study} has nothing to make or to draw: the grid has no dataset, or"
        " draw_only is true and there is no group",
        file=sys.stderr,
    )
