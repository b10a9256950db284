"""Downloads from a real server on loopback, mirrors, hand-placed files, and every way to fail."""

import contextlib
import functools
import gzip
import hashlib
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SilentHandler, serving
from discrete_vae.config.definitions import Omniglot, Torchvision
from discrete_vae.data import download
from discrete_vae.data.download import obtain
from discrete_vae.data.sources import SourceFile, source_files
from discrete_vae.errors import InputError, OutputError

CONTENT = bytes(range(256)) * 40
NOWHERE = "http://127.0.0.1:1/"
UNREADABLE = Path("/proc/sys/vm/compact_memory")


def source_file(*servers: str, official_name: str = "images.gz") -> SourceFile:
    return SourceFile("mnist", official_name, servers, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(download, "BACKOFF_SECONDS", 0)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", (2, 2))


class Handler(SilentHandler):
    failures_left = 0

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        if name in ("labelled.gz", "broken-off.gz", "dripping.gz", "silent.gz"):
            with contextlib.suppress(ConnectionError):
                getattr(self, name.removesuffix(".gz").replace("-", "_"))()
        elif Handler.failures_left > 0:
            Handler.failures_left -= 1
            self.send_error(503)
        else:
            super().do_GET()

    def begin(self, **headers: str):
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def labelled(self):
        self.begin(Content_Encoding="gzip")
        self.wfile.write(gzip.compress(CONTENT))

    def broken_off(self):
        self.begin(Content_Length="1000000")
        self.wfile.write(b"\x1f\x8b too short")

    def dripping(self):
        self.begin()
        for _ in range(1000):
            self.wfile.write(b"x")
            time.sleep(0.01)

    def silent(self):
        time.sleep(1)


@pytest.fixture
def served(tmp_path):
    """The folder that the server serves."""
    (tmp_path / "served" / "mnist").mkdir(parents=True)
    (tmp_path / "served" / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT))
    return tmp_path / "served"


@pytest.fixture
def server(served):
    """The base URL of a web server on loopback."""
    Handler.failures_left = 0
    with serving(functools.partial(Handler, directory=str(served))) as url:
        yield url


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "raw" / "images"


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def assert_obtained(file: SourceFile, destination: Path, mirror: str | None = None) -> None:
    obtain(file, destination, mirror=mirror)
    assert destination.read_bytes() == CONTENT
    assert left_in(destination.parent) == [destination]


