"""What the rules share: the state of the study when the Snakefile is read, and functions that list files."""

import functools


def folder(path):
    """Resolve a path outside the rules, where Snakemake does not, with a module's prefix."""
    return Path(workflow.modifier.path_modifier.modify(workflow.pathvars.apply(path)))


study = folder("<results>")
asked_cells = configuration.asked_cells(config)
asked_datasets = cells.values_of(asked_cells, "dataset")
try:
    studies.check_options(
        study,
        config,
        overlay=Path(
            f"{workflow.current_basedir}/../../configs/{config['study']}.yaml"
        ),
    )
    studies.check_datasets(
        folder("data"), {name: config["datasets"][name] for name in asked_datasets}
    )
    found_groups = groups.find_groups(study, config)
    asked_gradients = groups.asked_gradients(config, asked_cells)
    found_gradients = groups.find_tables(study / "gradients", ".csv", asked_gradients)
    asked_fits = groups.asked_fits(config)
    found_fits = groups.find_tables(study / "fits", ".csv.gz", asked_fits)
except InputError as error:
    sys.exit(f"ERROR: {error}")


shown_groups = found_groups.shown(list(config["datasets"]))


def group_files(name, **axes):
    """List a file of every group that is shown, or of those at some values of the axes."""
    return [
        f"<results>/groups/{group}/{name}"
        for group in shown_groups
        if all(str(getattr(group, axis)) == value for axis, value in axes.items())
    ]


wildcard_patterns = cells.wildcard_patterns(
    [*config["datasets"], *cells.values_of(shown_groups, "dataset")]
)


runs_of_other_stacks = groups.runs_of_other_stacks(
    study, found_groups.to_make, config["training"]["stack"]
)
# Of a group without bounds nothing else need be named: they ask for its runs.
evaluated_before = {
    group
    for group in found_groups.to_make
    if (study / "groups" / str(group) / "bounds.csv").exists()
}
missing_files = [
    f"<results>/{path}"
    for path in groups.missing_files(
        study,
        found_groups.to_make,
        [cell for cell in asked_cells if cell.group in evaluated_before],
    )
]
kept = [
    *(study / "groups" / str(group) for group in found_groups.whole),
    *(study / "runs" / run for run in runs_of_other_stacks),
    *(study / "gradients", study / "fits"),
]
for path in map(Path, sys.argv if workflow.is_main_process else []):
    if path.is_file() and any(map(path.is_relative_to, kept)):
        # Snakemake would say that no rule makes it.
        sys.exit(
            f"ERROR: {path} is there and never made again; leave it out of the command,"
            f" or remove {path.parent} to make it again"
        )
    if path.is_file() and groups.is_outdated(study, path, found_groups.to_make):
        # Snakemake would say that nothing is to be done.
        sys.exit(
            f"ERROR: {path} is there, without the {len(found_groups.to_make)} groups that the grid"
            " asks for and that are not finished; make them first (leave the file out of the command),"
            " or draw what is there with --config draw_only=true"
        )


def unless_finished(finished, wildcard):
    """Constrain a wildcard so that what is finished is never made again: no rule makes it."""
    # On a cluster node the files of the job itself may be there already.
    return cells.all_but(
        finished if workflow.is_main_process else [], wildcard_patterns[wildcard]
    )


asked_of_group = groups.by_group(asked_cells)


@functools.cache
def cells_of_group(label):
    """List the cells that a group is made of."""
    group = cells.Group.of(label)
    return groups.cells_to_group(
        study, group, asked_of_group.get(group, []), list(config["perturbations"])
    )


def files_older_groups_lack(name, **axes):
    """List a file of every group that is shown and has it or is yet to be made."""
    return [
        file
        for file in group_files(name, **axes)
        if folder(file).exists()
        or cells.Group.of("/".join(Path(file).parts[-4:-1])) in found_groups.to_make
    ]


gradients_labels = sorted({*found_gradients, *asked_gradients})
control_datasets = list(
    dict.fromkeys(label.partition("/")[0] for label in gradients_labels)
)


def gradients_of(dataset):
    """List the gradients of all seeds of a dataset."""
    return [
        f"<results>/gradients/{label}.csv"
        for label in gradients_labels
        if label.startswith(f"{dataset}/")
    ]


def control_files(name):
    """List a file of every group of the control's datasets."""
    return [
        file
        for dataset in control_datasets
        for file in group_files(name, dataset=dataset)
    ]
