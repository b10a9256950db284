"""The lock, the project's ranges and the conda environments agree."""

import tomllib

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(python_version: str = "3.11") -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    environment = {"python_full_version": f"{python_version}.0", "python_version": python_version}
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
