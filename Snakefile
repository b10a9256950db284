"""Regenerates the discrete-VAE experiment of arXiv 2406.02180: configuration in, targets out."""

import json
import math
import os
import re
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

if " " in sys.executable:
    sys.exit(
        f"ERROR: the path of Python, {sys.executable}, has a space, with which"
        " Snakemake's jobs fail; move the project or its environment"
    )
if not Path(f"{workflow.current_basedir}/workflow").is_dir():
    sys.exit(
        f"ERROR: {workflow.current_basedir} is no local folder, and the library beside the"
        " rules is needed; use the Snakefile of a clone"
    )
# What a user's environment adds must not stand before the libraries, or before what scripts share.
of_user = os.environ.get("PYTHONPATH", "").split(os.pathsep)
sys.path.sort(key=of_user.__contains__)
of_scripts = f"{workflow.current_basedir}/workflow/scripts"
os.environ.update(PYTHONPATH=os.pathsep.join([of_scripts, *filter(None, of_user)]))
sys.path.insert(0, f"{workflow.current_basedir}/workflow")

from discrete_vae import ending, files
from discrete_vae.config import definitions
from discrete_vae.config.reading import read
from discrete_vae.config.strict_yaml import check_yaml
from discrete_vae.data import shared, sources
from discrete_vae.errors import InputError, OutputError
from discrete_vae.grid import (
    cells,
    groups,
    planning,
    progress,
    scheduling,
    study,
    targets,
)
from discrete_vae.source import git_revision, source_sum


configfile: f"{workflow.current_basedir}/config.yaml"


try:
    # The files of a workflow that has this one as a module may hold what is not for us.
    check_yaml([] if workflow.modifier.parent_modifier else workflow.configfiles)
    configuration = read(config)
except InputError as error:
    sys.exit(f"ERROR in the configuration: {error}")
# With what a module of another workflow leaves out: captions of the report read it.
config = {**config, **configuration.plain()}


pathvars:
    results=f"results/{configuration.study}",
    logs=f"logs/{configuration.study}",
    benchmarks=f"logs/{configuration.study}/benchmarks",
    checkpoints=f"checkpoints/{configuration.study}",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


wildcard_constraints:
    **wildcard_patterns,
    perturbation="|".join(map(re.escape, configuration.perturbations)),
    target="|".join(map(re.escape, configuration.fitting.targets)),


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/fitting.smk"
include: "workflow/rules/standalone.smk"


for path in file_targets:
    if os.path.exists(path) or path in makeable_files():
        continue
    if is_beyond_the_grid(path):
        folder_of_cells, dataset, *_ = Path(path).relative_to(results).parts
        epochs = configuration.training.epochs_of(dataset)
        if folder_of_cells == "runs" and epochs is None:
            sys.exit(
                f"ERROR: training.epochs is {configuration.training.epochs}, expected a number for {dataset!r}; add it"
            )
        print(
            f"{path} is not in the grid; it is made all the same, and joins its group if that is not finished",
            file=sys.stderr,
        )
        continue
    # Snakemake would say no more than that no rule makes it.
    near = targets.nearest(path, makeable_files())
    advice = f"did you mean {near}?" if near else "correct the path or the study"
    if stack and Path(path).is_relative_to(results / "runs"):
        advice += f" training.stack has {', '.join(stack)}, so add new values to the grid, or set it to []"
    sys.exit(
        f"ERROR: nothing makes {path} in the study {configuration.study}; {advice}"
    )
if is_own_command and "control" in asked_targets and not control_datasets:
    reason = (
        "there is no finished group, expected one to draw; unset draw_only"
        if configuration.control.enabled
        else "control.enabled is false, expected true; add --configfile configs/control.yaml"
    )
    sys.exit(f"ERROR: the target control is asked for and {reason}")


default_targets = [
    *(*tables_results, *figures_results, *control_results),
    *(fitting_results if found_fits or configuration.fitting.enabled else []),
]
if is_own_command and not default_targets:
    print(
        f"the study {configuration.study} has nothing to make or to draw: the grid has no dataset, or"
        " draw_only is true and there is no group",
        file=sys.stderr,
    )


# The signals of a workflow that has this one as a module are its own.
if is_own_command:
    ending.end_with_terminal()


onstart:
    try:
        files.check_writable(files_to_write(workflow.dag.needrun_jobs()))
    except OutputError as error:
        sys.exit(f"ERROR: {error}")
    progress.record_plan(logs, planned_cells(workflow.dag.needrun_jobs()))


onsuccess:
    if any(job.rule.name == "tabulate_results" for job in workflow.dag.jobs):
        for line in ending.point_to_results(results):
            print(line, file=sys.stderr)


onerror:
    failed = [
        (job.rule.name, ", ".join(job.log)) for job in workflow.scheduler.failed
    ]
    said = "".join(
        Path(file).read_text(encoding="utf-8", errors="replace") for file in log
    )
    for line in ending.explain(said, failed):
        print(line, file=sys.stderr)


rule all:
    """Make all tables and figures of the study."""
    default_target: True
    input:
        default_targets,
