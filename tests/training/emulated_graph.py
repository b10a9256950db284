"""A captured step without a GPU: its aten calls are recorded once, and then repeated without the Python around them."""

from collections.abc import Callable

from device_trace import Call, DeviceTrace, aten, tensors_in
from discrete_vae.training.captured_step import STEPS_BEFORE_CAPTURE


class EmulatedGraph:
    """Stands for a `StepGraph` that captures. As in a CUDA graph, every tensor stays where it was when recorded.

    Raises:
        AssertionError: the step waits for a value or copies from the host, which a capture refuses.
    """

    def __init__(self) -> None:
        self.steps_before_capture = STEPS_BEFORE_CAPTURE
        self.calls: list[Call] = []

    def take(self, step: Callable[[], None]) -> None:
        if self.calls:
            self._replay()
        elif self.steps_before_capture:
            self.steps_before_capture -= 1
            step()
        else:
            with DeviceTrace() as trace:
                step()
            assert aten.lift_fresh not in {call.operation for call in trace.calls}, "a tensor is made on the host"
            self.calls = trace.calls

    def _replay(self) -> None:
        for call in self.calls:
            outputs = call.function(*call.args, **call.kwargs)
            for recorded, values in zip(call.written, tensors_in(outputs), strict=True):
                if recorded.data_ptr() != values.data_ptr():  # neither a view nor written in place
                    recorded.copy_(values)
