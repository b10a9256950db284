"""Where the images come from: source files, their official homes and the fingerprints of their content."""

import dataclasses
import hashlib
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discrete_vae.errors import InputError

RAW_FILE = "data/raw/{folder}/{file}"
BINARIZED_FILE = "data/{dataset}.npz"

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError)  # what reading a truncated or damaged archive raises


@dataclass(frozen=True)
class SourceFile:
    """A file to obtain.

    Attributes:
        folder: its folder in ``data/raw`` and in a mirror.
        name: its name in ``data/raw``; a gzip is stored decompressed.
        official_name: its name at its official homes and in a mirror.
        homes: base URLs to try, in this order.
        fingerprint: ``kind:hexadecimal digits`` of the content (see `fingerprint`), or None where none is known.
    """

    folder: str
    name: str
    official_name: str
    homes: tuple[str, ...]
    fingerprint: str | None

    @property
    def path(self) -> str:
        """Where the pipeline keeps the file, and where a person may place it by hand."""
        return RAW_FILE.format(folder=self.folder, file=self.name)


def _mnist_format(folder: str, homes: tuple[str, ...], fingerprints: tuple[str | None, str | None]) -> list[SourceFile]:
    """Return the training and the test images; the experiment uses no labels."""
    return [
        SourceFile(folder, f"{name}-images-idx3-ubyte", f"{name}-images-idx3-ubyte.gz", homes, fingerprint)
        for name, fingerprint in zip(("train", "t10k"), fingerprints, strict=True)
    ]


_MNIST_HOMES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION_HOMES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
_KMNIST_HOMES = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
_IWAE_HOMES = (
    "https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/",
    "https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/",
)
_OMNIGLOT_HOMES = (
    "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
    "https://github.com/brendenlake/omniglot/raw/master/python/",
)

_TORCHVISION_FILES = {
    "MNIST": _mnist_format(
        "mnist",
        _MNIST_HOMES,
        (
            "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
    ),
    "FashionMNIST": _mnist_format(
        "fashion-mnist",
        _FASHION_HOMES,
        (
            "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
    ),
    "KMNIST": _mnist_format("kmnist", _KMNIST_HOMES, (None, None)),
}
_FILES = {
    "iwae": (
        SourceFile(
            "omniglot",
            "chardata.mat",
            "chardata.mat",
            _IWAE_HOMES,
            "git-blob:016a3536ffe5e1d38e42563a18d7a78bfaf643ec",
        ),
    ),
    "omniglot": (
        SourceFile(
            "omniglot",
            "images_background.zip",
            "images_background.zip",
            _OMNIGLOT_HOMES,
            "png-members:71a1ca99688b462d3818e7fd1d96e592b0bc508754ea500c444035296bf74117",
        ),
        SourceFile(
            "omniglot",
            "images_evaluation.zip",
            "images_evaluation.zip",
            _OMNIGLOT_HOMES,
            "png-members:748bfbe557520aab543e31b7cb103f75cc655361f4e6b7fe1ccede747c9710f7",
        ),
    ),
}


def source_files(source) -> list[SourceFile]:
    files = _TORCHVISION_FILES[source.dataset_class] if source.source == "torchvision" else _FILES.get(source.source, ())
    sums = getattr(source, "sha256", {})
    return [
        dataclasses.replace(file, fingerprint=f"sha256:{sums[file.name]}") if file.name in sums else file
        for file in files
    ]


def input_files(source) -> list[str]:
    return [source.path] if source.source == "npz" else [file.path for file in source_files(source)]


def check_sums(datasets: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the sums under ``sha256`` in the definitions of some datasets.

    Raises:
        InputError: a sum of a file that the dataset is not made from, or two sums for one file.
    """
    expected: dict[str, tuple[str, str | None]] = {}
    for name, definition in datasets.items():
        files = source_files(definition)
        for file in getattr(definition, "sha256", {}):
            if file not in [known.name for known in files]:
                raise InputError(
                    f"datasets.{name}.sha256 has {file!r}, expected {' or '.join(known.name for known in files)};"
                    " correct the name"
                )
        for file in files:
            other, sum_of_other = expected.setdefault(file.path, (name, file.fingerprint))
            if sum_of_other != file.fingerprint:
                raise InputError(
                    f"datasets.{name} expects {file.path} to have {file.fingerprint} and datasets.{other}"
                    f" {sum_of_other}, expected one sum for one file; give both the same under sha256"
                )


def find_source_file(config: Mapping[str, Any], path: str, *, first: Collection[str]) -> SourceFile:
    """Return the source file that the pipeline keeps at a path, as a dataset defines it: one of the first, or another.

    Raises:
        InputError: no dataset is made from such a file.
    """
    datasets = config
    for name in sorted(datasets, key=lambda name: name not in first):
        for file in source_files(datasets[name]):
            if file.path == path:
                return file
    raise InputError(
        f"{path} is not a source file of a dataset, expected one of those under datasets; correct the path"
    )


def fingerprint(path: Path, kind: str) -> str:
    """Compute a fingerprint of a file's content, ``kind:hexadecimal digits``.

    Kinds: ``sha256`` of the bytes; ``git-blob``, the SHA-1 that git gives the file; ``png-members``, the SHA-256 over a
    zip's .png members in sorted order, each as its name, a zero byte and its bytes, whatever their compression.

    Raises:
        InputError: ``png-members`` of a file that is not a complete zip archive.
    """
    functions = {"sha256": _sha256, "git-blob": _git_blob, "png-members": _png_members}
    return f"{kind}:{functions[kind](path)}"


def verify(path: Path, expected: str | None) -> str:
    """Return the fingerprint of a source file after comparing it with the expected one, if any.

    Raises:
        InputError: the content is another one.
    """
    actual = fingerprint(path, expected.partition(":")[0] if expected else "sha256")
    if expected is not None and actual != expected:
        raise InputError(
            f"{path} has the fingerprint {actual}, expected {expected}: the file is truncated or altered; remove it to"
            " obtain it again, or give its sum under the dataset's sha256 if the content is yours"
        )
    return actual


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _png_members(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
                digest.update(name.encode() + b"\0" + archive.read(name))
    except BROKEN_ZIP as error:
        raise InputError(
            f"{path} is not a complete zip archive ({error}), expected one of images; obtain it again"
        ) from None
    return digest.hexdigest()
