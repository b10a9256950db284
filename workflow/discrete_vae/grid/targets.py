"""The files that a command line asks for, and the nearest one that can be made."""

import difflib
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# Options that take no value: a target may follow.
FLAGS = ("-n", "--dry-run", "-f", "--force", "-F", "--forceall", "-p", "-k", "--keep-going")


def file_targets(words: Sequence[str]) -> list[str]:
    """List the files in results/ and data/ that the words of a command line ask for."""
    pairs = itertools.pairwise(words)
    return [
        word
        for before, word in pairs
        if word.startswith(("results/", "data/"))
        and "=" not in word
        and (not before.startswith("-") or before in FLAGS)
    ]


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
    return re.sub(r"(?<=/tau)[\d.]+(?=/)", lambda number: _number(number[0]), path.lower())


def _number(text: str) -> str:
    try:
        return str(float(text))
    except ValueError:
        return text
