"""Prints as JSON what test_fused_kernels.py looks at, in its own process: Triton reads its mode when it is imported."""

import json
import sys

import torch
import triton
from discrete_vae.config.options import Training
from discrete_vae.model import network
from discrete_vae.training import fused_kernels
from discrete_vae.training.adam_weights import AdamWeights
from discrete_vae.training.fused_kernels import FusedAdamWeights
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

SIZES = network.Architecture(pixels=200, hidden=70, variables=3, categories=5)  # no multiples of the blocks
MODELS, STEPS = 2, 2


def compare(shared_images: bool, batch: int) -> dict[str, float]:
    """Take some steps with the fused kernels, which Triton interprets, and plainly; return relative differences."""
    generator = torch.Generator().manual_seed(0)
    initial = network.stack([network.initial_weights(SIZES, generator) for _ in range(MODELS)])
    fused, plain = (kind(initial, Training().learning_rate) for kind in (FusedAdamWeights, AdamWeights))
    differences = {"reconstruction": 0.0}
    for _ in range(STEPS):
        images = (torch.rand(1 if shared_images else MODELS, batch, SIZES.pixels, generator=generator) < 0.3).float()
        noise = torch.randn(MODELS, SIZES.variables, SIZES.categories, batch, generator=generator)
        images, temperature = images.expand(MODELS, -1, -1), torch.full((MODELS, 1, 1, 1), 0.5)
        (loss, _), (expected, _) = (
            network.loss_and_gradient(weights.by_name, weights.gradient, images, noise, temperature, **weights.kernels)
            for weights in (fused, plain)
        )
        fused.step()
        plain.step()
        differences["reconstruction"] = max(differences["reconstruction"], relative(loss, expected))
    return differences | {
        name: relative(getattr(fused, name), getattr(plain, name)) for name in ("flat", "mean", "square")
    }


def relative(values: torch.Tensor, expected: torch.Tensor) -> float:
    return ((values - expected).norm() / expected.norm()).item()


def compile_kernels() -> dict[str, int]:
    """Compile the kernels for an H100; return the bytes of their code."""
    blocks = {"BLOCK": fused_kernels.PIXELS_IN_BLOCK}
    sizes = {"bernoulli": size_of_code(fused_kernels.bernoulli_kernel, "logits images losses", "scale", blocks)}
    for precision in ("ieee", "tf32"):
        constants = {**fused_kernels.BLOCKS, "PRECISION": precision}
        pointers, floats = "d_outputs inputs weight mean square corrections", "rate decay1 beta2 decay2 epsilon"
        sizes[f"adam {precision}"] = size_of_code(fused_kernels.adam_kernel, pointers, floats, constants)
    return sizes


def size_of_code(kernel, pointers: str, floats: str, constants: dict) -> int:
    types = dict.fromkeys(kernel.arg_names, "i32") | dict.fromkeys(pointers.split(), "*fp32")
    types |= dict.fromkeys(floats.split(), "fp32") | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    return len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"])


if __name__ == "__main__":
    answers = {"shared": lambda: compare(True, 7), "own": lambda: compare(False, 40), "compile": compile_kernels}
    print(json.dumps(answers[sys.argv[1]]()))
