"""What the keys of a configuration must have in common with each other and with the files that they name."""

import difflib
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from discrete_vae.config.configuration import PATTERNS, SHA256, Configuration
from discrete_vae.config.definitions import SMALLEST, URL, OwnFile, Table
from discrete_vae.config.options import AXES, LARGEST_COUNT
from discrete_vae.errors import InputError, without_secrets

SUM_TOLERANCE = 1e-6  # of the probabilities of a table


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """Ask for the closest known name; empty where none is close."""
    close = difflib.get_close_matches(str(given), list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def check(configuration: Configuration, *, check_files: bool) -> None:
    """Check what no single key tells; with ``check_files`` also that the files exist that it names.

    Raises:
        InputError: the first thing that is wrong, in one line.
    """
    _check_grid(configuration)
    _check_stack(configuration)
    _check_control(configuration)
    _check_epochs(configuration)
    _check_definitions(configuration)
    if check_files:
        _check_mirror(configuration.mirror)
        _check_own_files(configuration)


def _check_grid(configuration: Configuration) -> None:
    grid = configuration.grid
    blocks = {f"grid.blocks[{i}]": block for i, block in enumerate(grid.blocks or ())}
    for place, axes in {"grid": grid, **blocks}.items():
        for axis in AXES:
            _check_once(f"{place}.{axis}", getattr(axes, axis) or ())
        _check_defined(f"{place}.dataset", axes.dataset or (), "datasets", configuration.datasets)
        _check_defined(f"{place}.perturbation", axes.perturbation or (), "perturbations", configuration.perturbations)


def _check_once(key: str, values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise InputError(f"{key} is {list(values)}, expected every value once; remove what is twice")


def _check_defined(key: str, names: Iterable[str], section: str, known: Mapping[str, Any]) -> None:
    for name in names:
        if name not in known:
            question = did_you_mean(name, known)
            raise InputError(
                f"{key} has {name!r}, expected a name defined under {section} ({', '.join(known)});"
                f" define it there or correct the name{question and f' ({question})'}"
            )


def _check_stack(configuration: Configuration) -> None:
    stack = configuration.training.stack
    if stack == "auto":
        return
    _check_once("training.stack", stack)
    first, *others = configuration.grid.parts()
    for axis in stack:
        for i, part in enumerate(others, start=1):
            if part[axis] != first[axis]:
                raise InputError(
                    f"grid.blocks[{i}].{axis} is {list(part[axis])}, expected {list(first[axis])} as in grid.blocks[0],"
                    f" because training.stack has {axis!r}; leave {axis} out of the stack"
                )


def _check_control(configuration: Configuration) -> None:
    asked = configuration.asked_datasets
    for name in configuration.control.datasets or ():
        if asked and name not in asked:
            raise InputError(
                f"control.datasets has {name!r}, expected datasets of the grid ({', '.join(asked)}); add it to"
                " grid.dataset or remove it"
            )


def _check_epochs(configuration: Configuration) -> None:
    training = configuration.training
    counts = {"training.epochs": training.epochs}
    if isinstance(training.epochs, dict):
        _check_defined("training.epochs", training.epochs, "datasets", configuration.datasets)
        counts = {f"training.epochs.{name}": epochs for name, epochs in training.epochs.items()}
    for key, epochs in counts.items():
        if not 1 <= epochs <= LARGEST_COUNT:
            raise InputError(f"{key} is {epochs}, expected a number from 1 to {LARGEST_COUNT:,}; correct it")
    for name in configuration.asked_datasets:
        if training.epochs_of(name) is None:
            raise InputError(
                f"training.epochs is {training.epochs}, expected a number for every dataset of the grid; add {name!r}"
            )


def _check_definitions(configuration: Configuration) -> None:
    for name, law in configuration.perturbations.items():
        if law.distribution == "Uniform" and law.high - law.low < SMALLEST * max(1, abs(law.low), abs(law.high)):
            raise InputError(
                f"perturbations.{name}.high is {law.high}, expected a number above low, {law.low}, by a millionth of it"
                " or more; correct one"
            )
    for name, target in configuration.fitting.targets.items():
        if isinstance(target, Table):
            _check_table(f"fitting.targets.{name}.probabilities", target.probabilities)
    for name, source in configuration.datasets.items():
        for file, digits in getattr(source, "sha256", {}).items():
            if not re.match(SHA256, digits):
                raise InputError(
                    f"datasets.{name}.sha256.{file} is {digits!r}, expected {PATTERNS[SHA256]}; correct it"
                )


def _check_table(key: str, probabilities: Sequence[float]) -> None:
    for i, probability in enumerate(probabilities):
        if probability < 0:
            raise InputError(f"{key}[{i}] is {probability}, expected at least 0; correct it")
    total = math.fsum(probabilities)
    if abs(total - 1) > SUM_TOLERANCE:
        raise InputError(f"{key} sums to {total:.9g}, expected 1; correct the table")


# Of os.path, as Path's own fail for a text that no file system takes, such as a very long one.
def _check_mirror(mirror: str | None) -> None:
    if mirror is None:
        return
    if mirror.startswith(URL):
        if strange := re.search(r"[\s?#]", mirror):
            raise InputError(
                f"mirror is a URL with {strange[0]!r}, expected a base URL to which names of files are added;"
                " correct it"
            )
    elif not os.path.isdir(mirror):  # noqa: PTH112
        raise InputError(
            f"mirror is {without_secrets(mirror)!r}, expected an existing directory or a base URL (http or https);"
            " correct it or set it to null"
        )


def _check_own_files(configuration: Configuration) -> None:
    made = [f"data/{dataset}.npz" for dataset in configuration.datasets]
    for name in configuration.asked_datasets:
        source = configuration.datasets[name]
        if not isinstance(source, OwnFile):
            continue
        path = Path(source.path)
        if "{" in source.path or "}" in source.path:
            raise InputError(
                f"datasets.{name}.path is {source.path!r}, expected a path without braces, which Snakemake takes for"
                " wildcards; rename the file or its folder"
            )
        if not os.path.isfile(path):  # noqa: PTH113
            raise InputError(
                f"datasets.{name}.path is {source.path!r}, expected an existing .npz file, and there is none at"
                f" {Path.cwd() / path}; correct the path"
            )
        if path.resolve() in [Path(file).resolve() for file in made]:
            raise InputError(
                f"datasets.{name}.path is {source.path!r}, expected a file other than those that the pipeline makes"
                f" and would overwrite ({', '.join(made)}); move yours"
            )
