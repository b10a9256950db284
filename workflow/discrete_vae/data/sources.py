"""Where the images come from: source files, their official servers and the checksums of their content.

The Snakefile imports this module, so it imports nothing large and reads no file.
"""

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from discrete_vae.config.definitions import Omniglot, OwnFile, Source, Torchvision
from discrete_vae.errors import InputError, reading

RAW_FILE = "data/raw/{folder}/{file}"
IDX_OF_BYTES = 0x0800  # the first number of an idx file of bytes, plus its number of dimensions


@dataclass(frozen=True)
class SourceFile:
    """A file to obtain."""

    folder: str  # in data/raw and in a mirror
    official_name: str  # at its servers and in a mirror
    servers: tuple[str, ...]  # base URLs, which end in a slash, in the order to try
    checksum: str | None  # of the decompressed content (see `checksum`); None where none is known
    idx_shape: tuple[int, ...] | None = None  # images x height x width, where no checksum is known

    @property
    def name(self) -> str:
        """Its name in ``data/raw``, where it is kept decompressed."""
        return self.official_name.removesuffix(".gz")

    @property
    def path(self) -> str:
        """Where the pipeline keeps it. A person may place it there by hand."""
        return RAW_FILE.format(folder=self.folder, file=self.name)


_TRAIN, _TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"
_IDX_SHAPES = {_TRAIN: (60_000, 28, 28), _TEST: (10_000, 28, 28)}


def _files(folder: str, servers: tuple[str, ...], checksums: Mapping[str, str | None]) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(folder, name, servers, checksum, None if checksum else _IDX_SHAPES[name])
        for name, checksum in checksums.items()
    )


_FILES = {
    "MNIST": _files(
        "mnist",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        {
            _TRAIN: "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            _TEST: "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
    ),
    "FashionMNIST": _files(
        "fashion-mnist",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        {
            _TRAIN: "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            _TEST: "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
    ),
    "KMNIST": _files("kmnist", ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",), {_TRAIN: None, _TEST: None}),
    "iwae": _files(
        "omniglot",
        ("https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/",),
        {"chardata.mat": "git-blob:016a3536ffe5e1d38e42563a18d7a78bfaf643ec"},
    ),
    "omniglot": _files(
        "omniglot",
        ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",),
        {
            "images_background.zip": "png-members:71a1ca99688b462d3818e7fd1d96e592b0bc508754ea500c444035296bf74117",
            "images_evaluation.zip": "png-members:748bfbe557520aab543e31b7cb103f75cc655361f4e6b7fe1ccede747c9710f7",
        },
    ),
}


def has_other_content(source: Source) -> bool:
    """Tell whether an own checksum replaces another, official one. The images may then differ."""
    official = {file.path: file.checksum for files in _FILES.values() for file in files}
    return any(official[file.path] not in (None, file.checksum) for file in source_files(source))


def source_files(source: Source) -> list[SourceFile]:
    """List the files to obtain for a source. Its own checksums replace the official ones."""
    match source:
        case Torchvision(dataset_class=key, sha256=sums) | Omniglot(source=key, sha256=sums):
            own = {name: f"sha256:{digits}" for name, digits in sums.items()}
            return [replace(file, checksum=own.get(file.name, file.checksum)) for file in _FILES[key]]
    return []


def input_files(source: Source) -> list[str]:
    """List the paths that a dataset is binarized from: its source files, or the user's own .npz."""
    return [source.path] if isinstance(source, OwnFile) else [file.path for file in source_files(source)]


def source_file(path: str, checksum: str | None) -> SourceFile:
    """Return the source file that is kept at a path such as ``data/raw/mnist/t10k-images-idx3-ubyte``."""
    (file,) = [file for files in _FILES.values() for file in files if file.path == path]
    return replace(file, checksum=checksum)


def find_source_file(datasets: Mapping[str, Source], path: str, *, first: Collection[str]) -> SourceFile:
    """Return the source file at a path, with the checksum that a dataset expects.

    Two datasets may expect different ones. Those named in ``first`` count before the others.

    Raises:
        InputError: no dataset is made from such a file.
    """
    for name in sorted(datasets, key=lambda name: name not in first):
        for file in source_files(datasets[name]):
            if file.path == path:
                return file
    raise InputError(f"{path} is not a source file, expected a file of a dataset under datasets; correct the path")


def check_own_checksums(datasets: Mapping[str, Source]) -> None:
    """Check the user's own checksums of some datasets, given by name.

    Raises:
        InputError: a checksum of a file that the dataset is not made from, or two checksums of one file.
    """
    expected: dict[str, tuple[str, str | None]] = {}
    for name, source in datasets.items():
        files = source_files(source)
        known = [file.name for file in files]
        for file in getattr(source, "sha256", {}):
            if file not in known:
                raise InputError(f"datasets.{name}.sha256 has {file!r}, expected {' or '.join(known)}; correct it")
        for file in files:
            other, checksum_of_other = expected.setdefault(file.path, (name, file.checksum))
            if checksum_of_other != file.checksum:
                raise InputError(
                    f"datasets.{name} and datasets.{other} give {file.path} the checksums {file.checksum or 'none'} and"
                    f" {checksum_of_other or 'none'}, expected the same; give both the same under sha256"
                )


def check_idx(content: bytes, shape: tuple[int, ...], *, name: str) -> None:
    """Check that a content is an idx file of images, MNIST's format, of a shape.

    Raises:
        InputError: it is not. The message calls the file by its name.
    """
    header = struct.pack(f">{1 + len(shape)}I", IDX_OF_BYTES + len(shape), *shape)
    begins, size = content[: len(header)], len(header) + math.prod(shape)
    if begins != header or len(content) != size:
        raise InputError(
            f"{name} has {len(content)} bytes that begin with {begins.hex()}, expected {size} that begin with"
            f" {header.hex()}, an idx file of the shape {shape}; obtain it again"
        )


def checksum(content: bytes, kind: str) -> str:
    """Compute the checksum of a file's content, ``kind:hexadecimal digits``.

    Kinds: ``sha256`` of the bytes. ``git-blob``, the SHA-1 that git gives the file. ``png-members``, the SHA-256 over a
    zip's .png members in sorted order: each one's name, a zero byte and its bytes. It does not depend on compression.
    """
    match kind:
        case "sha256":
            digest = hashlib.sha256(content)
        case "git-blob":
            digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        case "png-members":
            digest = hashlib.sha256()
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
                    digest.update(name.encode() + b"\0" + archive.read(name))
    return f"{kind}:{digest.hexdigest()}"


def verify(content: bytes, expected: str | None, *, name: str) -> str:
    """Return the checksum of a file's content. Compare it with the expected one, if there is one.

    Raises:
        InputError: the content is not as expected. The message calls the file by its name.
    """
    kind = expected.partition(":")[0] if expected else "sha256"
    with reading(name, "a complete zip archive"):
        actual = checksum(content, kind)
    if expected and actual != expected:
        raise InputError(
            f"{name} has the checksum {actual}, expected {expected}: it is truncated or altered; remove it to"
            " obtain it again, or give its checksum under the dataset's sha256 if the content is yours"
        )
    return actual