def refused(file: SourceFile, destination: Path, mirror: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        obtain(file, destination, mirror=mirror)
    assert left_in(destination.parent) == [], "something half-written was left"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_home_that_answers_wins(server, destination):
    assert_obtained(source_file(f"{server}nowhere/", f"{server}mnist/"), destination)


def test_a_home_that_fails_for_a_while_is_tried_again(server, destination):
    Handler.failures_left = 2
    assert_obtained(source_file(f"{server}mnist/"), destination)


def test_a_gzip_that_the_server_labels_as_an_encoding_is_taken_as_it_is(server, destination):
    assert_obtained(source_file(server, official_name="labelled.gz"), destination)


def test_a_mirror_url_takes_the_place_of_the_servers(server, destination):
    assert_obtained(source_file(NOWHERE), destination, mirror=server.rstrip("/"))


@pytest.mark.parametrize("name", ["images.gz", "images"])
def test_a_mirror_directory_may_hold_the_file_compressed_or_not(tmp_path, destination, name):
    (tmp_path / "mirror" / "mnist").mkdir(parents=True)
    content = gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT
    (tmp_path / "mirror" / "mnist" / name).write_bytes(content)
    assert_obtained(source_file(), destination, mirror=str(tmp_path / "mirror"))


def test_only_http_is_a_url(tmp_path, destination, monkeypatch):
    """A folder may be written with two slashes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nas:/mirror/mnist").mkdir(parents=True)
    (tmp_path / "nas:/mirror/mnist/images").write_bytes(CONTENT)
    assert_obtained(source_file(), destination, mirror="nas://mirror")


def test_a_hand_placed_file_comes_before_the_network(tmp_path):
    (tmp_path / "images.gz").write_bytes(gzip.compress(CONTENT))
    obtain(source_file(NOWHERE), tmp_path / "images", mirror=None)
    assert (tmp_path / "images").read_bytes() == CONTENT


@pytest.mark.skipif(not UNREADABLE.exists(), reason=f"no {UNREADABLE}, which even root may not read")
def test_a_file_that_cannot_be_read_is_named_and_not_the_place_it_should_go_to(tmp_path, destination):
    (tmp_path / "mirror" / "mnist").mkdir(parents=True)
    (tmp_path / "mirror" / "mnist" / "images.gz").symlink_to(UNREADABLE)
    message = refused(source_file(), destination, mirror=str(tmp_path / "mirror"))
    assert "mirror/mnist/images.gz is not readable" in message


def test_a_mirror_without_the_file_is_told(tmp_path, destination):
    (tmp_path / "mirror").mkdir()
    assert "has no mnist/images.gz" in refused(source_file(), destination, mirror=str(tmp_path / "mirror"))


def test_no_answer_names_the_servers_and_the_ways_out(destination):
    message = refused(source_file(NOWHERE), destination)
    assert f"({NOWHERE}images.gz: Failed to establish a new connection: [Errno 111] Connection refused)" in message
    assert all(part in message for part in ("place images.gz in", "set mirror"))


def test_user_and_password_of_a_mirror_are_shown_nowhere(server, destination, caplog):
    caplog.set_level("INFO")
    mirror = server.replace("//", "//me:secret@")
    message = refused(source_file(), destination, mirror=f"{mirror}none")
    assert "//***@127.0.0.1" in message
    assert "images.gz: 404 Client Error: File not found)" in message
    message += refused(source_file(), destination, mirror=NOWHERE.replace("//", "//me:secret@"))
    message += refused(source_file(), destination, mirror=NOWHERE.replace("//", "//me:p@ss/secret@"))
    assert_obtained(source_file(), destination, mirror=mirror)
    assert "downloading http://***@127.0.0.1" in caplog.text
    assert "secret" not in message + caplog.text


def test_a_file_of_certificates_that_is_not_there_is_told(destination, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/certificates.pem")
    assert "invalid path: /no/such/certificates.pem" in refused(source_file("https://127.0.0.1:1/"), destination)


def idx(images: int, kind: int = 0x803) -> bytes:
    return struct.pack(">4I", kind, images, 28, 28) + bytes(images * 28 * 28)


@pytest.mark.parametrize("content", [b"<html>sign in</html>", idx(10), idx(10_000)[:-1], idx(10_000, kind=0x801)])
def test_a_file_without_a_known_sum_must_have_its_format_and_size(server, served, destination, content):
    (served / "mnist" / "images.gz").write_bytes(gzip.compress(content))
    file = replace(source_file(f"{server}mnist/"), checksum=None, idx_shape=(10_000, 28, 28))
    assert "expected 7840016 that begin with 00000803000027100000001c0000001c, an idx file" in refused(
        file, destination
    )
    (served / "mnist" / "images.gz").write_bytes(gzip.compress(idx(10_000)))
    obtain(file, destination, mirror=None)
    assert destination.read_bytes() == idx(10_000)


def test_every_source_without_a_known_sum_has_a_known_format():
    sources = [Torchvision("torchvision", name) for name in ("MNIST", "FashionMNIST", "KMNIST")]
    files = [file for source in [*sources, Omniglot("iwae"), Omniglot("omniglot")] for file in source_files(source)]
    assert all(file.checksum or file.idx_shape for file in files)
    assert sum(file.checksum is None for file in files) == 2


def test_an_altered_file_is_refused_and_the_reason_is_not_cut_by_a_long_path(server, served, tmp_path):
    (served / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT[:-1] + b"x"))
    deep = tmp_path / ("d" * 200) / "raw" / "images"
    assert "truncated or altered" in refused(source_file(f"{server}mnist/"), deep)


def test_a_truncated_gzip_is_refused(server, served, destination):
    (served / "mnist" / "images.gz").write_bytes(gzip.compress(CONTENT)[:-10])
    assert "expected a complete gzip file" in refused(source_file(f"{server}mnist/"), destination)


def test_a_transfer_that_breaks_off_is_refused(server, destination):
    message = refused(source_file(server, official_name="broken-off.gz"), destination)
    assert "more expected" in message


@pytest.mark.parametrize(
    ("name", "limit", "seconds", "complaint"),
    [
        ("silent.gz", "TIMEOUT_SECONDS", (2, 0.3), "timed out"),
        ("dripping.gz", "PATIENCE_SECONDS", 0.3, "bytes a second, expected at least 2000"),
        ("dripping.gz", "LARGEST_FILE", 20, "more than 20 bytes, expected a source file"),
    ],
)
def test_a_slow_server_is_left(server, destination, monkeypatch, name, limit, seconds, complaint):
    monkeypatch.setattr(download, limit, seconds)
    started = time.monotonic()
    assert complaint in refused(source_file(server, official_name=name), destination)
    assert time.monotonic() - started < 8


def test_a_disk_that_cannot_be_written_is_told_without_trying_again(server):
    with pytest.raises(OutputError, match="cannot be written"):
        obtain(source_file(f"{server}mnist/"), Path("/sys/kernel/images"), mirror=None)
