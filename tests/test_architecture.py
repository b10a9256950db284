"""The packages of the library import downwards only, and no room of it is too large."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

LIBRARY = ROOT / "workflow" / "discrete_vae"
# From the ground up; packages of one floor may import each other in one direction.
FLOORS = [
    {"ending", "errors", "files", "source"},
    {"config"},
    {"grid"},
    {"data", "model"},
    {"training", "evaluation"},
    {"analysis"},
    {"report"},
    {"control", "fitting", "standalone"},
    {"__main__"},
]
FLOOR_OF = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
MODULES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def package_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module="discrete_vae"):
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom() if node.module.startswith("discrete_vae."):
                yield node.module.split(".")[1]


def test_every_package_has_a_floor():
    assert {package_of(path) for path in MODULES} == FLOOR_OF.keys()


def test_imports_go_downwards_only():
    imports = {(package_of(path), other) for path in MODULES for other in imported_packages(path)}
    upwards = [pair for pair in imports if FLOOR_OF[pair[0]] < FLOOR_OF[pair[1]]]
    mutual = [(a, b) for a, b in imports if a < b and (b, a) in imports]
    assert upwards == mutual == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(LIBRARY).as_posix())
def test_rooms_are_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno < 120, node.name


def test_tests_lie_in_the_folders_of_their_packages():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and list(path.glob("test_*.py"))}
    assert folders - {"pipeline"} == {package for package in FLOOR_OF if (LIBRARY / package).is_dir()}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_what_a_benchmark_imports_of_the_library_is_there(path):
    """No test runs the benchmarks."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("discrete_vae"):
            names = vars(importlib.import_module(node.module))
            assert [alias.name for alias in node.names if alias.name not in names] == []
