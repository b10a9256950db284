"""Repeat a step many times: on a GPU as a captured CUDA graph."""

import logging
import math
from collections.abc import Callable

import torch

log = logging.getLogger(__name__)

# What libraries and the optimizer allocate at first is there before the capture.
STEPS_BEFORE_CAPTURE = 3


class StepGraph:
    """A step that on a GPU is captured and replayed with a single launch, and elsewhere simply called.

    A training step of tiny networks is some fifty kernels that run for microseconds each: to launch them one by one
    takes longer than to run them.

    Args:
        step: reads and writes tensors that stay where they are, from call to call; waits for no result of the device.
        capture: whether to; its tensors are on a GPU then.
    """

    def __init__(self, step: Callable[[], None], *, capture: bool) -> None:
        self._step = step
        self._steps_before_capture = STEPS_BEFORE_CAPTURE if capture else math.inf
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Take the step."""
        if self._steps_before_capture == 0:
            self._capture()
        if self._graph is not None:
            self._graph.replay()
            return
        self._step()
        self._steps_before_capture -= 1

    def _capture(self) -> None:
        self._steps_before_capture = math.inf
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):  # records the step without taking it
                self._step()
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            log.warning("the step is not captured as a CUDA graph and runs kernel by kernel, as %s", reason)
        else:
            self._graph = graph
