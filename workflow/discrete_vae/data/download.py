"""Obtain a source file: placed by hand, from a mirror, or from its official homes; verified before it gets its name."""

import gzip
import logging
import shutil
import time
import urllib.parse
import zlib
from collections.abc import Sequence
from pathlib import Path

import requests
import urllib3

from discrete_vae.data.sources import SourceFile, verify
from discrete_vae.errors import InputError
from discrete_vae.files import scratch_file, written_whole

log = logging.getLogger(__name__)

PASSES = 3  # over the homes of a file
BACKOFF_SECONDS = 2  # before the second pass, twice that before the third
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two reads
LARGEST_BYTES = 500_000_000  # several times the largest source file: a server that never ends is not waited for
LOWEST_BYTES_PER_SECOND = 2_000  # on average, once the first minute is over: nor is one that sends drop by drop
PATIENCE_SECONDS = 60
GZIP_MAGIC = b"\x1f\x8b"


def obtain(file: SourceFile, destination: Path, *, mirror: str | None) -> None:
    """Put a source file at its destination, decompressed and verified; nothing is left there otherwise.

    A file that a person placed beside the destination under its official name comes first; then the mirror if there is
    one, or else the official homes in their order.

    Raises:
        InputError: no source has the file, or what the mirror or the hand-placed file holds is not it.
        OutputError: the disk is full or the folder is read-only.
    """
    placed = destination.with_name(file.official_name)
    if placed != destination and placed.is_file():
        log.info("taking the hand-placed %s", placed)
        _store(placed, file, destination)
    elif mirror is not None and "://" not in mirror:
        _store(_in_mirror(Path(mirror), file), file, destination)
    else:
        homes = [urllib.parse.urljoin(f"{mirror.rstrip('/')}/", f"{file.folder}/")] if mirror else file.homes
        _download(homes, file, destination)


def _in_mirror(mirror: Path, file: SourceFile) -> Path:
    candidates = [mirror / file.folder / name for name in (file.official_name, file.name)]
    for candidate in candidates:
        if candidate.is_file():
            log.info("taking %s from the mirror", candidate)
            return candidate
    raise InputError(
        f"mirror {str(mirror)!r} has no {file.folder}/{file.official_name}, expected the file under its official name;"
        " add it or set mirror to null to download it"
    )


def _download(homes: Sequence[str], file: SourceFile, destination: Path) -> None:
    failures = {}
    for attempt in range(PASSES):
        time.sleep(attempt * BACKOFF_SECONDS)
        for home in homes:
            url = urllib.parse.urljoin(home, file.official_name)
            try:
                log.info("downloading %s", url)
                _download_one(url, file, destination)
                return
            except (requests.RequestException, urllib3.exceptions.HTTPError, InputError) as error:
                failures[url] = " ".join(str(error).split())[:300]
                log.warning("%s: %s", url, failures[url])
    raise InputError(
        f"{destination} could not be downloaded ({'; '.join(f'{url}: {reason}' for url, reason in failures.items())});"
        f" place {file.official_name} in {destination.parent}/ by hand, or set mirror to a directory or URL that has it"
    )


def _download_one(url: str, file: SourceFile, destination: Path) -> None:
    # The bytes as they are: a server may label a .gz as gzip-encoded, and requests would decompress it.
    headers = {"Accept-Encoding": "identity"}
    with scratch_file(destination.with_name(f"{file.official_name}.part")) as part:
        with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers) as response:
            response.raise_for_status()
            _save(response, part)
        # By this name, as in a deep folder the path of the temporary file alone would fill a message.
        _store(part, file, destination, name=file.official_name)


def _save(response: requests.Response, path: Path) -> None:
    received, started = 0, time.monotonic()
    with path.open("wb") as output:
        # read1 returns what has arrived; any other read would wait for all it asks for.
        while chunk := response.raw.read1(1 << 20, decode_content=False):
            received += len(chunk)
            seconds = time.monotonic() - started
            if received > LARGEST_BYTES:
                raise InputError(
                    f"the server sent more than {LARGEST_BYTES} bytes, expected a source file; try another home"
                )
            if seconds > PATIENCE_SECONDS and received < LOWEST_BYTES_PER_SECOND * seconds:
                raise InputError(
                    f"the server sent {received} bytes in {seconds:.0f} s, expected at least"
                    f" {LOWEST_BYTES_PER_SECOND} a second; try another home"
                )
            output.write(chunk)
    announced = response.headers.get("Content-Length")
    if announced is not None and received != int(announced):
        raise InputError(f"the transfer stopped after {received} of {announced} bytes; try again")


def _store(origin: Path, file: SourceFile, destination: Path, *, name: str | None = None) -> None:
    """Decompress ``origin`` if it is a gzip, verify it, and give it its place; messages use its path or a name."""
    name = name or str(origin)
    try:
        raw = origin.open("rb")
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error}), expected a readable file; see to its permissions") from None
    with raw, written_whole(destination) as temporary:
        try:
            with temporary.open("wb") as output:
                is_gzip = raw.read(2) == GZIP_MAGIC
                raw.seek(0)
                shutil.copyfileobj(gzip.GzipFile(fileobj=raw) if is_gzip else raw, output)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(
                f"{name} is not a complete gzip file ({error}), expected {file.official_name}; obtain it again"
            ) from None
        try:
            found = verify(temporary, file.fingerprint)
        except InputError as error:
            raise InputError(str(error).replace(str(temporary), name)) from None
    log.info(
        "%s: %s",
        destination,
        found if file.fingerprint else f"{found} (no official sum is known: not verified)",
    )
