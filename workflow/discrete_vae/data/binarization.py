"""Binarize the images of a source and split them into disjoint train, validation and test sets.

Each reader imports its own libraries, as together they take six seconds.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from discrete_vae.data.dataset import SPLITS, BinarizedDataset, Splits
from discrete_vae.data.sources import BROKEN_ZIP, source_files, verify
from discrete_vae.errors import InputError

SHUFFLE_SEED = 775  # of the datasets that come in no order to keep; the study's seed
MNIST_VALIDATION = 10_000
OMNIGLOT_TRAIN, OMNIGLOT_VALIDATION = 23_000, 1_345
DIGITS_TRAIN, DIGITS_VALIDATION = 1_297, 250
OMNIGLOT_SIDE = 28


def binarize(definition: Mapping[str, Any], paths: Sequence[Path]) -> BinarizedDataset:
    """Make a dataset from its definition in the configuration and its files, in the order of `sources.input_files`.

    A pixel of 128 of 255 and above (of 8 of 16 and above in scikit-learn's digits) is 1.

    Raises:
        InputError: a file is not what it should be.
    """
    source = definition["source"]
    expected = [file.fingerprint for file in source_files(definition)] or [None] * len(paths)
    sums = {path.name: verify(path, fingerprint) for path, fingerprint in zip(paths, expected, strict=True)}
    splits = _READERS[source](paths)
    manifest = {
        "origin": origin_of(definition),
        "definition": dict(definition),
        "sources": sums,
        "images": {split: len(images) for split, images in splits.items()},
        "image_shape": list(splits["train"].shape[1:]),
        "sha256": _content_sum(splits),
    }
    return BinarizedDataset(splits, manifest)


def origin_of(definition: Mapping[str, Any]) -> str:
    """Say where the images of a dataset definition come from, for tables and captions."""
    return _ORIGINS[definition["source"]].format(**definition, file=Path(definition.get("path", "")).name)


def _content_sum(splits: Splits) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(f"{split} {splits[split].shape}".encode() + splits[split].tobytes())
    return digest.hexdigest()


def _mnist_like(paths: Sequence[Path]) -> Splits:
    train, test = map(_read_idx, paths)
    if len(train) <= MNIST_VALIDATION:
        raise InputError(
            f"{paths[0]} holds {len(train)} images, expected more than the {MNIST_VALIDATION} of the validation set;"
            " obtain the whole file"
        )
    return {"train": train[:-MNIST_VALIDATION], "validation": train[-MNIST_VALIDATION:], "test": test}


def _read_idx(path: Path) -> np.ndarray:
    from torchvision.datasets.mnist import read_image_file

    try:
        images = read_image_file(str(path)).numpy()
    except (TypeError, ValueError, AssertionError, RuntimeError, IndexError, KeyError) as error:
        raise InputError(
            f"{path} is not an idx file of images ({' '.join(str(error).split()) or type(error).__name__}), expected"
            " MNIST's format; obtain it again"
        ) from None
    return (images >= 128).astype(np.uint8)


def _iwae(paths: Sequence[Path]) -> Splits:
    (path,) = paths
    arrays = _read_mat(path)
    # Columns are images, and an image's pixels are stored column by column.
    train, test = (
        (arrays[key] >= 128 / 255).T.reshape(-1, OMNIGLOT_SIDE, OMNIGLOT_SIDE).transpose(0, 2, 1).astype(np.uint8)
        for key in ("data", "testdata")
    )
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(train))
    train = train[order]
    return {
        "train": train[:-OMNIGLOT_VALIDATION],
        "validation": train[-OMNIGLOT_VALIDATION:],
        "test": np.ascontiguousarray(test),
    }


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    import scipy.io

    try:
        arrays = scipy.io.loadmat(str(path), variable_names=("data", "testdata"))
    except Exception as error:  # scipy raises errors of many kinds on a broken file
        raise InputError(
            f"{path} is not a readable .mat file ({error}), expected chardata.mat; obtain it again"
        ) from None
    pixels = OMNIGLOT_SIDE**2
    for key, least in (("data", OMNIGLOT_VALIDATION + 1), ("testdata", 1)):
        if key not in arrays:
            raise InputError(f"{path} has no key {key!r}, expected data and testdata; obtain chardata.mat again")
        shape = arrays[key].shape
        if len(shape) != 2 or shape[0] != pixels or shape[1] < least:
            raise InputError(
                f"{path}: {key} has the shape {shape}, expected {pixels} x at least {least}; obtain chardata.mat again"
            )
    return arrays


def _omniglot(paths: Sequence[Path]) -> Splits:
    drawings = np.concatenate([_read_drawings(path) for path in paths])
    if len(drawings) <= OMNIGLOT_TRAIN + OMNIGLOT_VALIDATION:
        raise InputError(
            f"{' and '.join(map(str, paths))} hold {len(drawings)} drawings, expected more than the"
            f" {OMNIGLOT_TRAIN + OMNIGLOT_VALIDATION} of the training and validation sets; obtain the whole archives"
        )
    images = drawings[np.random.default_rng(SHUFFLE_SEED).permutation(len(drawings))]
    return dict(zip(SPLITS, np.split(images, [OMNIGLOT_TRAIN, OMNIGLOT_TRAIN + OMNIGLOT_VALIDATION]), strict=True))


def _read_drawings(path: Path) -> np.ndarray:
    """Read the drawings of an archive in the order of their names, resized with antialiasing; dark ink is 1."""
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".png"))
            drawings = np.stack([np.array(Image.open(io.BytesIO(archive.read(name))).convert("L")) for name in names])
    except (OSError, ValueError, *BROKEN_ZIP) as error:
        raise InputError(
            f"{path} does not hold PNG images of one size ({error}), expected Omniglot's drawings; obtain it again"
        ) from None
    ink = 255 - torch.from_numpy(drawings).unsqueeze(1)
    resized = v2.functional.resize(ink, [OMNIGLOT_SIDE, OMNIGLOT_SIDE], antialias=True)
    return (resized.squeeze(1) >= 128).to(torch.uint8).numpy()


def _digits(paths: Sequence[Path]) -> Splits:
    import sklearn.datasets

    images = (sklearn.datasets.load_digits().images >= 8).astype(np.uint8)
    images = images[np.random.default_rng(SHUFFLE_SEED).permutation(len(images))]
    return dict(zip(SPLITS, np.split(images, [DIGITS_TRAIN, DIGITS_TRAIN + DIGITS_VALIDATION]), strict=True))


def _own_npz(paths: Sequence[Path]) -> Splits:
    (path,) = paths
    try:
        arrays = np.load(path)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        with arrays:
            splits = {split: np.asarray(arrays[split]) for split in SPLITS if split in arrays}
    except (OSError, ValueError, *BROKEN_ZIP) as error:
        raise InputError(
            f"{path} is not a readable .npz file ({error}), expected one with the arrays {', '.join(SPLITS)}; write it"
            " with numpy.savez_compressed"
        ) from None
    for split in SPLITS:
        _check_own_split(path, splits, split)
    return {split: images.astype(np.uint8) for split, images in splits.items()}


def _check_own_split(path: Path, splits: Splits, split: str) -> None:
    if split not in splits:
        raise InputError(f"{path} has no array {split!r}, expected {', '.join(SPLITS)}; add it")
    images = splits[split]
    if images.dtype.kind not in "buif":
        raise InputError(f"{path}: {split} is of type {images.dtype}, expected numbers; write it anew")
    if images.ndim != 3 or images.size == 0 or images.shape[1:] != splits["train"].shape[1:]:
        raise InputError(
            f"{path}: {split} has the shape {images.shape}, expected images x height x width with the same image size"
            f" as train, {splits['train'].shape}; reshape it"
        )
    if not np.isin(images, (0, 1)).all():
        value = images[~np.isin(images, (0, 1))].flat[0]
        raise InputError(f"{path}: {split} has the value {value}, expected only 0 and 1; binarize it first")


_READERS = {
    "torchvision": _mnist_like,
    "iwae": _iwae,
    "omniglot": _omniglot,
    "sklearn": _digits,
    "npz": _own_npz,
}
_ORIGINS = {
    "torchvision": "torchvision's {class} files",
    "iwae": "chardata.mat of the IWAE repository, 28x28",
    "omniglot": "torchvision's Omniglot archives, 105x105 resized to 28x28",
    "sklearn": "scikit-learn's load_digits",
    "npz": "{file}",
}
