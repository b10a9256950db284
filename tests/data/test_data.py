"""From source files to binarized sets: downloads from a real server, every reader, and every way to fail."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import socket
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sklearn.datasets
from conftest import serving
from discrete_vae.data import binarization, download
from discrete_vae.data.binarization import binarize
from discrete_vae.data.dataset import SPLITS, BinarizedDataset
from discrete_vae.data.download import obtain
from discrete_vae.data.sources import SourceFile, find_source_file, fingerprint, input_files, source_files
from discrete_vae.errors import InputError, OutputError
from PIL import Image

CONTENT = bytes(range(256)) * 40
UNREADABLE = Path("/proc/sys/vm/compact_memory")


def source_file(*homes: str, content: bytes = CONTENT) -> SourceFile:
    return SourceFile("mnist", "images", "images.gz", homes, f"sha256:{hashlib.sha256(content).hexdigest()}")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", (2, 2))


@pytest.fixture
def server(tmp_path):
    """A web server on loopback; yields its base URL and the folder it serves."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        failures_left = 0

        def do_GET(self):
            if self.path.endswith("/broken-off.gz"):
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"\x1f\x8b too short")
            elif self.path.endswith("/dripping.gz"):
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    for _ in range(1000):
                        self.wfile.write(b"x")
                        time.sleep(0.01)
            elif Handler.failures_left > 0:
                Handler.failures_left -= 1
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *arguments):
            pass

    folder = tmp_path / "served"
    (folder / "mnist").mkdir(parents=True)
    (folder / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT))
    with serving(functools.partial(Handler, directory=str(folder))) as url:
        yield url, folder, Handler


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def refused(file: SourceFile, destination: Path, mirror: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        obtain(file, destination, mirror=mirror)
    assert left_in(destination.parent) == [], "something half-written was left"
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestDownload:
    def test_the_first_home_that_answers_wins(self, server, tmp_path):
        url, _, _ = server
        destination = tmp_path / "raw" / "images"
        obtain(source_file(f"{url}nowhere/", f"{url}mnist/"), destination, mirror=None)
        assert destination.read_bytes() == CONTENT
        assert left_in(destination.parent) == [destination]

    def test_a_home_that_fails_for_a_while_is_tried_again(self, server, tmp_path):
        url, _, handler = server
        handler.failures_left = 2
        obtain(source_file(f"{url}mnist/"), tmp_path / "raw" / "images", mirror=None)
        assert (tmp_path / "raw" / "images").read_bytes() == CONTENT

    def test_a_mirror_url_takes_the_place_of_the_homes(self, server, tmp_path):
        url, _, _ = server
        obtain(source_file("http://127.0.0.1:1/"), tmp_path / "raw" / "images", mirror=url.rstrip("/"))
        assert (tmp_path / "raw" / "images").read_bytes() == CONTENT

    @pytest.mark.parametrize("name", ["images.gz", "images"])
    def test_a_mirror_directory_may_hold_the_file_compressed_or_not(self, tmp_path, name):
        (tmp_path / "mirror" / "mnist").mkdir(parents=True)
        content = gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT
        (tmp_path / "mirror" / "mnist" / name).write_bytes(content)
        obtain(source_file(), tmp_path / "raw" / "images", mirror=str(tmp_path / "mirror"))
        assert (tmp_path / "raw" / "images").read_bytes() == CONTENT

    def test_a_hand_placed_file_comes_before_the_network(self, tmp_path):
        (tmp_path / "images.gz").write_bytes(gzip.compress(CONTENT))
        obtain(source_file("http://127.0.0.1:1/"), tmp_path / "images", mirror=None)
        assert (tmp_path / "images").read_bytes() == CONTENT

    @pytest.mark.skipif(not UNREADABLE.exists(), reason=f"no {UNREADABLE}, which even root may not read")
    def test_a_file_that_cannot_be_read_is_named_and_not_the_place_it_should_go_to(self, tmp_path):
        (tmp_path / "mirror" / "mnist").mkdir(parents=True)
        (tmp_path / "mirror" / "mnist" / "images.gz").symlink_to(UNREADABLE)
        message = refused(source_file(), tmp_path / "raw" / "images", mirror=str(tmp_path / "mirror"))
        assert "mirror/mnist/images.gz cannot be read" in message

    def test_no_answer_names_the_homes_and_the_ways_out(self, tmp_path):
        message = refused(source_file("http://127.0.0.1:1/"), tmp_path / "raw" / "images")
        assert "http://127.0.0.1:1/images.gz" in message
        assert "place images.gz in" in message
        assert "set mirror" in message

    def test_an_altered_file_is_refused(self, server, tmp_path):
        url, folder, _ = server
        (folder / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT[:-1] + b"x"))
        deep = tmp_path / ("d" * 200) / "raw" / "images"
        assert "truncated or altered" in refused(source_file(f"{url}mnist/"), deep)

    def test_a_truncated_gzip_is_refused(self, server, tmp_path):
        url, folder, _ = server
        (folder / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT)[:-10])
        assert "not a complete gzip file" in refused(source_file(f"{url}mnist/"), tmp_path / "raw" / "images")

    def test_a_transfer_that_breaks_off_is_refused(self, server, tmp_path):
        url, _, _ = server
        file = SourceFile("mnist", "images", "broken-off.gz", (f"{url}mnist/",), None)
        refused(file, tmp_path / "raw" / "images")

    def test_an_endless_transfer_is_cut(self, server, tmp_path, monkeypatch):
        url, _, _ = server
        monkeypatch.setattr(download, "LARGEST_BYTES", 10)
        assert "more than 10 bytes" in refused(source_file(f"{url}mnist/"), tmp_path / "raw" / "images")

    def test_a_transfer_drop_by_drop_is_cut(self, server, tmp_path, monkeypatch):
        url, _, _ = server
        monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.3)
        file = SourceFile("mnist", "images", "dripping.gz", (f"{url}mnist/",), None)
        started = time.monotonic()
        assert "expected at least 2000 a second" in refused(file, tmp_path / "raw" / "images")
        assert time.monotonic() - started < 10

    def test_a_disk_that_cannot_be_written_is_told_without_trying_again(self, server):
        url, _, _ = server
        with pytest.raises(OutputError, match="cannot be written"):
            obtain(source_file(f"{url}mnist/"), Path("/sys/kernel/images"), mirror=None)

    def test_what_a_killed_download_left_is_removed(self, server, tmp_path):
        url, _, _ = server
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        destination = tmp_path / "raw" / "images"
        destination.parent.mkdir()
        (destination.parent / f".images.gz.{socket.gethostname()}-{dead.pid}.part").write_bytes(b"half")
        obtain(source_file(f"{url}mnist/"), destination, mirror=None)
        assert left_in(destination.parent) == [destination]

    def test_a_mirror_without_the_file_is_told(self, tmp_path):
        (tmp_path / "mirror").mkdir()
        message = refused(source_file(), tmp_path / "raw" / "images", mirror=str(tmp_path / "mirror"))
        assert "has no mnist/images.gz" in message


