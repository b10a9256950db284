"""Binarize the images of a source and split them into disjoint train, validation and test sets.

Each reader imports its own libraries: all of them together take six seconds.
"""

import hashlib
import io
import itertools
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from discrete_vae.config.definitions import OwnFile, Source, definition_of
from discrete_vae.data.dataset import SPLITS, BinarizedDataset, Splits
from discrete_vae.data.sources import has_other_content, source_files, verify
from discrete_vae.errors import OBTAIN_AGAIN, InputError, reading

SHUFFLE_SEED = 775  # the paper's seed
MNIST_VALIDATION = 10_000
OMNIGLOT_TRAIN, OMNIGLOT_VALIDATION = 23_000, 1_345
DIGITS_TRAIN, DIGITS_VALIDATION = 1_297, 250
OMNIGLOT_SIDE = 28
MOST_SHARED = 0.5  # of the images of a set; sets of the published datasets share up to 3% by chance


def binarize(source: Source, paths: Sequence[Path]) -> BinarizedDataset:
    """Make a dataset from a source and its files, in the order of `sources.input_files`.

    A pixel of at least 128 of 255 is 1. In scikit-learn's digits, a pixel of at least 8 of 16 is 1.

    Raises:
        InputError: a file is not what it should be.
    """
    expected = [file.checksum for file in source_files(source)] or [None] * len(paths)
    files = zip(paths, expected, strict=True)
    sums = {path.name: verify(path.read_bytes(), checksum, name=str(path)) for path, checksum in files}
    splits = _READERS[source.source][0](*paths)
    digest = hashlib.sha256()
    for split in SPLITS:
        _check(splits, split, paths)
        digest.update(f"{split} {splits[split].shape}".encode() + splits[split].tobytes())
    _refuse_shared_images(splits, paths)
    manifest = {
        "origin": origin_of(source),
        "definition": definition_of(source),
        "sources": sums,
        "images": {split: len(images) for split, images in splits.items()},
        "image_shape": list(splits["train"].shape[1:]),
        "sha256": digest.hexdigest(),
    }
    return BinarizedDataset(splits, manifest)


def origin_of(source: Source) -> str:
    """Say where the images of a source come from, for tables and captions."""
    if isinstance(source, OwnFile):
        return Path(source.path).name
    origin = _READERS[source.source][1].format(source)
    return f"{origin}, with own checksums" if has_other_content(source) else origin


def _check(splits: Splits, split: str, paths: Sequence[Path]) -> None:
    images = splits[split]
    if images.size == 0 or images.min() == images.max():
        found = f"only {images.flat[0]}" if images.size else f"no pixels, of {sum(map(len, splits.values()))} images"
        raise InputError(
            f"{_named(paths)}: {split} has {found}, expected pixels of 0 and 1; give whole, unaltered files"
        )


def _refuse_shared_images(splits: Splits, paths: Sequence[Path]) -> None:
    """Refuse a set whose images are mostly in another set, too. An image that a set repeats counts once."""
    distinct = {
        split: {row.tobytes() for row in np.packbits(images.reshape(len(images), -1), axis=1)}
        for split, images in splits.items()
    }
    for pair in itertools.combinations(SPLITS, 2):
        larger, smaller = sorted(pair, key=lambda split: len(distinct[split]), reverse=True)
        shared, images = len(distinct[smaller] & distinct[larger]), len(distinct[smaller])
        if shared > MOST_SHARED * images:
            raise InputError(
                f"{_named(paths)}: {shared} of {images} different images of {smaller} are also in {larger}, expected"
                " separate sets; divide the images again"
            )


def _named(paths: Sequence[Path]) -> str:
    return " and ".join(map(str, paths))


def _with_validation(train: np.ndarray, validation: int, test: np.ndarray) -> Splits:
    return {"train": train[:-validation], "validation": train[-validation:], "test": test}


def _divided(images: np.ndarray, train: int, validation: int) -> Splits:
    return dict(zip(SPLITS, np.split(images, [train, train + validation]), strict=True))


def _shuffled(images: np.ndarray) -> np.ndarray:
    return images[np.random.default_rng(SHUFFLE_SEED).permutation(len(images))]


def _read_mnist(train_path: Path, test_path: Path) -> Splits:
    return _with_validation(_read_idx(train_path), MNIST_VALIDATION, _read_idx(test_path))


def _read_idx(path: Path) -> np.ndarray:
    from torchvision.datasets.mnist import read_image_file

    with reading(path, "an idx file of images, MNIST's format", OBTAIN_AGAIN):
        images = read_image_file(str(path)).numpy()
    return (images >= 128).astype(np.uint8)


