"""What jobs ask for: GPUs, minutes, memory. And the stack, which follows from the GPUs of a training job."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discrete_vae.config.options import AUTO_STACK, Training, uses_gpu
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration

DRIVER = Path("/dev/nvidiactl")  # there is no GPU without it

SAFETY = 3  # a job may take this many times what was measured
LEAST_MINUTES = 30
# Of an epoch of one cell of MNIST on one core: benchmarks/results/cpu.md has 3.3 s at K = 10 and 5.2 s at K = 50.
SECONDS_OF_AN_EPOCH, SECONDS_OF_A_CATEGORY = 2.9, 0.046
# Assumed, as nothing has been measured on a GPU yet: it trains this many cells in the time of one cell on a core.
CELLS_AT_ONCE_ON_A_GPU = 10
# Of one model, with 1,000 importance samples: results/omniglot-temperature-1/tables/costs.csv, the costliest study.
SECONDS_OF_AN_EVALUATION = 250
SELECTIONS = 2  # by paper loss and by negative ELBO, which may select different models
# benchmarks/results/cpu.md, at K = 50: 898 MiB for one cell, 1,545 MiB for thirty.
MB_OF_A_JOB, MB_OF_A_CELL = 920, 23.4


def gpus_here() -> int:
    """GPUs that a job asks for on this machine: 1 with an NVIDIA driver, 0 where CUDA_VISIBLE_DEVICES hides them."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return int(DRIVER.exists() and first not in ("", "-1"))


def gpus_of_training(training: Training, *, here: int, asked: Any = None) -> int:
    """GPUs that a job of the rule train_cells asks for.

    Args:
        training: its options.
        here: what `gpus_here` says in the main process.
        asked: what a profile or the command line sets as the rule's ``gpu``, as it is written; None where they do not.

    Raises:
        InputError: an expression, which may differ between jobs, while the stack is one for all.
    """
    if asked is None:
        return training.gpus_per_job(here)
    if not str(asked).isdecimal():
        raise InputError(
            f"set-resources has train_cells:gpu={asked}, expected a whole number, as the stack and the run time follow"
            " from it; set it to 0 or 1"
        )
    return int(asked)


def contradiction(training: Training, gpus: int) -> str | None:
    """Say how the GPUs that a training job asks for contradict ``training: device``, None if they do not."""
    set_so = f"training.device is {training.device}, but a profile or the command line sets train_cells:gpu={gpus}"
    if training.device == "cpu" and gpus:
        return f"{set_so}: each job reserves a GPU that it does not use; set gpu to 0"
    if training.device == "cuda" and not gpus:
        return f"{set_so}: no job asks for a GPU; set gpu to 1"
    return None


def stack_of(configuration: "Configuration", gpus: int, *, by_name: bool = False) -> tuple[str, ...]:
    """List the axes that one training job stacks.

    ``auto`` is a job for each group on a GPU, and one for each cell on a CPU, or where cells are asked for by name.
    Axes that differ between the parts of the grid are left out.

    Args:
        gpus: what `gpus_of_training` says.
        by_name: whether the command line asks for files of cells, and for nothing else.
    """
    training = configuration.training
    if training.stack != "auto":
        return training.stack
    if by_name or not uses_gpu(training.device, gpus):
        return ()
    first, *others = configuration.grid.parts()
    return tuple(axis for axis in AUTO_STACK if all(part[axis] == first[axis] for part in others))


def training_minutes(training: Training, *, K: int, cells: int, gpus: int) -> int:
    """Time limit of a training job: three times what was measured, for the paper's model on MNIST.

    ``training.epochs`` is a number here.
    """
    on_gpu = uses_gpu(training.device, gpus)
    in_turn = max(1, cells / CELLS_AT_ONCE_ON_A_GPU) if on_gpu else cells
    return _minutes(in_turn * training.epochs * (SECONDS_OF_AN_EPOCH + SECONDS_OF_A_CATEGORY * K))


def training_mb(cells: int) -> int:
    """Memory of a training job in MB: three times what was measured."""
    return math.ceil(SAFETY * (MB_OF_A_JOB + MB_OF_A_CELL * cells))


def evaluation_minutes(cells: Iterable[Cell], importance_samples: int) -> int:
    """Time limit of the evaluation of a group, given its cells. A GPU gets the time of a core."""
    laws = {cell.perturbation for cell in cells}
    return _minutes(SELECTIONS * len(laws) * SECONDS_OF_AN_EVALUATION * importance_samples / 1000)


def _minutes(seconds: float) -> int:
    return max(LEAST_MINUTES, math.ceil(SAFETY * seconds / 60))
