"""From source files to binarized sets: every reader, and every way to fail."""

import hashlib
import io
import itertools
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sklearn.datasets
from conftest import ROOT
from discrete_vae.config.definitions import Digits, Omniglot, OwnFile, Torchvision
from discrete_vae.data import binarization
from discrete_vae.data.binarization import binarize
from discrete_vae.data.dataset import SPLITS, BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.grid.groups import recorded_rows
from PIL import Image

KMNIST = Torchvision("torchvision", "KMNIST")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_own_sums(source: str, paths: Iterable[Path]) -> Omniglot:
    """Return a source that takes the files as they are."""
    return Omniglot(source, {path.name: sha256_of(path) for path in paths})


def all_images(dataset: BinarizedDataset) -> np.ndarray:
    return np.concatenate([dataset.splits[split] for split in SPLITS])


def contents(images: np.ndarray) -> list[bytes]:
    return sorted(image.tobytes() for image in images)


def damage_first_member(path: Path):
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[0]
    content = bytearray(path.read_bytes())
    start = content.index(member.filename.encode(), member.header_offset) + len(member.filename)
    content[start : start + member.compress_size] = b"\xff" * member.compress_size
    path.write_bytes(content)


class TestMnistFormat:
    @pytest.fixture
    def images(self) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.integers(0, 256, (count, 28, 28), dtype=np.uint8) for count in (10_050, 20)]

    @pytest.fixture
    def paths(self, tmp_path, images) -> list[Path]:
        paths = [tmp_path / f"{name}-images-idx3-ubyte" for name in ("train", "t10k")]
        for path, array in zip(paths, images, strict=True):
            path.write_bytes(struct.pack(">IIII", 0x00000803, *array.shape) + array.tobytes())
        return paths

    def test_the_last_training_images_are_the_validation_set(self, paths, images):
        train, test = images
        dataset = binarize(KMNIST, paths)
        assert np.array_equal(dataset.splits["train"], train[:50] >= 128)
        assert np.array_equal(dataset.splits["validation"], train[50:] >= 128)
        assert np.array_equal(dataset.splits["test"], test >= 128)
        assert dataset.manifest["sources"][paths[0].name] == f"sha256:{sha256_of(paths[0])}"
        assert dataset.manifest["definition"] == {"source": "torchvision", "class": "KMNIST"}
        assert dataset.manifest["images"] == {"train": 50, "validation": 10_000, "test": 20}
        assert dataset.manifest["image_shape"] == [28, 28]

    def test_altered_mnist_is_refused(self, paths):
        with pytest.raises(InputError, match="truncated or altered"):
            binarize(Torchvision("torchvision", "MNIST"), paths)

    def test_a_file_that_is_no_idx_is_refused(self, paths):
        paths[0].write_bytes(paths[0].read_bytes()[:1000])
        with pytest.raises(InputError, match=r"is not readable .* expected an idx file of images"):
            binarize(KMNIST, paths)

    def test_too_few_images_are_refused(self, paths):
        with pytest.raises(InputError, match="train has no pixels, of 40 images"):
            binarize(KMNIST, [paths[1], paths[1]])