def _read_iwae(path: Path) -> Splits:
    import scipy.io

    with reading(path, "the .mat file chardata.mat", OBTAIN_AGAIN):
        arrays = scipy.io.loadmat(str(path), variable_names=("data", "testdata"))
    train, test = (_from_columns(path, arrays, key) for key in ("data", "testdata"))
    return _with_validation(_shuffled(train), OMNIGLOT_VALIDATION, test)


def _from_columns(path: Path, arrays: dict[str, np.ndarray], key: str) -> np.ndarray:
    """Binarize an array whose columns are images, each stored column by column, with pixels from 0 to 1."""
    if key not in arrays:
        raise InputError(f"{path} has no key {key!r}, expected data and testdata; {OBTAIN_AGAIN}")
    pixels = arrays[key]
    if pixels.ndim != 2 or len(pixels) != OMNIGLOT_SIDE**2:
        raise InputError(
            f"{path}: {key} has the shape {pixels.shape}, expected {OMNIGLOT_SIDE**2} x images; {OBTAIN_AGAIN}"
        )
    _refuse(f"{path}: {key}", pixels[~((pixels >= 0) & (pixels <= 1))], "0 to 1; divide by the largest possible value")
    images = np.rint(pixels).T.reshape(-1, OMNIGLOT_SIDE, OMNIGLOT_SIDE).transpose(0, 2, 1)
    return np.ascontiguousarray(images, dtype=np.uint8)


def _refuse(name: str, values: np.ndarray, expected: str) -> None:
    if values.size:
        raise InputError(f"{name} has the value {values.flat[0]}, expected {expected}")


def _read_omniglot(*paths: Path) -> Splits:
    drawings = np.concatenate([_read_drawings(path) for path in paths])
    return _divided(_shuffled(drawings), OMNIGLOT_TRAIN, OMNIGLOT_VALIDATION)


def _read_drawings(path: Path) -> np.ndarray:
    """Read the drawings of an archive in the order of their names, resized with antialiasing; dark ink is 1."""
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    with (
        reading(path, "an archive of PNG images of one size, Omniglot's drawings", OBTAIN_AGAIN),
        zipfile.ZipFile(path) as archive,
    ):
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        drawings = np.stack([np.array(Image.open(io.BytesIO(archive.read(name))).convert("L")) for name in names])
    ink = 255 - torch.from_numpy(drawings).unsqueeze(1)
    resized = v2.functional.resize(ink, [OMNIGLOT_SIDE, OMNIGLOT_SIDE], antialias=True)
    return (resized.squeeze(1) >= 128).to(torch.uint8).numpy()


def _read_digits() -> Splits:
    import sklearn.datasets

    images = (sklearn.datasets.load_digits().images >= 8).astype(np.uint8)
    return _divided(_shuffled(images), DIGITS_TRAIN, DIGITS_VALIDATION)


def _read_own(path: Path) -> Splits:
    expected = f"an .npz file with the arrays {', '.join(SPLITS)}"
    with reading(path, expected, "write it with numpy.savez_compressed"), np.load(path) as arrays:
        splits = {split: np.asarray(arrays[split]) for split in SPLITS if split in arrays}
    for split in SPLITS:
        if split not in splits:
            raise InputError(f"{path} has no array {split!r}, expected {', '.join(SPLITS)}; add it")
        _check_own(f"{path}: {split}", splits[split], splits["train"].shape)
    return {split: images.astype(np.uint8) for split, images in splits.items()}


def _check_own(name: str, images: np.ndarray, train_shape: tuple[int, ...]) -> None:
    if images.dtype.kind not in "buif":
        raise InputError(f"{name} is of type {images.dtype}, expected numbers; write it again")
    if images.ndim != 3:
        raise InputError(f"{name} has the shape {images.shape}, expected images x height x width; reshape it")
    if images.shape[1:] != train_shape[1:]:
        raise InputError(
            f"{name} has images of {images.shape[1:]} pixels, expected {train_shape[1:]} as in train; write it again"
        )
    _refuse(name, images[(images != 0) & (images != 1)], "only 0 and 1; binarize it first")


_READERS = {
    "torchvision": (_read_mnist, "torchvision's {0.dataset_class} files"),
    "iwae": (_read_iwae, "chardata.mat of the IWAE repository, 28x28"),
    "omniglot": (_read_omniglot, "torchvision's Omniglot archives, 105x105 resized to 28x28"),
    "sklearn": (_read_digits, "scikit-learn's load_digits"),
    "npz": (_read_own, ""),
}
