"""A job that trains, evaluates, measures or fits needs none of the libraries that plan the jobs."""

import importlib
import sys

from conftest import ROOT

SOURCE = ROOT / "workflow"
PATTERNS = ("model/*.py", "training/*.py", "evaluation/*.py", "control/gradients.py", "fitting/fit.py")
HIDDEN = ("pydantic", "snakemake", "jsonschema", "requests")


def own_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "discrete_vae"]


def test_no_library_of_the_planning_is_imported(monkeypatch):
    paths = [path.relative_to(SOURCE) for pattern in PATTERNS for path in (SOURCE / "discrete_vae").glob(pattern)]
    with monkeypatch.context() as patch:
        for name in own_modules():
            patch.delitem(sys.modules, name)
        for name in HIDDEN:
            patch.setitem(sys.modules, name, None)  # to import it fails
        try:
            for path in sorted(paths):
                importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        finally:
            for name in own_modules():
                del sys.modules[name]
