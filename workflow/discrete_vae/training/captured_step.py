"""Repeat a step many times: on a GPU as a captured CUDA graph."""

import math
from collections.abc import Callable

import torch

from discrete_vae.errors import InputError

# Warm up first: libraries and the optimizer allocate memory lazily, and a capture must not.
STEPS_BEFORE_CAPTURE = 3


class StepGraph:
    """A step that on a GPU is captured and replayed with a single launch, and elsewhere simply called.

    A training step of tiny networks is some fifty kernels of a few microseconds, which take longer to launch than to
    run. With ``capture``, its tensors must be on a GPU.
    """

    def __init__(self, *, capture: bool) -> None:
        self._steps_before_capture = STEPS_BEFORE_CAPTURE if capture else math.inf
        self._graph: torch.cuda.CUDAGraph | None = None

    def take(self, step: Callable[[], None]) -> None:
        """Take the step, the same at every call.

        It reads and writes tensors that stay where they are, and waits for no result of the device.

        Raises:
            InputError: the step cannot be captured.
        """
        # The step is not kept: a cycle of references would keep its memory on the GPU.
        if self._steps_before_capture == 0:
            self._capture(step)
        if self._graph is not None:
            self._graph.replay()
            return
        step()
        self._steps_before_capture -= 1

    def _capture(self, step: Callable[[], None]) -> None:
        self._steps_before_capture = math.inf
        try:
            graph = torch.cuda.CUDAGraph()
            # A stream of its own: graphs that share one also share cuBLAS's workspace, and the end of one may free it.
            # A capture that fails may leave its own stream the current one.
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=torch.cuda.Stream()):
                step()  # recorded, not taken
        except RuntimeError as error:  # training kernel by kernel would take hours longer
            reason, _, _ = str(_first(error)).partition("\n")
            raise InputError(
                f"training.cuda_graph is true, but the step cannot be captured ({reason}), expected an NVIDIA GPU that"
                " can; set it to false (--no-cuda-graph without Snakemake) to train kernel by kernel, which is slower"
            ) from error
        self._graph = graph


def _first(error: BaseException) -> BaseException:
    """Return the error of the step itself: the end of a capture that failed raises another one."""
    while error.__context__ is not None:
        error = error.__context__
    return error
