"""The study: a configuration with a name and a folder. What decides its results is fixed when it begins."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from discrete_vae.config.configuration import complete, datasets_of, epochs_of
from discrete_vae.data.sources import fingerprint
from discrete_vae.errors import InputError
from discrete_vae.files import write_text

CONFIG_FILE = "config.yaml"
HEADER = (
    "# The options of this study, fixed when it began. The grid is that of the beginning; groups/ holds what was run.\n"
)
EVIDENCE = ("runs", "groups", "gradients", "fits")
FREE = {
    "training": ("device", "stack", "epochs"),
    "fitting": ("enabled", "targets"),
    "control": ("enabled", "datasets"),
}


def has_evidence(study: Path) -> bool:
    """Tell whether a study has results that depend on its options."""
    # Not any folder: Snakemake makes those of a job's outputs before the job starts.
    return any(path.is_file() for folder in EVIDENCE for path in (study / folder).rglob("*"))


def check_options(study: Path, config: Mapping[str, Any], *, overlay: Path) -> None:
    """Check that a configuration has the options that a study began with.

    Compared are the definitions and the epochs of names in both, model, training and evaluation. An option that did not
    exist then counts as its default. A study without results begins again.

    Args:
        study: its folder.
        config: the complete configuration.
        overlay: a file of configs/ that may hold the study's options.

    Raises:
        InputError: the first option that differs.
    """
    if not has_evidence(study) or not (study / CONFIG_FILE).exists():
        return
    begun = _read(study)
    asked = dict(_fixed(config, _epochs(begun)))
    for key, expected in _fixed(begun, _epochs(begun)):
        given = asked.get(key, expected)
        if given != expected:
            own = f"; its own options: --configfile configs/{overlay.name}" if overlay.exists() else ""
            raise InputError(
                f"{key} is {json.dumps(expected)} in {study}, and {json.dumps(given)} is asked for; choose another name"
                f" with --config study=NAME, or remove {study}{own}"
            )


def check_datasets(data: Path, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the binarized datasets in the folder that all studies share are those asked for.

    Args:
        data: the folder.
        definitions: of the datasets that are asked for, by name.

    Raises:
        InputError: the first one that was made by another definition, or of another file of the user's.
    """
    for name, definition in definitions.items():
        manifest = data / f"{name}.json"
        if not manifest.exists():
            continue
        made = json.loads(manifest.read_text(encoding="utf-8"))
        advice = f"give the dataset another name, or remove {manifest} and {data / name}.npz"
        if made["definition"] != definition:
            raise InputError(
                f"datasets.{name} is {json.dumps(definition)}, expected {json.dumps(made['definition'])}, of which"
                f" {data / name}.npz was made for every study; {advice}"
            )
        if definition["source"] == "npz":
            path = Path(definition["path"])
            if made["sources"][path.name] != fingerprint(path, "sha256"):
                raise InputError(
                    f"{path} has changed, expected the content of which {data / name}.npz was made for every study;"
                    f" {advice}"
                )


def begin(study: Path, config: Mapping[str, Any]) -> None:
    """Write a study's options before its first result, and add the definitions of new names before later ones.

    What belongs to a machine or a moment, such as the mirror, is left out.

    Args:
        study: its folder.
        config: the complete configuration, which agrees with what is written.
    """
    path = study / CONFIG_FILE
    fresh = {**config, "mirror": None, "training": {**config["training"], "epochs": {}}}
    begun = _read(study) if path.exists() and has_evidence(study) else fresh
    for section in ("datasets", "perturbations"):
        begun[section] = {**config[section], **begun[section]}
    targets = {**config["fitting"]["targets"], **begun["fitting"]["targets"]}
    begun["fitting"] = {**begun["fitting"], "targets": targets}
    epochs = {dataset: epochs_of(config["training"], dataset) for dataset in datasets_of(config)}
    begun["training"] = {**begun["training"], "epochs": {**epochs, **_epochs(begun)}}
    text = HEADER + yaml.safe_dump(begun, sort_keys=False, default_flow_style=None)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def _read(study: Path) -> dict[str, Any]:
    config = yaml.safe_load((study / CONFIG_FILE).read_text(encoding="utf-8"))
    complete(config, check_files=False)
    return config


def _epochs(config: Mapping[str, Any]) -> dict[str, int]:
    epochs = config["training"]["epochs"]
    return dict(epochs) if isinstance(epochs, Mapping) else dict.fromkeys(config["datasets"], epochs)


def _fixed(config: Mapping[str, Any], datasets: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield each option that decides results, with its key, and the epochs of some datasets."""
    for section, definitions in (
        ("datasets", config["datasets"]),
        ("perturbations", config["perturbations"]),
        ("fitting.targets", config["fitting"]["targets"]),
    ):
        yield from ((f"{section}.{name}", definition) for name, definition in definitions.items())
    for dataset in datasets:
        if (epochs := epochs_of(config["training"], dataset)) is not None:
            yield f"training.epochs of {dataset}", epochs
    for section in ("model", "training", "evaluation", "fitting", "control"):
        for option, value in config[section].items():
            if option not in FREE.get(section, ()):
                yield f"{section}.{option}", value
