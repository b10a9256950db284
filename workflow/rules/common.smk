"""What the rules share: the state of the study when the Snakefile is read, and functions that list files."""

import functools

from snakemake.cli import get_argument_parser


def folder(path):
    """Resolve a path such as ``<results>``, with a module's prefix. Snakemake does so only inside rules.

    Call it only while this file is read: later the variables are those of a workflow that has this one as a module.
    """
    return Path(workflow.modifier.path_modifier.modify(workflow.pathvars.apply(path)))


# What jobs are handed: mappings, lists, texts and numbers.
options = configuration.plain()
results, logs, checkpoints = map(folder, ["<results>", "<logs>", "<checkpoints>"])
# A job may run on another machine. It must ask for what the main process asked for, as its stack follows from it.
if workflow.is_main_process:
    os.environ["DISCRETE_VAE_GPUS"] = str(scheduling.gpus_here())


envvars:
    "DISCRETE_VAE_GPUS",


# The only target of a job is the job itself.
asked_targets = (
    targets.asked_targets(get_argument_parser(), sys.argv[1:])
    if workflow.is_main_process
    else []
)
gpus_here = int(os.environ["DISCRETE_VAE_GPUS"])
gpus_per_job = configuration.training.gpus_per_job(gpus_here)
asked_cells = cells.asked_cells(configuration)
asked_gradients = planning.asked_gradients(configuration, asked_cells)
# If fits are off, existing fits are shown unchanged.
fits_are_asked = (
    configuration.fitting.enabled
    or "fitting" in asked_targets
    or not any((results / "fits").glob("*/*.csv.gz"))
)
asked_fits = planning.asked_fits(configuration) if fits_are_asked else {}
# The command line, where it is ours to judge: not in a job, nor in a workflow that has this one as a module.
is_own_command = workflow.is_main_process and not workflow.modifier.parent_modifier
own_targets = asked_targets if is_own_command else []
file_targets = [
    target for target in own_targets if f"{target}/".startswith(("results/", "data/"))
]
# What a profile or the command line sets, which Snakemake hands to each job as it is written.
set_for_training = workflow.resource_settings.overwrite_resources.get(
    workflow.modifier.modify_rulename("train_cells"), {}
).get("gpu")
try:
    gpus_of_training = scheduling.gpus_of_training(
        configuration.training,
        here=gpus_here,
        asked=getattr(set_for_training, "raw", set_for_training),
    )
    stack = scheduling.stack_of(
        configuration,
        gpus_of_training,
        by_name=targets.are_all_within(own_targets, results / "runs"),
    )
    study.check_options(
        results,
        configuration,
        overlay=Path(
            f"{workflow.current_basedir}/../../configs/{configuration.study}.yaml"
        ),
    )
    sources.check_own_checksums(
        {name: configuration.datasets[name] for name in configuration.asked_datasets}
    )
    if workflow.is_main_process and configuration.training.kl == "codes":
        # Here alone the main process needs torch, which is slow to import.
        from discrete_vae.model.code_probabilities import check_trainable

        laws = cells.values_of(asked_cells, "perturbation")
        check_trainable(
            {name: configuration.perturbations[name] for name in laws},
            cells.values_of(asked_cells, "K"),
        )
    # Only the main process plans. Meanwhile files are made, or copied, beside a job that reads the Snakefile again.
    found_groups = groups.FoundGroups()
    complete_groups, finished_runs, found_gradients, found_fits = [], [], [], []
    if workflow.is_main_process:
        shared.check_datasets(
            folder("data"),
            {name: options["datasets"][name] for name in configuration.asked_datasets},
        )
        found_groups = groups.find_groups(results, configuration)
        finished_runs = groups.finished_runs(results)
        complete_groups = drawn.complete_groups(results)
        drawn.outdate_drawings(results, complete_groups)
        if workflow.modifier.parent_modifier:  # nothing runs our onstart
            drawn.list_groups(results / "tables/groups.csv", complete_groups)
        found_gradients = planning.find_tables(
            results / "gradients", ".csv", asked_gradients, name=r"seed\d+"
        )
        found_fits = planning.find_tables(results / "fits", ".csv.gz", asked_fits)
except CorrectableError as error:
    sys.exit(f"ERROR: {error}")


shown_groups = found_groups.shown(list(configuration.datasets))


def groups_at(**axes):
    """List the groups that are shown, or those at some values of the axes."""
    return [
        group
        for group in shown_groups
        if all(str(getattr(group, axis)) == value for axis, value in axes.items())
    ]


def files_of(groups, name):
    """List a file of some groups."""
    return [f"<results>/{group.directory}/{name}" for group in groups]


def group_files(name, **axes):
    """List a file of every group that is shown, or of those at some values of the axes."""
    return files_of(groups_at(**axes), name)


wildcard_patterns = cells.wildcard_patterns(
    dataset=[*configuration.datasets, *cells.values_of(shown_groups, "dataset")],
    perturbation=configuration.perturbations,
    target=configuration.fitting.targets,
)

missing_files = [
    f"<results>/{path}"
    for path in planning.missing_files(results, found_groups.to_make, asked_cells)
]


def untracked(value):
    """Hand a parameter to a job. If it changes, the job does not run again.

    Snakemake does not compare a parameter that is derived from the input.
    """
    return lambda wildcards, input: value


def unless_finished(finished, wildcard):
    """Constrain the first wildcard of a path so that what is finished is never made again: no rule makes it."""
    # On a cluster node the files of the job itself may be there already.
    return cells.all_but(
        finished if workflow.is_main_process else [], wildcard_patterns[wildcard]
    )


def sources_of(dataset):
    """List the files that a dataset is binarized from."""
    source = configuration.datasets[dataset]
    # A user's own file lies where the user says, also under the prefix of a module.
    own = isinstance(source, definitions.OwnFile)
    return [local(path) if own else path for path in sources.input_files(source)]


asked_of_group = groups.by_group(asked_cells)


@functools.cache
def cells_of_group(dataset, K, seed):
    """List the cells that a group is made of."""
    group = cells.Group(dataset, int(K), int(seed))
    return planning.cells_to_group(
        results, group, asked_of_group.get(group, []), list(configuration.perturbations)
    )


def of_first_pictures(name, wildcards):
    """List a file of the first seed that has pictures, at a dataset and K; older results have none."""
    there = (
        group
        for group in groups_at(**wildcards)
        if group in found_groups.to_make
        or not groups.absent_files(results / group.directory, ["pictures.npz"])
    )
    return files_of(there, name)[:1]
