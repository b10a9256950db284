"""A job that trains, evaluates, measures or fits needs none of the libraries that plan the jobs."""

import subprocess
import sys

from conftest import ROOT

SOURCE = ROOT / "workflow"
PATTERNS = ("model/*.py", "training/*.py", "evaluation/*.py", "control/gradients.py", "fitting/fit.py")
HIDDEN = ("pydantic", "snakemake", "jsonschema", "requests")


def test_no_library_of_the_planning_is_imported():
    paths = [path.relative_to(SOURCE) for pattern in PATTERNS for path in (SOURCE / "discrete_vae").glob(pattern)]
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sorted(paths)]
    script = f"""
import importlib, sys
sys.path.insert(0, {str(SOURCE)!r})
sys.modules.update(dict.fromkeys({HIDDEN!r}))  # to import one of them fails
for name in {modules!r}:
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
