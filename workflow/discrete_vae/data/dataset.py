"""A binarized dataset: images of 0 and 1 in disjoint train, validation and test sets, in one .npz."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from discrete_vae.errors import reading
from discrete_vae.files import write_arrays

SPLITS = ("train", "validation", "test")
ADVICE = "remove it to make it again"

Splits = dict[str, np.ndarray]


@dataclass(frozen=True)
class BinarizedDataset:
    """Images of 0 and 1, ``uint8`` of shape images x height x width in each split, and where they come from."""

    splits: Splits
    manifest: dict[str, Any]

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        height, width = self.splits["train"].shape[1:]
        return height, width

    def save(self, path: Path | str) -> None:
        """Write the .npz whole."""
        write_arrays(path, {**self.splits, "manifest": np.array(json.dumps(self.manifest))})

    @staticmethod
    def load_manifest(path: Path | str) -> dict[str, Any]:
        """Read where the images of an .npz come from, without the images.

        Raises:
            InputError: a missing or damaged file.
        """
        with reading(path, "a binarized dataset", ADVICE), Path(path).open("rb") as file, np.load(file) as arrays:
            return json.loads(str(arrays["manifest"]))

    @classmethod
    def load(cls, path: Path | str, *, advice: str = ADVICE) -> "BinarizedDataset":
        """Read an .npz that `save` wrote; ``advice`` ends the message of an error.

        Raises:
            InputError: a missing or damaged file.
        """
        with reading(path, "a binarized dataset", advice), Path(path).open("rb") as file, np.load(file) as arrays:
            return cls({split: arrays[split] for split in SPLITS}, json.loads(str(arrays["manifest"])))