class TestIwae:
    @pytest.fixture
    def path(self, tmp_path) -> Path:
        return tmp_path / "chardata.mat"

    def test_images_are_column_major_and_splits_are_disjoint(self, path):
        rng = np.random.default_rng(0)
        train, test = rng.random((1_400, 28, 28)), rng.random((30, 28, 28))
        columns = [images.transpose(0, 2, 1).reshape(len(images), -1).T for images in (train, test)]
        scipy.io.savemat(path, {"data": columns[0], "testdata": columns[1]})
        splits = binarize(with_own_sums("iwae", [path]), [path]).splits
        assert [len(splits[split]) for split in SPLITS] == [55, 1_345, 30]
        assert np.array_equal(splits["test"], test > 0.5)
        # Random images are all different, so equal images would be the same drawing.
        together = np.concatenate([splits["train"], splits["validation"]])
        expected = (train > 0.5).astype(np.uint8)
        assert len(set(contents(together))) == len(train)
        assert contents(together) == contents(expected)
        assert not np.array_equal(together, expected), "the training part must be shuffled"

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"testdata": None}, "no key 'testdata'"),
            ({"data": np.eye(784, 9)}, "train has no pixels, of 18 images"),
            ({"data": np.eye(9, 2_000)}, r"data has the shape \(9, 2000\)"),
            ({"data": np.eye(784, 2_000) * 255}, r"data has the value 255.0, expected 0 to 1"),
            ({"testdata": -np.eye(784, 9)}, r"testdata has the value -1.0, expected 0 to 1"),
            ({"testdata": np.full((784, 9), np.nan)}, r"testdata has the value nan, expected 0 to 1"),
            ({"testdata": np.zeros((784, 9))}, "test has only 0, expected pixels of 0 and 1"),
        ],
    )
    def test_another_layout_or_range_is_refused(self, path, change, complaint):
        arrays = {"data": np.eye(784, 2_000), "testdata": np.eye(784, 9)} | change
        scipy.io.savemat(path, {key: array for key, array in arrays.items() if array is not None})
        with pytest.raises(InputError, match=complaint):
            binarize(with_own_sums("iwae", [path]), [path])

    def test_a_file_that_is_no_mat_is_refused(self, path):
        path.write_bytes(b"<html>not found</html>")
        with pytest.raises(InputError, match=r"is not readable .* expected the \.mat file"):
            binarize(with_own_sums("iwae", [path]), [path])
        with pytest.raises(InputError, match="truncated or altered"):
            binarize(Omniglot("iwae"), [path])