def idx_bytes(images: np.ndarray) -> bytes:
    return struct.pack(">IIII", 0x00000803, *images.shape) + images.tobytes()


def mat_bytes(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    return buffer.getvalue()


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def damage_first_member(path: Path):
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[0]
    content = bytearray(path.read_bytes())
    start = content.index(member.filename.encode(), member.header_offset) + len(member.filename)
    content[start : start + member.compress_size] = b"\xff" * member.compress_size
    path.write_bytes(content)


def are_rows_of(images: np.ndarray, rows: np.ndarray) -> bool:
    known = {row.tobytes() for row in rows}
    return all(image.tobytes() in known for image in images)


@pytest.fixture
def kmnist(tmp_path):
    """Files in KMNIST's format, and the images in them."""
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (10_050, 28, 28), dtype=np.uint8)
    test = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    paths = [tmp_path / "train-images-idx3-ubyte", tmp_path / "t10k-images-idx3-ubyte"]
    for path, images in zip(paths, (train, test), strict=True):
        path.write_bytes(idx_bytes(images))
    return paths, train, test


class TestBinarize:
    def test_files_in_mnists_format_are_split_in_their_order(self, kmnist):
        paths, train, test = kmnist
        dataset = binarize({"source": "torchvision", "class": "KMNIST"}, paths)
        assert np.array_equal(dataset.splits["train"], train[:50] >= 128)
        assert np.array_equal(dataset.splits["validation"], train[50:] >= 128)
        assert np.array_equal(dataset.splits["test"], test >= 128)
        assert dataset.manifest["sources"][paths[0].name] == f"sha256:{sha256_of(paths[0])}"

    def test_altered_mnist_is_refused(self, kmnist):
        paths, _, _ = kmnist
        with pytest.raises(InputError, match="truncated or altered"):
            binarize({"source": "torchvision", "class": "MNIST"}, paths)

    def test_a_file_that_is_no_idx_is_refused(self, kmnist):
        paths, _, _ = kmnist
        paths[0].write_bytes(paths[0].read_bytes()[:1000])
        with pytest.raises(InputError, match="not an idx file of images"):
            binarize({"source": "torchvision", "class": "KMNIST"}, paths)

    def test_too_few_images_are_refused(self, kmnist):
        paths, _, _ = kmnist
        paths[0].write_bytes(idx_bytes(np.zeros((5, 28, 28), np.uint8)))
        with pytest.raises(InputError, match="holds 5 images"):
            binarize({"source": "torchvision", "class": "KMNIST"}, paths)

    def test_iwae_omniglot_has_column_major_images_and_disjoint_splits(self, tmp_path):
        rng = np.random.default_rng(0)
        train, test = rng.random((1_400, 28, 28)), rng.random((30, 28, 28))
        columns = [images.transpose(0, 2, 1).reshape(len(images), -1).T for images in (train, test)]
        path = tmp_path / "chardata.mat"
        path.write_bytes(mat_bytes(data=columns[0], testdata=columns[1]))
        dataset = binarize({"source": "iwae", "sha256": {"chardata.mat": sha256_of(path)}}, [path])

        assert {split: len(images) for split, images in dataset.splits.items()} == {
            "train": 55,
            "validation": 1_345,
            "test": 30,
        }
        binary = (train >= 128 / 255).astype(np.uint8)
        assert np.array_equal(dataset.splits["test"], test >= 128 / 255)
        # Random images are all different, so equal rows would be the same drawing.
        together = np.concatenate([dataset.splits["train"], dataset.splits["validation"]])
        assert are_rows_of(together, binary)
        assert len({image.tobytes() for image in together}) == len(binary)
        assert not np.array_equal(together, binary), "the training part must be shuffled"

    @pytest.mark.parametrize(
        ("arrays", "complaint"),
        [
            ({"data": np.zeros((784, 2_000))}, "no key 'testdata'"),
            ({"data": np.zeros((784, 9)), "testdata": np.zeros((784, 9))}, r"data has the shape \(784, 9\)"),
            ({"data": np.zeros((9, 2_000)), "testdata": np.zeros((784, 9))}, r"data has the shape \(9, 2000\)"),
        ],
    )
    def test_a_mat_file_of_another_layout_is_refused(self, tmp_path, arrays, complaint):
        path = tmp_path / "chardata.mat"
        path.write_bytes(mat_bytes(**arrays))
        with pytest.raises(InputError, match=complaint):
            binarize({"source": "iwae", "sha256": {"chardata.mat": sha256_of(path)}}, [path])

    def test_a_file_that_is_no_mat_is_refused(self, tmp_path):
        path = tmp_path / "chardata.mat"
        path.write_bytes(b"<html>not found</html>")
        with pytest.raises(InputError, match=r"not a readable \.mat file"):
            binarize({"source": "iwae", "sha256": {"chardata.mat": sha256_of(path)}}, [path])
        with pytest.raises(InputError, match="truncated or altered"):
            binarize({"source": "iwae"}, [path])

    def test_omniglot_archives_are_shuffled_into_disjoint_splits_with_dark_ink(self, tmp_path, monkeypatch):
        monkeypatch.setattr(binarization, "OMNIGLOT_TRAIN", 5)
        monkeypatch.setattr(binarization, "OMNIGLOT_VALIDATION", 2)
        paths = [tmp_path / f"images_{part}.zip" for part in ("background", "evaluation")]
        for i, path in enumerate(paths):
            with zipfile.ZipFile(path, "w") as archive:
                for j in range(6):
                    drawing = np.ones((105, 105), dtype=bool)
                    drawing[8 * (6 * i + j) :][:8, :] = False  # a bar of ink at a height of its own
                    buffer = io.BytesIO()
                    Image.fromarray(drawing).save(buffer, "png")
                    archive.writestr(f"{path.stem}/a/{j}.png", buffer.getvalue())
        sums = {path.name: sha256_of(path) for path in paths}
        dataset = binarize({"source": "omniglot", "sha256": sums}, paths)
        assert [len(dataset.splits[split]) for split in SPLITS] == [5, 2, 5]
        images = np.concatenate([dataset.splits[split] for split in SPLITS])
        assert images.shape[1:] == (28, 28)
        assert len({image.tobytes() for image in images}) == 12
        assert 0.02 < images.mean() < 0.15  # 8 of 105 rows are ink

    @pytest.mark.parametrize(
        ("content", "complaint"), [(b"no png", "does not hold PNG images"), (None, "hold 2 drawings")]
    )
    def test_archives_of_something_else_are_refused(self, tmp_path, content, complaint):
        buffer = io.BytesIO()
        Image.fromarray(np.ones((105, 105), dtype=bool)).save(buffer, "png")
        paths = [tmp_path / "images_background.zip", tmp_path / "images_evaluation.zip"]
        for path in paths:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a.png", content or buffer.getvalue())
        sums = {path.name: sha256_of(path) for path in paths}
        with pytest.raises(InputError, match=complaint):
            binarize({"source": "omniglot", "sha256": sums}, paths)

    def test_omniglots_drawings_are_resized_as_pil_does_and_then_permuted(self, tmp_path, monkeypatch):
        monkeypatch.setattr(binarization, "OMNIGLOT_TRAIN", 5)
        monkeypatch.setattr(binarization, "OMNIGLOT_VALIDATION", 2)
        rng = np.random.default_rng(0)
        paths = [tmp_path / f"images_{part}.zip" for part in ("background", "evaluation")]
        expected = []
        for path in paths:
            with zipfile.ZipFile(path, "w") as archive:
                for name in range(6):
                    drawing = np.ones((105, 105), dtype=bool)
                    for _ in range(4):
                        x, y = rng.integers(0, 80, 2)
                        drawing[y : y + 3, x : x + 25] = False  # a thin stroke, lost without antialiasing
                    buffer = io.BytesIO()
                    Image.fromarray(drawing).save(buffer, "png")
                    archive.writestr(f"a/{name}.png", buffer.getvalue())
                    ink = Image.fromarray(np.where(drawing, 0, 255).astype(np.uint8))
                    expected.append(np.asarray(ink.resize((28, 28), Image.Resampling.BILINEAR)) >= 128)
        sums = {path.name: sha256_of(path) for path in paths}
        dataset = binarize({"source": "omniglot", "sha256": sums}, paths)
        images = np.concatenate([dataset.splits[split] for split in SPLITS])
        assert images.any()
        assert np.array_equal(images, np.stack(expected)[np.random.default_rng(775).permutation(12)])

    def test_what_is_no_archive_is_refused_whatever_its_sum(self, tmp_path):
        paths = [tmp_path / "images_background.zip", tmp_path / "images_evaluation.zip"]
        for path in paths:
            path.write_text("a page that asks to log in")
        sums = {path.name: sha256_of(path) for path in paths}
        with pytest.raises(InputError, match="does not hold PNG images"):
            binarize({"source": "omniglot", "sha256": sums}, paths)

    def test_a_truncated_archive_is_refused(self, tmp_path):
        paths = [tmp_path / "images_background.zip", tmp_path / "images_evaluation.zip"]
        for path in paths:
            path.write_bytes(b"PK\x03\x04 truncated")
        with pytest.raises(InputError, match="not a complete zip archive"):
            binarize({"source": "omniglot"}, paths)

    def test_archives_of_which_a_member_is_damaged_are_refused(self, tmp_path):
        paths = [tmp_path / "images_background.zip", tmp_path / "images_evaluation.zip"]
        for path in paths:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.png", bytes(range(256)) * 4)
            damage_first_member(path)
        with pytest.raises(InputError, match="not a complete zip archive"):
            binarize({"source": "omniglot"}, paths)
        sums = {path.name: sha256_of(path) for path in paths}
        with pytest.raises(InputError, match="does not hold PNG images"):
            binarize({"source": "omniglot", "sha256": sums}, paths)

    def test_digits_are_split_without_overlap(self):
        dataset = binarize({"source": "sklearn"}, [])
        assert [len(dataset.splits[split]) for split in SPLITS] == [1_297, 250, 250]
        parts = np.concatenate([dataset.splits[split] for split in SPLITS])
        original = (sklearn.datasets.load_digits().images >= 8).astype(np.uint8)
        assert sorted(image.tobytes() for image in parts) == sorted(image.tobytes() for image in original)

    def test_an_own_npz_of_any_image_size_is_taken_as_it_is(self, tmp_path):
        rng = np.random.default_rng(0)
        arrays = {split: rng.integers(0, 2, (4, 5, 7)) for split in SPLITS}
        np.savez(tmp_path / "my.npz", **arrays)
        dataset = binarize({"source": "npz", "path": str(tmp_path / "my.npz")}, [tmp_path / "my.npz"])
        assert dataset.image_shape == (5, 7)
        assert all(np.array_equal(dataset.splits[split], arrays[split]) for split in SPLITS)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"test": None}, "no array 'test'"),
            ({"validation": np.zeros((3, 5, 6), np.uint8)}, r"validation has the shape \(3, 5, 6\)"),
            ({"train": np.zeros((3, 35), np.uint8)}, r"train has the shape \(3, 35\)"),
            ({"train": np.zeros((0, 5, 7), np.uint8)}, r"train has the shape \(0, 5, 7\)"),
            ({"train": np.zeros((3, 0, 7), np.uint8)}, r"train has the shape \(3, 0, 7\)"),
            ({"train": np.zeros((3, 5, 7), [("a", np.uint8)])}, "train is of type .*expected numbers"),
            ({"test": np.full((3, 5, 7), 255, np.uint8)}, "test has the value 255"),
            ({"test": np.full((3, 5, 7), 0.5)}, "test has the value 0.5"),
        ],
    )
    def test_an_own_npz_of_another_form_is_refused(self, tmp_path, change, complaint):
        arrays = {split: np.zeros((3, 5, 7), np.uint8) for split in SPLITS} | change
        path = tmp_path / "my.npz"
        np.savez(path, **{split: images for split, images in arrays.items() if images is not None})
        with pytest.raises(InputError, match=complaint):
            binarize({"source": "npz", "path": str(path)}, [path])

    @pytest.mark.parametrize("content", [b"text", b"", "array", "objects"])
    def test_a_file_that_is_no_npz_is_refused(self, tmp_path, content):
        path = tmp_path / "my.npz"
        with path.open("wb") as file:
            match content:
                case "array":
                    np.save(file, np.zeros((3, 5, 7)))
                case "objects":
                    np.savez(file, train=np.array([{"an": "object"}]))
                case _:
                    file.write(content)
        with pytest.raises(InputError, match=r"not a readable \.npz file"):
            binarize({"source": "npz", "path": str(path)}, [path])

    def test_an_npz_of_which_an_array_is_damaged_is_refused(self, tmp_path):
        path = tmp_path / "my.npz"
        np.savez_compressed(path, **{split: np.zeros((3, 5, 7), np.uint8) for split in SPLITS})
        damage_first_member(path)
        with pytest.raises(InputError, match=r"not a readable \.npz file"):
            binarize({"source": "npz", "path": str(path)}, [path])

    def test_the_sum_of_the_images_identifies_them(self, tmp_path):
        sums = set()
        for value in (0, 1):
            path = tmp_path / "my.npz"
            np.savez(path, **{split: np.full((3, 5, 7), value) for split in SPLITS})
            sums.add(binarize({"source": "npz", "path": str(path)}, [path]).manifest["sha256"])
        assert len(sums) == 2


