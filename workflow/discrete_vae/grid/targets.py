"""The targets that a command line asks for, and the nearest one that can be made."""

import argparse
import contextlib
import difflib
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def asked_targets(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """List the targets among the words of a command line, by Snakemake's parser; ``./results`` is ``results``.

    Snakemake knows them, but tells a Snakefile only after it is read. Words that are not meant for Snakemake name none.
    """
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        targets = parser.parse_known_args(words)[0].targets
        return [target if Path(target).is_absolute() else os.path.normpath(target) for target in targets]
    return []


def are_all_within(files: Sequence[str], folder: Path) -> bool:
    """Tell whether there are files, and all of them are of a folder."""
    return bool(files) and all(Path(file).is_relative_to(folder) for file in files)


def nearest(target: str, known: Iterable[str]) -> str | None:
    """Return the known path that is most like a target, if one is like it."""
    by_plain = {_plain(path): path for path in known}
    close = difflib.get_close_matches(_plain(target), by_plain, n=1, cutoff=0.8)
    return by_plain[close[0]] if close else None


def _plain(path: str) -> str:
    """Spell a path in lower case, with the temperature as Python spells numbers."""
    return re.sub(r"(?<=/tau)(\d+\.?\d*|\.\d+)(?=/)", lambda number: str(float(number[0])), path.lower())
