"""The discrete VAE: its networks, and the training loss of a stack of models with its gradient written out.

A stack holds the parameters of S models of one architecture, each parameter with a leading dimension S. One model is a
stack of one.

The loss of a minibatch is that of arXiv 2406.02180: binary cross-entropy of the decoder's logits plus the sum over
variables of KL(softmax(theta) || uniform), where theta are the encoder's logits, per image. Its gradient is spelled out
because the networks are tiny: autograd's bookkeeping costs as much as a third of the arithmetic.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Parameters = dict[str, Tensor]
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
    """One model as a torch module: what a run's ``model.pt`` is loaded into."""

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


def load_model(path: str, *, variables: int) -> DiscreteVAE:
    """Load a run's model.pt."""
    return model_of(torch.load(path, weights_only=True), variables=variables)


def model_of(state: Parameters, *, variables: int) -> DiscreteVAE:
    """Make the module of a state dict, whose sizes it tells except N."""
    hidden, pixels = state["encoder.0.weight"].shape
    architecture = Architecture(pixels, hidden, variables, len(state["encoder.2.bias"]) // variables)
    model = DiscreteVAE(architecture)
    model.load_state_dict(state)
    return model


def initial_parameters(architecture: Architecture, generator: torch.Generator) -> Parameters:
    """Draw the parameters of one model as PyTorch initializes linear layers: U(-1/sqrt(inputs), 1/sqrt(inputs))."""
    parameters = {}
    for name, (inputs, outputs) in architecture.layers.items():
        bound = 1 / math.sqrt(inputs)
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
            parameters[f"{name}.{kind}"] = torch.empty(shape).uniform_(-bound, bound, generator=generator)
    return parameters


def stack(models: list[Parameters]) -> Parameters:
    """Stack the parameters of S models along a new first dimension."""
    return {name: torch.stack([model[name] for model in models]) for name in models[0]}


def flatten(parameters: Parameters) -> tuple[Tensor, Parameters]:
    """Copy parameters into one flat tensor, which an optimizer updates at once; return it and its views by name."""
    flat = torch.cat([values.flatten() for values in parameters.values()])
    parts = flat.split([values.numel() for values in parameters.values()])
    return flat, {name: part.view_as(values) for part, (name, values) in zip(parts, parameters.items(), strict=True)}


def unstack(parameters: Parameters, member: int) -> Parameters:
    """Copy one model out of a stack to the CPU, as a plain state dict."""
    return {name: values[member].detach().cpu().clone() for name, values in parameters.items()}


def linear(parameters: Mapping[str, Tensor], layer: str, inputs: Tensor) -> Tensor:
    """Apply a linear layer to inputs of shape S x batch x features."""
    return torch.baddbmm(parameters[f"{layer}.bias"].unsqueeze(1), inputs, parameters[f"{layer}.weight"].mT)


def encode(parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Map images (S x batch x pixels) to flat logits (S x batch x N*K)."""
    return linear(parameters, "encoder.2", linear(parameters, "encoder.0", images).relu_())


def kl_to_uniform(logits: Tensor) -> Tensor:
    """Return KL(softmax(logits) || uniform) over the last dimension, in nats: sum of q log q, plus log K."""
    log_q = F.log_softmax(logits, dim=-1)
    return (log_q.exp() * log_q).sum(-1) + math.log(logits.shape[-1])


def softmax_kl_with_gradient(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return KL(softmax(logits) || uniform), summed over variables and minibatch, and its gradient.

    Args:
        logits: theta, S x N x K x batch.

    Returns:
        The KL in nats, of shape S, and its gradient, of the shape of the logits.
    """
    log_q = F.log_softmax(logits, dim=2)
    q = log_q.exp()
    negative_entropy = (q * log_q).sum(2, keepdim=True)
    kl = negative_entropy + math.log(logits.shape[2])
    return kl.sum((1, 2, 3)), log_q.sub_(negative_entropy).mul_(q)


def loss_and_gradient(
    parameters: Mapping[str, Tensor],
    gradient: Mapping[str, Tensor],
    images: Tensor,
    noise: Tensor,
    temperature: Tensor,
    kl_with_gradient: KLWithGradient = softmax_kl_with_gradient,
) -> tuple[Tensor, Tensor]:
    """Evaluate the training loss of a stack on one minibatch and overwrite ``gradient`` with its gradient.

    Logits and relaxed samples have the minibatch last, as softmax over ten categories is ten times faster that way.

    Args:
        parameters: the stack.
        gradient: buffers like the parameters.
        images: of 0 and 1, S x batch x pixels, float.
        noise: gamma, S x N x K x batch.
        temperature: tau, S x 1 x 1 x 1.
        kl_with_gradient: the KL part of the loss, the study's or that of the codes.

    Returns:
        Reconstruction and KL part of the loss, each the sum over the minibatch, of shape S. The gradient is that of
        their sum divided by the batch size.
    """
    batch, sizes = images.shape[1], noise.shape[1:3]

    encoder_hidden = linear(parameters, "encoder.0", images).relu_()
    logits = _linear_minibatch_last(parameters, "encoder.2", encoder_hidden).unflatten(1, sizes)
    relaxed = F.softmax((logits + noise).div_(temperature), dim=2)
    codes = relaxed.flatten(1, 2).mT
    decoder_hidden = linear(parameters, "decoder.0", codes).relu_()
    pixel_logits = linear(parameters, "decoder.2", decoder_hidden)

    # Binary cross-entropy with logits o and pixels x is softplus(o) - x o.
    reconstruction = F.softplus(pixel_logits).addcmul_(images, pixel_logits, value=-1).sum((1, 2))
    kl, d_kl = kl_with_gradient(logits)

    d_pixel_logits = pixel_logits.sigmoid_().sub_(images).div_(batch)
    _parameter_gradient(gradient, "decoder.2", decoder_hidden, d_pixel_logits)
    d_decoder_hidden = _through_relu(torch.bmm(d_pixel_logits, parameters["decoder.2.weight"]), decoder_hidden)
    _parameter_gradient(gradient, "decoder.0", codes, d_decoder_hidden)
    d_relaxed = torch.bmm(parameters["decoder.0.weight"].mT, d_decoder_hidden.mT).unflatten(1, sizes)
    d_relaxed -= (relaxed * d_relaxed).sum(2, keepdim=True)
    d_logits = d_relaxed.mul_(relaxed).div_(temperature).add_(d_kl, alpha=1 / batch).flatten(1, 2).mT
    _parameter_gradient(gradient, "encoder.2", encoder_hidden, d_logits)
    d_encoder_hidden = _through_relu(torch.bmm(d_logits, parameters["encoder.2.weight"]), encoder_hidden)
    _parameter_gradient(gradient, "encoder.0", images, d_encoder_hidden)
    return reconstruction, kl


def _linear_minibatch_last(parameters: Mapping[str, Tensor], layer: str, inputs: Tensor) -> Tensor:
    """Apply a linear layer to inputs of shape S x batch x features, with outputs of shape S x features x batch."""
    return torch.baddbmm(parameters[f"{layer}.bias"].unsqueeze(2), parameters[f"{layer}.weight"], inputs.mT)


def _through_relu(d_outputs: Tensor, outputs: Tensor) -> Tensor:
    """Return the gradient of the inputs of a ReLU, given that of its outputs; autograd uses the same kernel."""
    return torch.ops.aten.threshold_backward(d_outputs, outputs, 0)


def _parameter_gradient(gradient: Mapping[str, Tensor], layer: str, inputs: Tensor, d_outputs: Tensor) -> None:
    """Store the gradient of a linear layer's parameters, given its inputs and the gradient of its outputs."""
    torch.bmm(d_outputs.mT, inputs, out=gradient[f"{layer}.weight"])
    torch.sum(d_outputs, 1, out=gradient[f"{layer}.bias"])