class TestOmniglotArchives:
    @pytest.fixture
    def paths(self, tmp_path) -> list[Path]:
        return [tmp_path / f"images_{part}.zip" for part in ("background", "evaluation")]

    @staticmethod
    def write(path: Path, *members: bytes | np.ndarray):
        """Write an archive of drawings, where True is paper, or of other contents."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for i, member in enumerate(members):
                buffer = io.BytesIO()
                if isinstance(member, bytes):
                    buffer.write(member)
                else:
                    Image.fromarray(member).save(buffer, "png")
                archive.writestr(f"a/{i}.png", buffer.getvalue())

    def test_drawings_are_resized_as_pil_does_and_permuted_into_disjoint_splits_with_dark_ink(self, paths, monkeypatch):
        together = binarization.OMNIGLOT_TRAIN + binarization.OMNIGLOT_VALIDATION
        assert together == 24_345, "as many as the training images of chardata.mat"
        monkeypatch.setattr(binarization, "OMNIGLOT_TRAIN", 5)
        monkeypatch.setattr(binarization, "OMNIGLOT_VALIDATION", 2)
        rng = np.random.default_rng(0)
        drawings = np.ones((12, 105, 105), dtype=bool)
        for i, drawing in enumerate(drawings):
            drawing[8 * i :][:8, :] = False  # a bar of ink at a height of its own
            for _ in range(4):
                x, y = rng.integers(0, 80, 2)
                drawing[y : y + 3, x : x + 25] = False  # a thin stroke, lost without antialiasing
        self.write(paths[0], *drawings[:6])
        self.write(paths[1], *drawings[6:])
        dataset = binarize(with_own_sums("omniglot", paths), paths)
        assert [len(dataset.splits[split]) for split in SPLITS] == [5, 2, 5]
        images = all_images(dataset)
        assert images.dtype == np.uint8
        assert len(set(contents(images))) == 12
        assert 0.05 < images.mean() < 0.2  # 8 of 105 rows and some strokes are ink
        ink = [Image.fromarray(np.where(drawing, 0, 255).astype(np.uint8)) for drawing in drawings]
        expected = [np.asarray(image.resize((28, 28), Image.Resampling.BILINEAR)) >= 128 for image in ink]
        assert np.array_equal(images, np.stack(expected)[np.random.default_rng(775).permutation(12)])

    @pytest.mark.parametrize(
        ("member", "complaint"),
        [
            (b"no png", "expected an archive of PNG"),
            (np.indices((105, 105))[0] < 50, "validation has no pixels, of 2 images"),
        ],
    )
    def test_archives_of_something_else_are_refused(self, paths, member, complaint):
        for path in paths:
            self.write(path, member)
        with pytest.raises(InputError, match=complaint):
            binarize(with_own_sums("omniglot", paths), paths)

    @pytest.mark.parametrize("damage", ["page", "truncated", "member"])
    def test_damaged_archives_are_refused_whatever_their_sum(self, paths, damage):
        for path in paths:
            match damage:
                case "page":
                    path.write_text("a page that asks to log in")
                case "truncated":
                    path.write_bytes(b"PK\x03\x04 truncated")
                case "member":
                    self.write(path, bytes(range(256)) * 4)
                    damage_first_member(path)
        with pytest.raises(InputError, match="expected a complete zip archive"):
            binarize(Omniglot("omniglot"), paths)
        with pytest.raises(InputError, match=r"is not readable .* expected an archive of PNG"):
            binarize(with_own_sums("omniglot", paths), paths)


def test_digits_are_split_without_overlap_as_in_the_published_study():
    dataset = binarize(Digits("sklearn"), [])
    assert [len(dataset.splits[split]) for split in SPLITS] == [1_297, 250, 250]
    original = (sklearn.datasets.load_digits().images >= 8).astype(np.uint8)
    assert contents(all_images(dataset)) == contents(original)
    train, test = (contents(dataset.splits[split]) for split in ("train", "test"))
    assert sum(image in train for image in test) == 7, "docs/method.md"
    (published,) = {
        row["data_sha256"]
        for path in (ROOT / "results/digits-control/groups/digits").glob("*/*/summaries.csv")
        for row in recorded_rows(path)
    }
    assert dataset.manifest["sha256"] == published


class TestOwnFile:
    @pytest.fixture
    def path(self, tmp_path) -> Path:
        return tmp_path / "my.npz"

    @pytest.fixture
    def arrays(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        return {split: rng.integers(0, 2, (4, 5, 7), dtype=np.uint8) for split in SPLITS}

    @staticmethod
    def binarized(path: Path, **arrays: np.ndarray) -> BinarizedDataset:
        np.savez_compressed(path, **arrays)
        return binarize(OwnFile("npz", str(path)), [path])

    def refused(self, path: Path) -> str:
        with pytest.raises(InputError) as caught:
            binarize(OwnFile("npz", str(path)), [path])
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_any_image_size_is_taken_as_it_is(self, path, arrays):
        dataset = self.binarized(path, **arrays)
        assert dataset.image_shape == (5, 7)
        assert all(np.array_equal(dataset.splits[split], arrays[split]) for split in SPLITS)
        assert dataset.manifest["origin"] == "my.npz"

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"test": None}, "no array 'test'"),
            (
                {"validation": np.eye(3, 30).reshape(3, 5, 6)},
                r"validation has images of \(5, 6\) pixels, expected \(5, 7\)",
            ),
            ({"train": np.zeros((3, 35), np.uint8)}, r"train has the shape \(3, 35\)"),
            ({"train": np.zeros((0, 5, 7), np.uint8)}, "train has no pixels, of 8 images"),
            ({split: np.zeros((3, 0, 7), np.uint8) for split in SPLITS}, "train has no pixels, of 9 images"),
            ({"train": np.zeros((3, 5, 7), [("a", np.uint8)])}, "train is of type .*expected numbers"),
            ({"test": np.full((3, 5, 7), 255, np.uint8)}, "test has the value 255"),
            ({"test": np.full((3, 5, 7), 0.5)}, "test has the value 0.5"),
            ({"test": np.full((3, 5, 7), np.nan)}, "test has the value nan"),
            ({"test": np.zeros((3, 5, 7))}, "test has only 0, expected pixels of 0 and 1"),
            ({"test": np.ones((3, 5, 7))}, "test has only 1, expected pixels of 0 and 1"),
        ],
    )
    def test_another_form_is_refused(self, path, arrays, change, complaint):
        given = {split: images for split, images in (arrays | change).items() if images is not None}
        with pytest.raises(InputError, match=complaint):
            self.binarized(path, **given)

    def test_sets_that_share_most_images_are_refused(self, path, arrays):
        """As in the paper's script, which cut the validation images out of the training images and kept them there."""
        complaint = (
            "my.npz: 3 of 4 different images of {} are also in {}, expected separate sets; divide the images again"
        )
        for other, split in itertools.combinations(SPLITS, 2):
            shared = {split: np.concatenate([arrays[other][:3], arrays[split][:1]])}
            with pytest.raises(InputError, match=complaint.format(split, other)):
                self.binarized(path, **arrays | shared)

    def test_sets_may_share_some_images_or_repeat_a_few(self, path, arrays):
        self.binarized(path, **arrays | {"test": np.concatenate([arrays["train"][:2], arrays["test"][:2]])})
        self.binarized(path, **{split: np.repeat(images[:2], 2, axis=0) for split, images in arrays.items()})

    @pytest.mark.parametrize(("smaller", "larger"), [*itertools.permutations(SPLITS, 2)])
    def test_a_small_set_within_a_large_one_is_refused(self, path, arrays, smaller, larger):
        within = {larger: np.concatenate([arrays[larger], 1 - arrays[larger]]), smaller: arrays[larger][:3]}
        complaint = f"my.npz: 3 of 3 different images of {smaller} are also in {larger}, expected separate sets"
        with pytest.raises(InputError, match=complaint):
            self.binarized(path, **arrays | within)

    def test_a_set_that_repeats_one_image_of_another_is_refused(self, path, arrays):
        with pytest.raises(InputError, match="1 of 1 different images of test are also in train"):
            self.binarized(path, **arrays | {"test": np.repeat(arrays["train"][:1], 100, axis=0)})

    @pytest.mark.parametrize("content", [b"text", b"", "array", "objects"])
    def test_a_file_that_is_no_npz_is_refused(self, path, content):
        with path.open("wb") as file:
            match content:
                case "array":
                    np.save(file, np.zeros((3, 5, 7)))
                case "objects":
                    np.savez(file, train=np.array([{"an": "object"}]))
                case _:
                    file.write(content)
        assert "expected an .npz file with the arrays train, validation, test" in self.refused(path)

    def test_a_damaged_array_is_refused(self, path, arrays):
        np.savez_compressed(path, **arrays)
        damage_first_member(path)
        assert "expected an .npz file" in self.refused(path)

    def test_the_sum_of_the_images_identifies_them(self, path, arrays):
        first = self.binarized(path, **arrays)
        again = self.binarized(path, **arrays, unused=np.zeros(1))
        other = self.binarized(path, **(arrays | {"test": 1 - arrays["test"]}))
        assert first.manifest["sha256"] == again.manifest["sha256"] != other.manifest["sha256"]


def test_a_dataset_is_the_same_after_saving_and_its_file_has_the_same_bits_each_time(tiny_dataset, tmp_path):
    for name in ("first.npz", "second.npz"):
        tiny_dataset.save(tmp_path / name)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    loaded = BinarizedDataset.load(tmp_path / "first.npz")
    assert loaded.manifest == tiny_dataset.manifest
    assert all(np.array_equal(loaded.splits[split], tiny_dataset.splits[split]) for split in SPLITS)
