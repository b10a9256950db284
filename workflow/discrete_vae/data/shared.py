"""The folder data/, which all studies share: one name of a dataset is one definition."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from discrete_vae.config.definitions import without_place
from discrete_vae.data.dataset import ADVICE, BinarizedDataset
from discrete_vae.data.sources import checksum
from discrete_vae.errors import InputError, reading


def check_definition(images: Path, manifest: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Check that a binarized dataset was made of the definition that its name has in the configuration.

    Args:
        images: its .npz; the file's name is the dataset's.
        manifest: of the dataset.
        definition: as the configuration file says it.

    Raises:
        InputError: it was made of another definition, or the user's own file has other content now.
    """
    advice = f"give the dataset another name, or remove {images}"
    with reading(images, "a binarized dataset with its definition and sources", ADVICE):
        made, sums = manifest["definition"], manifest["sources"]
    if without_place(made) != without_place(definition):
        raise InputError(
            f"datasets.{images.stem} is {json.dumps(definition)}, expected {json.dumps(made)}, of which"
            f" {images} was made for all studies; {advice}"
        )
    if definition["source"] != "npz":
        return
    path = Path(definition["path"])
    if path.exists() and checksum(path.read_bytes(), "sha256") not in sums.values():
        raise InputError(
            f"{path} has other content than the file of which {images} was made, expected the same, as all studies"
            f" share it; {advice}"
        )


def check_datasets(data: Path, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Check by their manifests that the datasets in a folder were made of their definitions, given by name.

    Raises:
        InputError: the first one that was made of another definition, or of another file of the user's; or is damaged.
    """
    for name, definition in definitions.items():
        images = data / f"{name}.npz"
        if images.exists():
            check_definition(images, BinarizedDataset.load_manifest(images), definition)
