"""What a computation asks of a device: its calls of aten operations, seen as torch dispatches them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
WITHOUT_KERNEL = {aten._unsafe_view, aten.detach_, aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty}
BY_INDEX = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
WITHOUT_READING = {aten.copy_, aten.fill_, aten.zero_}  # of the tensor that is overwritten
SELECTIONS = {aten.index, aten.index_select, aten.gather}  # read as much as they write
VALUE_ON_THE_HOST = aten._local_scalar_dense.default  # what `item`, `bool` and `float` call
# How torch's fused Adam divides its numbers among kernels.
ADAM_CHUNK, ADAM_CHUNKS_IN_A_KERNEL = 65_536, 320


@dataclass(frozen=True)
class Call:
    """A call of an operation that is made of no others."""

    function: Any
    args: tuple
    kwargs: dict[str, Any]
    outputs: Any

    @property
    def operation(self) -> Any:
        """The operation whatever its overload, such as ``aten.index``."""
        return self.function.overloadpacket

    @property
    def inputs(self) -> list[Tensor]:
        return list(tensors_in((self.args, self.kwargs)))

    @property
    def written(self) -> list[Tensor]:
        return list(tensors_in(self.outputs))

    @property
    def waits(self) -> bool:
        """Whether the host needs a value: a number, or how many elements a mask selects."""
        if self.operation in BY_INDEX:
            return any(index.dtype in (torch.bool, torch.uint8) for index in tensors_in(self.args[1]))
        tags = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
        return any(tag in self.function.tags for tag in tags)

    @property
    def copies_between_devices(self) -> bool:
        devices = {values.device.type for values in (*self.inputs, *self.written)}
        return self.operation in (aten.copy_, aten._to_copy) and len(devices) > 1

    @property
    def indexes_from_the_host(self) -> bool:
        """Whether a tensor of a GPU is indexed by one of the host, or by a list: a copy that torch does not show."""
        on_gpu = self.operation in BY_INDEX and self.args[0].device.type == "cuda"
        return on_gpu and any(index.device.type == "cpu" for index in tensors_in(self.args[1]))

    @property
    def kernels(self) -> int:
        """Kernels that a GPU runs, rather too many than too few."""
        on_gpu = any(values.device.type == "cuda" for values in (*self.inputs, *self.written))
        if not on_gpu or self.function.is_view or self.operation in WITHOUT_KERNEL:
            return 0
        if self.operation == aten._fused_adam_:
            return math.ceil(math.ceil(self.args[0][0].numel() / ADAM_CHUNK) / ADAM_CHUNKS_IN_A_KERNEL)
        return 2 if self.operation == aten.baddbmm else 1  # which first copies its first argument

    @property
    def bytes_moved(self) -> int:
        """Bytes that its kernels read and write, where nothing stays in a cache."""
        if not self.kernels:
            return 0
        if self.operation == aten._fused_adam_:  # reads all four, and writes all but the gradient
            return 7 * _size(self.args[0][0])
        written = sum(map(_size, self.written))
        if self.operation in SELECTIONS:
            return 2 * written + sum(map(_size, self.inputs[1:]))
        read = [values for values in self.inputs if values is not self.kwargs.get("out")]
        if self.operation in WITHOUT_READING:
            read = read[1:]
        if self.operation == aten.baddbmm:
            written *= 3  # by the copy, which the product then reads, and by the product
        return sum(map(_size, read)) + written


class DeviceTrace(TorchDispatchMode):
    """Lists the calls made within it; of an operation that is made of others, theirs.

    Args:
        copies: between devices that are allowed.
        answer: what a wait for a value gets, for tensors without values; without it a wait is a fault.

    Raises:
        AssertionError: a wait, an index from the host, or one copy too many; where it is called.
    """

    def __init__(self, *, copies: int | None = None, answer: Any = None) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._copies_allowed, self._answer = copies, answer

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function.namespace != "aten":  # such as the question for a tensor's device
            return function(*args, **kwargs)
        with self:
            result = function.decompose(*args, **kwargs)
        if result is NotImplemented:
            result = self._take(function, args, kwargs)
        return result

    def _take(self, function, args, kwargs):
        if function == VALUE_ON_THE_HOST and self._answer is not None:
            return self._answer
        assert not Call(function, args, kwargs, None).waits, f"{function} waits for the device"
        call = Call(function, args, kwargs, function(*args, **kwargs))
        self.calls.append(call)
        assert not call.indexes_from_the_host, f"{function} copies an index from the host"
        if self._copies_allowed is not None:
            assert self.copies <= self._copies_allowed, f"{function} copies between host and device"
        return call.outputs

    @property
    def copies(self) -> int:
        """The copies between host and device so far."""
        return sum(call.copies_between_devices for call in self.calls)

    @property
    def kernels(self) -> int:
        return sum(call.kernels for call in self.calls)

    @property
    def bytes_moved(self) -> int:
        return sum(call.bytes_moved for call in self.calls)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from tensors_in(tuple(values.values()))
    elif isinstance(values, tuple | list):
        for value in values:
            yield from tensors_in(value)


def _size(values: Tensor) -> int:
    """Return the bytes of the distinct elements of a tensor, of which an expanded dimension has one."""
    sizes = zip(values.shape, values.stride(), strict=True)
    return values.element_size() * math.prod(size for size, stride in sizes if stride)
