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
if {"{", "}"} & set(str(workflow.current_basedir)):
    sys.exit(
        f"ERROR: the path {workflow.current_basedir} has a brace, which Snakemake takes for"
        " a wildcard; move the project"
    )
if not Path(f"{workflow.current_basedir}/workflow").is_dir():
    sys.exit(
        f"ERROR: {workflow.current_basedir} is no local folder, and the library beside the"
        " rules is needed; use the Snakefile of a clone"
    )
# The user's PYTHONPATH comes last: it must not hide the libraries, or what scripts share.
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
from discrete_vae.errors import CorrectableError, InputError
from discrete_vae.grid import (
    cells,
    command,
    drawn,
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
# Captions of the report read `config`, and a module of another workflow may leave keys out.
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


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/fitting.smk"
include: "workflow/rules/standalone.smk"


default_targets = [
    *(*tables_results, *figures_results, *control_results),
    *(fitting_results if found_fits or configuration.fitting.enabled else []),
]


include: "workflow/rules/command.smk"


# The signals of a workflow that has this one as a module are its own.
if is_own_command:
    ending.end_with_terminal()


onstart:
    jobs = list(workflow.dag.needrun_jobs())
    try:
        files.check_writable(files_to_write(jobs))
        drawn.list_groups(results / "tables/groups.csv", complete_groups)
    except CorrectableError as error:
        sys.exit(f"ERROR: {error}")
    progress.record_plan(logs, planned_cells(jobs))


onsuccess:
    try:
        drawn.list_groups(
            results / "tables/groups.csv", drawn.complete_groups(results)
        )
    except CorrectableError as error:
        print(f"ERROR: {error}", file=sys.stderr)
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
