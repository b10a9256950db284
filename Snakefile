"""Regenerates the discrete-VAE experiment of arXiv 2406.02180: configuration in, targets out."""

import functools
import itertools
import re
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

if " " in sys.executable:
    sys.exit(
        f"ERROR: the path of Python, {sys.executable}, has a space, which Snakemake's jobs"
        " cannot bear; move the project or its environment"
    )
if not Path(f"{workflow.current_basedir}/workflow").is_dir():
    sys.exit(
        f"ERROR: {workflow.current_basedir} is no local folder, and the library beside the"
        " rules is needed; use the Snakefile of a clone"
    )
sys.path.insert(0, f"{workflow.current_basedir}/workflow")

from discrete_vae import cells, configuration, files, groups, sources, studies
from discrete_vae.errors import InputError, OutputError


configfile: f"{workflow.current_basedir}/config.yaml"


try:
    configuration.complete(config)
except InputError as error:
    sys.exit(f"ERROR in the configuration: {error}")


pathvars:
    results=f"results/{config['study']}",
    logs=f"logs/{config['study']}",
    benchmarks=f"logs/{config['study']}/benchmarks",
    checkpoints=f"checkpoints/{config['study']}",


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
        overlay=Path(f"{workflow.current_basedir}/configs/{config['study']}.yaml"),
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


report: "workflow/report/workflow.rst"


wildcard_patterns = cells.wildcard_patterns(
    [*config["datasets"], *cells.values_of(shown_groups, "dataset")]
)


runs_of_other_stacks = groups.runs_of_other_stacks(
    study, found_groups.to_make, config["training"]["stack"]
)
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


def unless_finished(finished, wildcard):
    """Constrain a wildcard so that what is finished is never made again: no rule makes it."""
    # On a cluster node the files of the job itself may be there already.
    return cells.all_but(
        finished if workflow.is_main_process else [], wildcard_patterns[wildcard]
    )


wildcard_constraints:
    **wildcard_patterns,
    perturbation="|".join(map(re.escape, config["perturbations"])),
    target="|".join(map(re.escape, config["fitting"]["targets"])),


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/fitting.smk"


onstart:
    try:
        files.check_writable("data", "logs", "results", "checkpoints")
    except OutputError as error:
        sys.exit(f"ERROR: {error}")


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.control.input if found_gradients or asked_gradients else [],
        rules.fitting.input if found_fits or config["fitting"]["enabled"] else [],
