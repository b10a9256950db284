"""What every script of a rule shares: the library's path, the log and the end of a failed job."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a user's environment adds must not stand before the libraries, or choose how figures are shown.
sys.path.sort(key=os.environ.get("PYTHONPATH", "").split(os.pathsep).__contains__)
os.environ["MPLBACKEND"] = "agg"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from discrete_vae.errors import CorrectableError


@contextmanager
def logged(log_file: str) -> Iterator[None]:
    """Send the job's messages and traceback to its log, and what a person can put right in one line to the terminal."""
    handler = logging.FileHandler(log_file, mode="w", encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", handlers=[handler], force=True
    )
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that cannot be written, on a full disk, does not hide the job's own error
    try:
        yield
    except CorrectableError as error:
        logging.error("%s", error)
        sys.exit(f"ERROR: {error}")
    except SystemExit:
        raise
    except BaseException:
        logging.error("%s", traceback.format_exc())
        raise