def test_a_dataset_is_the_same_after_saving_and_its_file_has_the_same_bits_each_time(tiny_dataset, tmp_path):
    for name in ("first.npz", "second.npz"):
        tiny_dataset.save(tmp_path / name)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    loaded = BinarizedDataset.load(tmp_path / "first.npz")
    assert loaded.manifest == tiny_dataset.manifest
    assert all(np.array_equal(loaded.splits[split], tiny_dataset.splits[split]) for split in SPLITS)


def test_fingerprints(tmp_path):
    (tmp_path / "file").write_bytes(b"what is up, doc?")
    # The SHA-1 that git's own documentation gives for this content.
    assert fingerprint(tmp_path / "file", "git-blob") == "git-blob:bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "archive", "w", compression) as archive:
            archive.writestr("b.png", b"2")
            archive.writestr("a.png", b"1")
            archive.writestr("readme.txt", b"not counted")
        expected = hashlib.sha256(b"a.png\x001b.png\x002").hexdigest()
        assert fingerprint(tmp_path / "archive", "png-members") == f"png-members:{expected}"


def test_source_files_of_the_definitions():
    own_sum = {"t10k-images-idx3-ubyte": "0" * 64}
    datasets = {
        "mine": {"source": "npz", "path": "my.npz"},
        "mnist": {"source": "torchvision", "class": "MNIST"},
        "other": {"source": "torchvision", "class": "MNIST", "sha256": own_sum},
    }
    config, path = {"datasets": datasets}, "data/raw/mnist/t10k-images-idx3-ubyte"
    assert input_files(datasets["mine"]) == ["my.npz"]
    assert input_files(datasets["mnist"])[0] == "data/raw/mnist/train-images-idx3-ubyte"
    assert find_source_file(config, path, first=["mine"]) == source_files(datasets["mnist"])[1]
    assert find_source_file(config, path, first=["other"]).fingerprint == f"sha256:{'0' * 64}"
    with pytest.raises(InputError, match="not a source file of a dataset"):
        find_source_file(config, "data/raw/mnist/labels", first=["mine"])
