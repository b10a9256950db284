"""The weights of a stack and Adam, which updates them in place."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

from discrete_vae.config.options import Training
from discrete_vae.errors import InputError
from discrete_vae.model import network
from discrete_vae.model.network import Weights

ADAM = {
    **{"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
    **{"fused": True, "amsgrad": False, "maximize": False},
}


class AdamWeights:
    """The weights of a stack with their gradient, in one flat tensor each, which Adam updates at once and in place.

    Attributes:
        by_name, gradient: views of the flat tensors by name, each with a first dimension S.
    """

    def __init__(self, initial: Weights, learning_rate: float) -> None:
        self.flat = torch.cat([values.flatten() for values in initial.values()])
        self._flat_gradient, self.mean, self.square = (torch.zeros_like(self.flat) for _ in range(3))
        self.by_name, self.gradient = (network.views(flat, initial) for flat in (self.flat, self._flat_gradient))
        self.steps = torch.zeros((), device=self.flat.device)
        self.learning_rate = learning_rate

    def step(self) -> None:
        """Let Adam take a step, by torch's function: its class imports torch._dynamo, 2 s and 100 MiB of every job."""
        moments = {"exp_avgs": [self.mean], "exp_avg_sqs": [self.square], "max_exp_avg_sqs": []}
        adam([self.flat], [self._flat_gradient], **moments, state_steps=[self.steps], lr=self.learning_rate, **ADAM)

    @property
    def kernels(self) -> dict[str, Callable]:
        """Functions that `network.loss_and_gradient` uses instead of its own, by the names of its arguments."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` continues from."""
        return {"weights": self.flat, "mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state, in the same tensors and to the same bits."""
        for name, values in self.state().items():
            values.copy_(state[name])


def adam_weights(initial: Weights, training: Training) -> AdamWeights:
    """Return the weights of a training: on a GPU with fused kernels where the option asks for them.

    Raises:
        InputError: fused kernels without Triton.
    """
    kind = AdamWeights
    if training.fused_kernels and next(iter(initial.values())).device.type == "cuda":
        try:
            from discrete_vae.training.fused_kernels import FusedAdamWeights as kind
        except ImportError as error:
            raise InputError(
                "training.fused_kernels is true, but Triton cannot be imported, expected PyTorch for CUDA, which"
                " has it; set training.fused_kernels to false"
            ) from error
    return kind(initial, training.learning_rate)
