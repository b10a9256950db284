"""Regenerates the discrete-VAE experiment of arXiv 2406.02180: configuration in, targets out."""

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

from discrete_vae import cells, configuration, files, sources
from discrete_vae.errors import InputError, OutputError


configfile: f"{workflow.current_basedir}/config.yaml"


try:
    configuration.complete(config)
except InputError as error:
    sys.exit(f"ERROR in the configuration: {error}")


report: "workflow/report/workflow.rst"


wildcard_constraints:
    **cells.WILDCARD_PATTERNS,
    dataset="|".join(map(re.escape, config["datasets"])),
    perturbation="|".join(map(re.escape, config["perturbations"])),
    target="|".join(map(re.escape, config["fitting"]["targets"])),


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/once_selected.smk"
include: "workflow/rules/bounds.smk"
include: "workflow/rules/fitting.smk"
include: "workflow/rules/ledger.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/configuration.smk"


onstart:
    try:
        files.check_writable("data", "logs", "results")
    except OutputError as error:
        sys.exit(f"ERROR: {error}")


rule all:
    default_target: True
    input:
        rules.save_config.output,
        cells.cell_files(config["grid"], "summary.json"),
        rules.tables.input,
        rules.figures.input,
        rules.control.input if config["control"]["enabled"] else [],
