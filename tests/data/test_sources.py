"""Sources: their definitions, files and checksums."""

import hashlib
import io
import re
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT
from discrete_vae.config.definitions import OwnFile, Torchvision, definition_of, source_of
from discrete_vae.data.sources import (
    check_own_checksums,
    checksum,
    find_source_file,
    input_files,
    source_file,
    source_files,
    verify,
)
from discrete_vae.errors import InputError

TEST = "t10k-images-idx3-ubyte"
MNIST = source_of({"source": "torchvision", "class": "MNIST"})
OWN_SUM = Torchvision("torchvision", "MNIST", {TEST: "0" * 64})


@pytest.mark.parametrize(
    "definition",
    [
        {"source": "torchvision", "class": "KMNIST"},
        {"source": "torchvision", "class": "MNIST", "sha256": {TEST: "0" * 64}},
        {"source": "iwae"},
        {"source": "omniglot"},
        {"source": "sklearn"},
        {"source": "npz", "path": "my.npz"},
    ],
)
def test_a_definition_stays_the_same_through_its_source(definition):
    assert definition_of(source_of(definition)) == definition


def modules_after(imports: str) -> set[str]:
    command = [sys.executable, "-c", f"{imports}\nimport sys; print(*sys.modules)"]
    return set(subprocess.check_output(command, cwd=ROOT / "workflow", text=True).split())


def test_what_the_snakefile_imports_is_light():
    (imports,) = re.findall(r"^from discrete_vae import .*?\n\n\n", (ROOT / "Snakefile").read_text(), re.M | re.S)
    heavy = {"torch", "scipy", "requests", "sklearn", "matplotlib"}
    assert not heavy & modules_after(imports)
    assert not (heavy | {"pydantic"}) & modules_after("import discrete_vae.data.sources")


def test_checksums():
    # The SHA-1 that git's own documentation gives for this content.
    assert checksum(b"what is up, doc?", "git-blob") == "git-blob:bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.writestr("b.png", b"2")
            archive.writestr("a.png", b"1")
            archive.writestr("readme.txt", b"not counted")
        expected = hashlib.sha256(b"a.png\x001b.png\x002").hexdigest()
        assert checksum(buffer.getvalue(), "png-members") == f"png-members:{expected}"


def test_a_content_without_an_expected_sum_is_accepted_and_another_one_is_refused():
    actual = f"sha256:{hashlib.sha256(b'text').hexdigest()}"
    assert verify(b"text", None, name="a") == verify(b"text", actual, name="a") == actual
    with pytest.raises(InputError, match=r"a has the checksum .* expected sha256:0"):
        verify(b"text", "sha256:0", name="a")


def test_source_files_of_the_definitions():
    datasets = {"mine": OwnFile("npz", "my.npz"), "mnist": MNIST, "other": OWN_SUM}
    path = f"data/raw/mnist/{TEST}"
    assert input_files(datasets["mine"]) == ["my.npz"]
    assert input_files(MNIST) == ["data/raw/mnist/train-images-idx3-ubyte", path]
    assert find_source_file(datasets, path, first=["mine"]) == source_files(MNIST)[1]
    other = find_source_file(datasets, path, first=["other"])
    assert other.checksum == f"sha256:{'0' * 64}"
    assert source_file(path, other.checksum) == other
    with pytest.raises(InputError, match="not a source file"):
        find_source_file(datasets, "data/raw/mnist/labels", first=["mine"])


def test_sums_of_unknown_files_and_two_sums_of_one_file_are_refused():
    check_own_checksums({"mnist": MNIST, "digits": source_of({"source": "sklearn"})})
    with pytest.raises(InputError, match=f"datasets.a.sha256 has 'labels', expected train-images-idx3-ubyte or {TEST}"):
        check_own_checksums({"a": Torchvision("torchvision", "MNIST", {"labels": "0" * 64})})
    with pytest.raises(InputError, match=r"datasets.other and datasets.mnist give data/raw/mnist/t10k.* the checksums"):
        check_own_checksums({"mnist": MNIST, "other": OWN_SUM})
