"""The exceptions for what a person can put right, and what their messages hide."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = re.compile(r"//\S*@")  # of a URL such as https://user:password@host/


OBTAIN_AGAIN = "remove it, and run the same command to obtain it again"


class CorrectableError(Exception):
    """Its message is one line: the key or file, the value, what was expected and what to do."""


def without_secrets(text: str) -> str:
    """Hide user names and passwords in the URLs of a text."""
    return SECRET.sub("//***@", text)


class InputError(CorrectableError):
    """Something given to the pipeline is wrong."""


class OutputError(CorrectableError):
    """A file cannot be written: the disk is full, or the folder is read-only."""


@contextmanager
def reading(name: Path | str, expected: str, advice: str = "obtain it again") -> Iterator[None]:
    """Turn any error of a library that reads a file into an `InputError`. Damaged files cause errors of many kinds."""
    try:
        yield
    except CorrectableError:
        raise
    except Exception as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)  # without the name
        reason = " ".join(text.split()) or type(error).__name__
        raise InputError(f"{name} is not readable ({reason}), expected {expected}; {advice}") from None
