"""How a run of Snakemake ends: by a closed terminal, by Ctrl-C, or by failed jobs."""

import os
import signal
from types import FrameType


def end_with_terminal() -> None:
    """Let a closed terminal end Snakemake and its jobs as Ctrl-C does, without a lock that stays.

    Under nohup a closed terminal is ignored, and stays so.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # it comes from the shell and from the system
    if os.getpgrp() == os.getpid():
        os.killpg(0, number)  # without a shell, as by ssh, it comes to this process alone
    raise KeyboardInterrupt
