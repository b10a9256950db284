"""The study: a configuration with a name and a folder. What decides its results is fixed when it begins."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from discrete_vae.config.configuration import Configuration
from discrete_vae.config.definitions import without_place
from discrete_vae.config.options import HOW_TO_TRAIN
from discrete_vae.config.reading import read
from discrete_vae.errors import InputError, reading
from discrete_vae.files import write_text

CONFIG_FILE = "config.yaml"
HEADER = (
    "# The options of this study, fixed when it began. The grid is the one it began with; groups/ holds what was run.\n"
)
# The folders whose results depend on the options of a section.
EVIDENCE = {
    "model": ("runs", "groups"),
    "training": ("runs", "groups", "gradients"),
    "evaluation": ("runs", "groups"),
    "control": ("gradients",),
    "fitting": ("fits",),
}
# Options of these sections that decide no result, or are compared by name.
FREE = {
    "training": (*HOW_TO_TRAIN, "epochs"),
    "evaluation": ("keep_models",),
    "control": ("enabled", "datasets"),
    "fitting": ("enabled", "targets"),
}


def has_evidence(study: Path, section: str | None = None) -> bool:
    """Tell whether a study has results that depend on the options of a section, or of any."""
    folders = EVIDENCE[section] if section else {folder for folders in EVIDENCE.values() for folder in folders}
    # Files, not folders: Snakemake makes the folders of outputs before a job starts.
    return any(names for folder in folders for *_, names in os.walk(study / folder, followlinks=True))


def check_options(study: Path, configuration: Configuration, *, overlay: Path) -> None:
    """Check that a configuration has the options that a study began with.

    It compares definitions of the names in both, and the options and epochs of sections with results. An option that
    did not exist then counts as its default. A study without results begins again.

    Raises:
        InputError: the first option that differs. The message names ``overlay``, a file of configs/, if it exists.
    """
    if not (study / CONFIG_FILE).exists() or not has_evidence(study):
        return
    asked = dict(_fixed(study, configuration.plain()))
    for key, expected in _fixed(study, begun_with(study)):
        given = asked.get(key, expected)
        if given != expected:
            own = f"; its own options: --configfile configs/{overlay.name}" if overlay.exists() else ""
            raise InputError(
                f"{key} is {json.dumps(given)}, expected {json.dumps(expected)} as in {study}; choose another name with"
                f" --config study=NAME, or remove {study}{own}"
            )


def _fixed(study: Path, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each option that decides results of a study, with its key."""
    for section, definitions in (
        ("datasets", {name: without_place(source) for name, source in options["datasets"].items()}),
        ("perturbations", options["perturbations"]),
        ("fitting.targets", options["fitting"]["targets"]),
        ("training.epochs", _epochs(options) if has_evidence(study, "training") else {}),
    ):
        yield from ((f"{section}.{name}", definition) for name, definition in definitions.items())
    for section in EVIDENCE:
        if has_evidence(study, section):
            fixed = (option for option in options[section] if option not in FREE.get(section, ()))
            yield from ((f"{section}.{option}", options[section][option]) for option in fixed)


def _epochs(options: Mapping[str, Any]) -> dict[str, int]:
    epochs = options["training"]["epochs"]
    return epochs if isinstance(epochs, dict) else dict.fromkeys(options["datasets"], epochs)


def begun_with(study: Path) -> dict[str, Any]:
    """Return the options that a study began with, as a YAML file would say them."""
    path = study / CONFIG_FILE
    with reading(path, "the options of a study", "restore it, or remove the study's folder"):
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            return read(stored, check_files=False).plain()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def begin(study: Path, configuration: Configuration, *, dataset: str | None = None) -> None:
    """Write a study's options before its first result, and add the definitions of new names before later ones.

    Call `check_options` before. The mirror, which belongs to a machine, is left out. ``dataset`` is the job's dataset.
    It may be beyond the grid, and its epochs are fixed, too.
    """
    options = configuration.plain()
    path = study / CONFIG_FILE
    begun = begun_with(study) if path.exists() and has_evidence(study) else {**options}
    begun |= {section: options[section] for section in EVIDENCE if not has_evidence(study, section)}
    for section in ("datasets", "perturbations"):
        begun[section] = {**options[section], **begun[section]}
    targets = {**options["fitting"]["targets"], **begun["fitting"]["targets"]}
    begun["fitting"] = {**begun["fitting"], "targets": targets}
    trained = dict.fromkeys([*configuration.asked_datasets, *([dataset] if dataset else [])])
    epochs = {name: _epochs(options)[name] for name in trained}
    fixed = _epochs(begun) if has_evidence(study, "training") else {}
    begun["training"] = {**begun["training"], "epochs": {**epochs, **fixed}}
    begun |= {"study": configuration.study, "mirror": None}  # it may have begun as a copy of another one
    text = HEADER + yaml.safe_dump(begun, sort_keys=False, default_flow_style=None)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
