"""Which version of this source is at work: its commit, and the sum of its files where there is no git."""

import hashlib
import os
import subprocess
from pathlib import Path

LIBRARY = Path(__file__).parent


def git_revision(source: Path = LIBRARY.parent) -> str | None:
    """Return the commit of the source, with ``-dirty`` where its files have changes; None outside a git checkout."""

    def git(*arguments: str) -> str:
        # Variables such as GIT_DIR may name another repository.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        environment["GIT_OPTIONAL_LOCKS"] = "0"
        # Without this, git refuses a clone that belongs to another user.
        command = ["git", "-c", "safe.directory=*", "-C", str(source), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", ".")  # or the source is no part of the repository around it
        # Only the source: a run changes committed results too.
        changes = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return git("rev-parse", "HEAD") + ("-dirty" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def source_sum(library: Path = LIBRARY) -> str:
    """Return the SHA-256 over the names and the contents of the library's files."""
    digest = hashlib.sha256()
    for path in sorted(library.rglob("*.py")):
        digest.update(f"{path.relative_to(library)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
