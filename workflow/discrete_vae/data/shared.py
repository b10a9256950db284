"""The folder data/, which all studies share: one name of a dataset is one definition."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from discrete_vae.data.sources import fingerprint
from discrete_vae.errors import InputError, reading


def check_definition(name: str, manifest: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Check by its manifest that data/{name}.npz was made of a dataset's definition.

    Raises:
        InputError: they are of another one: a file was put there under this name.
    """
    made = manifest.get("definition", definition)
    if made != definition:
        raise InputError(
            f"data/{name}.npz was made of {json.dumps(made)}, expected {json.dumps(definition)} as under"
            f" datasets.{name}; remove it and data/{name}.json to make it again"
        )


def check_datasets(data: Path, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that the binarized datasets in a folder are of some definitions, given by name as a configuration has them.

    Raises:
        InputError: the first one that was made by another definition, or of another file of the user's.
    """
    for name, definition in definitions.items():
        manifest = data / f"{name}.json"
        if not manifest.exists():
            continue
        advice = f"give the dataset another name, or remove {manifest} and {data / name}.npz"
        with reading(manifest, "the manifest of a dataset", f"remove {manifest} and {data / name}.npz"):
            made = json.loads(manifest.read_text(encoding="utf-8"))
            definition_then, sources_then = made["definition"], made["sources"]
        if definition_then != definition:
            raise InputError(
                f"datasets.{name} is {json.dumps(definition)}, expected {json.dumps(definition_then)}, of which"
                f" {data / name}.npz was made for every study; {advice}"
            )
        if definition["source"] == "npz":
            path = Path(definition["path"])
            if sources_then[path.name] != fingerprint(path.read_bytes(), "sha256"):
                raise InputError(
                    f"{path} has changed since {data / name}.npz was made of it for every study, expected the same"
                    f" content; {advice}"
                )
