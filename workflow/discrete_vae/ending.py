"""How a run of Snakemake ends: with success, a closed terminal, Ctrl-C or failed jobs."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

OFFLINE = "no network? place the files by hand or name a mirror: docs/troubleshooting.md, No network"


def end_with_terminal() -> None:
    """Let a closed terminal end Snakemake and its jobs as Ctrl-C does, without a lock that stays.

    Under nohup a closed terminal is ignored, and stays so.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # the shell and the system both send it
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)  # without a shell, as by ssh, only this process gets it
    raise KeyboardInterrupt


def point_to_results(results: Path) -> list[str]:
    """Name what to look at first in the folder of a study."""
    names = ("tables/results.md", "tables/claims.md", "figures/claims.png")
    return [f"see {path}" for path in map(results.joinpath, names) if path.exists()]


def explain(log: str, failed: Iterable[tuple[str, str]]) -> list[str]:
    """Say why a run ended before its time: that it was stopped, or which jobs failed.

    Args:
        log: what Snakemake said.
        failed: the rule of each failed job, and its log.
    """
    if "Terminating processes on user request" in log or "Will exit after finishing currently running jobs" in log:
        return ["stopped; the same command continues"]
    jobs = sorted(failed)
    downloads = [Path(file) for rule, file in jobs if rule == "download_source"]
    advice = [OFFLINE] if any(map(_could_not_download, downloads)) else []
    return [*advice, *(f"failed: {rule}, see {file}" for rule, file in jobs)]


def _could_not_download(log: Path) -> bool:
    """Tell from the log of a download whether no server gave the file; else it came, and was not as expected."""
    return log.exists() and "could not be downloaded" in log.read_text(encoding="utf-8", errors="replace")
