"""The networks, and the training loss of a stack of models with its gradient written out.

A stack holds the weights of S models of one architecture: every tensor has a first dimension of size S. A single model
is a stack of one. The gradient is written out because the networks are tiny: autograd would add a third to the time.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Weights = dict[str, Tensor]
KLWithGradient = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks: pixels of an image, hidden units, N variables of K categories."""

    pixels: int
    hidden: int
    variables: int
    categories: int

    @property
    def layers(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each linear layer by its name in the state dict."""
        codes = self.variables * self.categories
        return {
            "encoder.0": (self.pixels, self.hidden),
            "encoder.2": (self.hidden, codes),
            "decoder.0": (codes, self.hidden),
            "decoder.2": (self.hidden, self.pixels),
        }


class DiscreteVAE(nn.Module):
    """One model as a torch module, which loads a run's ``model.pt``."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        linear = {name: nn.Linear(*sizes) for name, sizes in architecture.layers.items()}
        self.encoder = nn.Sequential(linear["encoder.0"], nn.ReLU(), linear["encoder.2"])
        self.decoder = nn.Sequential(linear["decoder.0"], nn.ReLU(), linear["decoder.2"])

    def encode(self, images: Tensor) -> Tensor:
        """Map images (batch x pixels) to logits theta (batch x N x K)."""
        return self.encoder(images).unflatten(-1, (self.architecture.variables, self.architecture.categories))

    def decode(self, codes: Tensor) -> Tensor:
        """Map codes (batch x N x K), relaxed or one-hot, to Bernoulli logits (batch x pixels)."""
        return self.decoder(codes.flatten(-2))


def model_of(weights: Weights, *, variables: int) -> DiscreteVAE:
    """Make the module of a state dict, which gives all sizes except N."""
    hidden, pixels = weights["encoder.0.weight"].shape
    model = DiscreteVAE(Architecture(pixels, hidden, variables, len(weights["encoder.2.bias"]) // variables))
    model.load_state_dict(weights)
    return model


def initial_weights(architecture: Architecture, generator: torch.Generator) -> Weights:
    """Draw the weights of one model as PyTorch initializes linear layers: U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    weights = {}
    for name, (inputs, outputs) in architecture.layers.items():
        bound = 1 / math.sqrt(inputs)
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
            weights[f"{name}.{kind}"] = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return weights


def stack(models: list[Weights]) -> Weights:
    """Stack the weights of S models along a new first dimension."""
    return {name: torch.stack([model[name] for model in models]) for name in models[0]}


def unstack(weights: Weights, member: int) -> Weights:
    """Copy one model out of a stack to the CPU, as a plain state dict."""
    return {name: values[member].detach().cpu().clone() for name, values in weights.items()}


def views(flat: Tensor, weights: Weights) -> Weights:
    """Return the parts of a flat tensor that have the names and shapes of weights."""
    parts = flat.split([values.numel() for values in weights.values()])
    return {name: part.view_as(values) for part, (name, values) in zip(parts, weights.items(), strict=True)}


def linear(weights: Mapping[str, Tensor], layer: str, inputs: Tensor) -> Tensor:
    """Apply a linear layer to inputs of shape S x batch x features."""
    return torch.baddbmm(weights[f"{layer}.bias"].unsqueeze(1), inputs, weights[f"{layer}.weight"].mT)


def encode(weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Map images (S x batch x pixels) to flat logits (S x batch x N*K)."""
    return linear(weights, "encoder.2", linear(weights, "encoder.0", images).relu_())


def bernoulli_loss(pixel_logits: Tensor, images: Tensor) -> Tensor:
    """Return the binary cross-entropy softplus(o) - x o, summed over pixels, of every image x given every code.

    The logits o are ... x codes x pixels, the images of 0 and 1 ... x pixels x images, the losses ... x codes x images.
    """
    return F.softplus(pixel_logits).sum(-1, keepdim=True) - pixel_logits @ images


def kl_to_uniform(logits: Tensor) -> Tensor:
    """Return KL(softmax(logits) || uniform) over the last dimension, in nats: sum of q log q, plus log K."""
    log_q = F.log_softmax(logits, dim=-1)
    return (log_q.exp() * log_q).sum(-1) + math.log(logits.shape[-1])


def softmax_kl_with_gradient(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return KL(softmax(logits) || uniform) in nats, summed over variables and minibatch, and its gradient.

    The logits theta and the gradient are S x N x K x batch; the KL has the shape S.
    """
    log_q = F.log_softmax(logits, dim=2)
    q = log_q.exp()
    negative_entropy = (q * log_q).sum(2, keepdim=True)
    kl = negative_entropy + math.log(logits.shape[2])
    return kl.sum((1, 2, 3)), log_q.sub_(negative_entropy).mul_(q)


def loss_and_gradient(
    weights: Mapping[str, Tensor],
    gradient: Mapping[str, Tensor],
    images: Tensor,
    noise: Tensor,
    temperature: Tensor,
    kl_with_gradient: KLWithGradient = softmax_kl_with_gradient,
    bernoulli_with_gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    keep_gradient: Callable[[str, Tensor, Tensor], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss of a stack on one minibatch, and overwrite ``gradient`` with its gradient.

    The loss of arXiv 2406.02180: binary cross-entropy plus the sum over variables of KL(softmax(theta) || uniform).
    Logits and relaxed samples have the minibatch last: softmax over ten categories is ten times faster that way.

    Args:
        weights: of the stack.
        gradient: buffers like the weights.
        images: of 0 and 1, float, S x batch x pixels.
        noise: gamma, S x N x K x batch.
        temperature: tau, S x 1 x 1 x 1.
        kl_with_gradient: the KL part of the loss: the paper's, or the KL of the codes.
        bernoulli_with_gradient: another way to compute what `_bernoulli_with_gradient` does.
        keep_gradient: takes the name, inputs and gradient of the outputs of each layer, instead of ``gradient``.

    Returns:
        Reconstruction and KL part in nats, each summed over the minibatch, of shape S. The gradient belongs to their
        sum divided by the batch size.
    """
    batch, sizes = images.shape[1], noise.shape[1:3]
    keep = keep_gradient or functools.partial(_weight_gradient, gradient)

    encoder_hidden = linear(weights, "encoder.0", images).relu_()
    bias, weight = weights["encoder.2.bias"].unsqueeze(2), weights["encoder.2.weight"]
    logits = torch.baddbmm(bias, weight, encoder_hidden.mT).unflatten(1, sizes)
    relaxed = F.softmax((logits + noise).div_(temperature), dim=2)
    codes = relaxed.flatten(1, 2).mT
    decoder_hidden = linear(weights, "decoder.0", codes).relu_()
    pixel_logits = linear(weights, "decoder.2", decoder_hidden)

    reconstruction, d_pixel_logits = (bernoulli_with_gradient or _bernoulli_with_gradient)(pixel_logits, images)
    kl, d_kl = kl_with_gradient(logits)

    keep("decoder.2", decoder_hidden, d_pixel_logits)
    d_decoder_hidden = _through_relu(torch.bmm(d_pixel_logits, weights["decoder.2.weight"]), decoder_hidden)
    keep("decoder.0", codes, d_decoder_hidden)
    d_relaxed = torch.bmm(weights["decoder.0.weight"].mT, d_decoder_hidden.mT).unflatten(1, sizes)
    d_perturbed = _through_softmax(d_relaxed, relaxed).div_(temperature)
    d_logits = d_perturbed.add_(d_kl, alpha=1 / batch).flatten(1, 2).mT
    keep("encoder.2", encoder_hidden, d_logits)
    d_encoder_hidden = _through_relu(torch.bmm(d_logits, weights["encoder.2.weight"]), encoder_hidden)
    keep("encoder.0", images, d_encoder_hidden)
    return reconstruction, kl


def _bernoulli_with_gradient(pixel_logits: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return each model's loss summed over the minibatch, and the gradient of its mean in the memory of the logits."""
    # As `bernoulli_loss`, in place.
    loss = F.softplus(pixel_logits).addcmul_(images, pixel_logits, value=-1).sum((1, 2))
    return loss, pixel_logits.sigmoid_().sub_(images).div_(images.shape[1])


def _through_relu(d_outputs: Tensor, outputs: Tensor) -> Tensor:
    """Turn the gradient of a ReLU's outputs into the gradient of its inputs, by autograd's own kernel."""
    return torch.ops.aten.threshold_backward(d_outputs, outputs, 0)


def _through_softmax(d_outputs: Tensor, outputs: Tensor) -> Tensor:
    """Turn the gradient of a softmax over dimension 2 into the gradient of its inputs, by autograd's own kernel."""
    return torch.ops.aten._softmax_backward_data(d_outputs, outputs, 2, outputs.dtype)


def _weight_gradient(gradient: Mapping[str, Tensor], layer: str, inputs: Tensor, d_outputs: Tensor) -> None:
    """Store the gradient of a linear layer's weights, given its inputs and the gradient of its outputs."""
    torch.bmm(d_outputs.mT, inputs, out=gradient[f"{layer}.weight"])
    torch.sum(d_outputs, 1, out=gradient[f"{layer}.bias"])
