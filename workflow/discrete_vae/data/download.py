"""Obtain a source file: placed by hand, from a mirror, or from its official servers."""

import gzip
import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path

import requests
import urllib3

from discrete_vae.config.definitions import URL
from discrete_vae.data.sources import SourceFile, check_idx, verify
from discrete_vae.errors import InputError, reading, without_secrets
from discrete_vae.files import write_bytes

log = logging.getLogger(__name__)

PASSES = 3  # over the servers of a file
BACKOFF_SECONDS = 2  # before the second pass, and twice that before the third
TIMEOUT_SECONDS = (10, 60)  # to connect, and between two reads
LARGEST_FILE = 500_000_000  # bytes; Fashion-MNIST's has 26 MB
LEAST_RATE, PATIENCE_SECONDS = 2_000, 60  # bytes a second on average, after so many seconds
GZIP_MAGIC = b"\x1f\x8b"
REPEATED = re.compile(r"^HTTPS?Connection(Pool)?\([^)]*\): | for url: .*")  # what an error says of the URL


def obtain(file: SourceFile, destination: Path, *, mirror: str | None) -> None:
    """Put a source file at its destination, decompressed and verified. After an error, nothing is there.

    A file beside the destination under its official name, placed by hand, comes first. Then comes the mirror, a folder
    or a base URL. Without a mirror, the official servers are tried in their order.

    Raises:
        InputError: no place has the file, or its content is not as expected.
        OutputError: the disk is full or the folder is read-only.
    """
    folder = Path(mirror) / file.folder if mirror and not mirror.startswith(URL) else None
    candidates = [destination.with_name(file.official_name)]
    if folder:
        candidates += [folder / file.official_name, folder / file.name]
    for candidate in candidates:
        if candidate != destination and candidate.is_file():
            with reading(candidate, "a file that you may read", "change its permissions"):
                content = candidate.read_bytes()
            return _store(content, str(candidate), file, destination)
    if folder:
        raise InputError(
            f"mirror {mirror!r} has no {file.folder}/{file.official_name}, expected the file under its official"
            " name; add it or set mirror to null to download it"
        )
    _download([f"{mirror.rstrip('/')}/{file.folder}/"] if mirror else file.servers, file, destination)


def _download(servers: Sequence[str], file: SourceFile, destination: Path) -> None:
    failures, urls = {}, [f"{server}{file.official_name}" for server in servers]
    for attempt in range(PASSES):
        if not urls:
            break
        time.sleep(attempt * BACKOFF_SECONDS)
        for url in urls.copy():
            shown = without_secrets(url)
            log.info("downloading %s", shown)
            try:
                return _store(_fetch(url), file.official_name, file, destination)
            # requests raises a plain OSError for a file of certificates that is not there.
            except (OSError, urllib3.exceptions.HTTPError, InputError) as error:
                failures[shown] = without_secrets(_reason(error))
                log.warning("%s: %s", shown, failures[shown])
                if isinstance(error, InputError):  # it answered, and would answer so again
                    urls.remove(url)
    reasons = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    raise InputError(
        f"{destination} could not be downloaded ({reasons}), expected a server that has it; place"
        f" {file.official_name} in {destination.parent}/ by hand, or set mirror to a directory or URL that has it"
    )


def _reason(error: Exception) -> str:
    """Say why a download failed, in the words of the innermost error."""
    while isinstance(cause := getattr(error, "reason", None) or next(iter(error.args), None), Exception):
        error = cause
    return REPEATED.sub("", " ".join(str(error).split()))[:300]


def _fetch(url: str) -> bytes:
    started, chunks, size = time.monotonic(), [], 0
    # The bytes as they are: a server may label a .gz as gzip-encoded, and requests would decompress it.
    headers = {"Accept-Encoding": "identity"}
    with requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers) as response:
        response.raise_for_status()
        # Unlike other reads, read1 does not wait for all it asks for. It raises if the server stops early.
        while chunk := response.raw.read1(1 << 20, decode_content=False):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_FILE:
                raise InputError(f"more than {LARGEST_FILE} bytes, expected a source file")
            seconds = time.monotonic() - started
            if seconds > PATIENCE_SECONDS and size < LEAST_RATE * seconds:
                raise InputError(f"{size / seconds:.0f} bytes a second, expected at least {LEAST_RATE}")
    return b"".join(chunks)


def _store(content: bytes, name: str, file: SourceFile, destination: Path) -> None:
    """Decompress a content if it is a gzip, verify it and write it. Messages use the name."""
    if content.startswith(GZIP_MAGIC):
        with reading(name, "a complete gzip file"):
            content = gzip.decompress(content)
    found = verify(content, file.checksum, name=name)
    if file.idx_shape and not file.checksum:
        check_idx(content, file.idx_shape, name=name)
    write_bytes(destination, content)
    known = "" if file.checksum else " (no official checksum is known: only its format and size are checked)"
    log.info("stored %s as %s, %s%s", name, destination, found, known)
