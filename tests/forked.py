"""Snakemake in a process that is forked from one with its imports, which take longer than most plans."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["snakemake.cli", "snakemake.report.html_reporter", "snakemake.storage"])


def snakemake(arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Call Snakemake's command line in a folder; return its exit status, and what it printed."""
    with tempfile.NamedTemporaryFile() as output:
        process = SERVER.Process(target=_call, args=(list(arguments), str(folder), dict(environment), output.name))
        process.start()
        process.join()
        return process.exitcode, Path(output.name).read_text(encoding="utf-8")


def _call(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    from snakemake import cli  # noqa: PLC0415

    sys.argv = [str(Path(cli.__file__).with_name("__main__.py")), *arguments]
    cli.main(arguments)
