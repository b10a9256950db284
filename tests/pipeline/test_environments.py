"""The lock, the project's ranges and the conda environments agree."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    environment = {"python_full_version": "3.11.0", "python_version": "3.11"}
    return {
        requirement.name: str(requirement.specifier)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


@pytest.mark.parametrize("group", ["dependencies", *PROJECT["optional-dependencies"]])
def test_the_lock_is_within_the_ranges_of_the_project(group):
    declared = PROJECT["dependencies"] if group == "dependencies" else PROJECT["optional-dependencies"][group]
    for line in declared:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked()[requirement.name].removeprefix("==")), line


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_conda_environments_pin_what_the_lock_pins(path):
    *conda, pip = yaml.safe_load(path.read_text())["dependencies"]
    assert conda == ["python=3.11", "pip"]
    for line in pip["pip"]:
        requirement = Requirement(line)
        assert str(requirement.specifier) == locked()[requirement.name], line


LIBRARY, SCRIPTS = ROOT / "workflow", ROOT / "workflow" / "scripts"
# Names of packages that differ from those of their modules.
# Triton comes with a torch for CUDA, and is asked for by an option alone.
PACKAGES = {"yaml": "pyyaml", "PIL": "pillow", "sklearn": "scikit-learn", "triton": "torch"}


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module, less those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from run_time_nodes(node)


def packages_of(path: Path, seen: set[Path]) -> set[str]:
    """List the packages that a script needs, by its imports and those of the library's modules."""
    seen.add(path)
    packages = set()
    for node in run_time_nodes(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            candidates = [base / f"{name.replace('.', '/')}.py" for base in (LIBRARY, SCRIPTS)]
            own = {path for path in candidates if path.exists()}
            if not own and not name.startswith("discrete_vae"):
                packages.add(name.partition(".")[0])
            for module in own - seen:
                packages |= packages_of(module, seen)
    return packages - sys.stdlib_module_names


def scripts_and_environments() -> list[tuple[str, str]]:
    """List the script of every rule with the conda environment it runs in."""
    rules = "".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    pattern = r'conda:\s+"\.\./\.\./envs/(\w+\.yaml)"(?:(?!^rule ).)*?script:\s+"\.\./scripts/(\w+\.py)"'
    return sorted((script, environment) for environment, script in re.findall(pattern, rules, re.DOTALL | re.MULTILINE))


def test_every_script_has_an_environment():
    scripts = {path.name for path in SCRIPTS.glob("*.py")} - {"discrete_vae_job.py"}
    assert {script for script, _ in scripts_and_environments()} == scripts


@pytest.mark.parametrize(("script", "environment"), scripts_and_environments())
def test_a_script_finds_what_it_imports_in_its_conda_environment(script, environment):
    *_, pip = yaml.safe_load((ROOT / "envs" / environment).read_text())["dependencies"]
    installed = {Requirement(line).name for line in pip["pip"]}
    needed = {PACKAGES.get(name, name) for name in packages_of(SCRIPTS / script, set())}
    assert needed - installed == set()
