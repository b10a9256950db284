"""The device of a job: which one, and what it is called in results."""

import logging
import os
import platform
from pathlib import Path
from typing import Any

import torch

from discrete_vae.config.options import uses_gpu
from discrete_vae.errors import InputError
from discrete_vae.source import git_revision

log = logging.getLogger(__name__)


def choose_device(name: str, *, gpus: int) -> torch.device:
    """Return the device of a job, and log it.

    Args:
        name: ``training: device``; ``auto`` is a GPU where the job has one by its resources.
        gpus: ``gpu`` of the job's resources.

    Raises:
        InputError: a GPU is expected, and torch sees none.
    """
    if not uses_gpu(name, gpus):
        threads = torch.get_num_threads()
        log.info("device: cpu, %d %s", threads, "thread" if threads == 1 else "threads")
        # Many parts of relaxed samples are below 1e-38, and slow Intel's processors by a factor of three.
        torch.set_flush_denormal(True)
        return torch.device("cpu")
    if not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise InputError(
            f"torch {torch.__version__} sees no GPU, expected one, as training.device is {name!r} and the job's gpu is"
            f" {gpus}; check nvidia-smi and its driver, CUDA_VISIBLE_DEVICES ({visible or 'empty'}) and that torch has"
            " CUDA, or compute on the CPU (docs/troubleshooting.md, No GPU; --device cpu without Snakemake)"
        )
    log.info("device: %s", torch.cuda.get_device_name())
    return torch.device("cuda")


def kind_of(device: torch.device) -> str:
    """Name the kind of a device. On a GPU the bits depend on its model and on its number of multiprocessors."""
    if device.type != "cuda":
        return device.type
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name} with {properties.multi_processor_count} multiprocessors"


def environment(device: torch.device, revision: str | None = None) -> dict[str, Any]:
    """Return the hardware, the versions and the source revision behind a result; by default git is asked for it."""
    return {
        "device": device.type,
        "hardware": hardware_of(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "git_revision": revision or git_revision(),
    }


def hardware_of(device: torch.device) -> str:
    """Name the GPU or the processor behind a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor, with the numbers that tell its generation where virtual machines hide it in the name."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name
