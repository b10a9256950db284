"""Two Triton kernels that make fewer passes over the memory of a GPU than torch's own. Only their rounding differs."""

from collections.abc import Callable, Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from discrete_vae.model import network
from discrete_vae.model.network import Weights
from discrete_vae.training.adam_weights import ADAM, AdamWeights

BETAS = ADAM["beta1"], ADAM["beta2"]
PIXELS_IN_BLOCK = 1024
BLOCKS = {"OUTPUTS": 64, "INPUTS": 64, "IMAGES": 32}


@triton.jit
def bernoulli_kernel(logits, images, losses, pixels, images_stride, scale, BLOCK: tl.constexpr):
    """Sum the losses of a block of pixels of one model's minibatch, and replace the logits by their gradient."""
    member, place = tl.program_id(1).to(tl.int64), tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = place < pixels
    o = tl.load(logits + member * pixels + place, mask=mask, other=0.0)
    x = tl.load(images + member * images_stride + place, mask=mask, other=0.0)
    small = tl.exp(-tl.abs(o))
    loss = tl.maximum(o, 0.0) + tl.log(1 + small) - x * o
    sigmoid = tl.where(o >= 0, 1.0, small) / (1 + small)
    tl.store(logits + member * pixels + place, (sigmoid - x) * scale, mask=mask)
    tl.store(losses + member * tl.num_programs(0) + tl.program_id(0), tl.sum(tl.where(mask, loss, 0.0), 0))


@triton.jit
def adam_kernel(
    d_outputs, inputs, weight, mean, square, corrections,
    outputs_count, inputs_count, batch,
    d_member, d_image, d_output, x_member, x_image, x_input,
    rate, decay1, beta2, decay2, epsilon,
    OUTPUTS: tl.constexpr, INPUTS: tl.constexpr, IMAGES: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Update a block of one model's weights, whose gradient is a product over the minibatch."""
    member = tl.program_id(2).to(tl.int64)
    i = tl.program_id(0) * INPUTS + tl.arange(0, INPUTS)[None, :]
    o = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)[:, None]
    gradient = tl.zeros((OUTPUTS, INPUTS), tl.float32)
    for first in range(0, batch, IMAGES):
        b = first + tl.arange(0, IMAGES)
        d_at = d_outputs + member * d_member + b[None, :] * d_image + o * d_output
        x_at = inputs + member * x_member + b[:, None] * x_image + i * x_input
        d = tl.load(d_at, mask=(b[None, :] < batch) & (o < outputs_count), other=0.0)
        x = tl.load(x_at, mask=(b[:, None] < batch) & (i < inputs_count), other=0.0)
        gradient = tl.dot(d, x, gradient, input_precision=PRECISION)
    place = (member * outputs_count + o) * inputs_count + i
    mask = (o < outputs_count) & (i < inputs_count)
    m = tl.load(mean + place, mask=mask)
    v = tl.load(square + place, mask=mask)
    w = tl.load(weight + place, mask=mask)
    m += decay1 * (gradient - m)
    v = beta2 * v + decay2 * gradient * gradient
    w -= rate / tl.load(corrections) * m / (tl.sqrt(v) / tl.sqrt(tl.load(corrections + 1)) + epsilon)
    tl.store(mean + place, m, mask=mask)
    tl.store(square + place, v, mask=mask)
    tl.store(weight + place, w, mask=mask)


def bernoulli_with_gradient(pixel_logits: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each model's loss summed over the minibatch, and the gradient of its mean in the memory of the logits.

    The logits are S x batch x pixels. So are the images, float of 0 and 1. Models may share them.
    """
    members, batch, _ = pixel_logits.shape
    pixels = pixel_logits[0].numel()
    losses = pixel_logits.new_empty(members, triton.cdiv(pixels, PIXELS_IN_BLOCK))
    grid = (losses.shape[1], members)
    bernoulli_kernel[grid](pixel_logits, images, losses, pixels, images.stride(0), 1 / batch, BLOCK=PIXELS_IN_BLOCK)
    return losses.sum(1), pixel_logits


class FusedAdamWeights(AdamWeights):
    """Weights that Adam updates as soon as a block of their gradient is computed; the gradient is never written."""

    def __init__(self, initial: Weights, learning_rate: float) -> None:
        super().__init__(initial, learning_rate)
        views = (network.views(flat, initial) for flat in (self.flat, self.mean, self.square))
        self._updated = {name: parts for name, *parts in zip(initial, *(view.values() for view in views), strict=True)}
        self._betas = torch.tensor(BETAS, dtype=torch.float64, device=self.flat.device)
        self._factors: dict[str, tuple[Tensor, Tensor]] = {}

    @property
    def kernels(self) -> dict[str, Callable]:
        """Functions that `network.loss_and_gradient` uses instead of its own."""
        return {"bernoulli_with_gradient": bernoulli_with_gradient, "keep_gradient": self._keep}

    def _keep(self, layer: str, inputs: Tensor, d_outputs: Tensor) -> None:
        self._factors[layer] = inputs, d_outputs

    def step(self) -> None:
        """Let Adam take a step. The bias is a weight of an input that is always one."""
        self.steps += 1
        corrections = (1 - self._betas**self.steps).float()
        precision = "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"
        for layer, (inputs, d_outputs) in self._factors.items():
            one = torch.ones_like(d_outputs[:1, :, :1]).expand(len(d_outputs), -1, -1)
            bias = [part.unsqueeze(2) for part in self._updated[f"{layer}.bias"]]
            self._update(self._updated[f"{layer}.weight"], inputs, d_outputs, corrections, precision)
            self._update(bias, one, d_outputs, corrections, "ieee")
        self._factors.clear()

    def _update(
        self, updated: Sequence[Tensor], inputs: Tensor, d_outputs: Tensor, corrections: Tensor, precision: str
    ) -> None:
        members, outputs_count, inputs_count = updated[0].shape
        grid = (triton.cdiv(inputs_count, BLOCKS["INPUTS"]), triton.cdiv(outputs_count, BLOCKS["OUTPUTS"]), members)
        adam_kernel[grid](
            *(d_outputs, inputs, *updated, corrections),
            *(outputs_count, inputs_count, inputs.shape[1], *d_outputs.stride(), *inputs.stride()),
            *(self.learning_rate, 1 - BETAS[0], BETAS[1], 1 - BETAS[1], ADAM["eps"]),
            **BLOCKS,
            PRECISION=precision,
        )
