"""The same training step in JAX, a whole epoch jitted as one lax.scan: an optional peer.

Prints its measurements as JSON. It imports nothing of this project, and runs on the one core that it is given.
"""

import argparse
import json
import os
import resource
import time
from functools import partial

STARTED = time.perf_counter()
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp

VARIABLES, HIDDEN, PIXELS, BATCH, IMAGES = 10, 300, 784, 100, 50_000
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8

Parameters = list[tuple[jax.Array, jax.Array]]


def initial_parameters(key: jax.Array, categories: int) -> Parameters:
    """Draw weights and biases of the four linear layers as PyTorch does."""
    codes = VARIABLES * categories
    layers = [(PIXELS, HIDDEN), (HIDDEN, codes), (codes, HIDDEN), (HIDDEN, PIXELS)]
    parameters = []
    for inputs, outputs in layers:
        key, for_weight, for_bias = jax.random.split(key, 3)
        bound = inputs**-0.5
        weight = jax.random.uniform(for_weight, (inputs, outputs), minval=-bound, maxval=bound)
        parameters.append((weight, jax.random.uniform(for_bias, (outputs,), minval=-bound, maxval=bound)))
    return parameters


def loss(parameters: Parameters, images: jax.Array, noise: jax.Array, temperature: float) -> jax.Array:
    """Return the mean training loss of a minibatch."""
    layers = [lambda x, w=w, b=b: x @ w + b for w, b in parameters]
    logits = layers[1](jax.nn.relu(layers[0](images))).reshape(noise.shape)
    codes = jax.nn.softmax((logits + noise) / temperature).reshape(len(images), -1)
    pixel_logits = layers[3](jax.nn.relu(layers[2](codes)))
    reconstruction = (jax.nn.softplus(pixel_logits) - images * pixel_logits).sum()
    log_q = jax.nn.log_softmax(logits)
    kl = (jnp.exp(log_q) * (log_q + jnp.log(noise.shape[-1]))).sum()
    return (reconstruction + kl) / len(images)


@partial(jax.jit, static_argnames="categories")
def train_epoch(carry: tuple, images: jax.Array, categories: int) -> tuple[tuple, jax.Array]:
    """Train one epoch with Gumbel noise at temperature 1; return what the next one starts from and the mean loss."""

    def step(carry: tuple, rows: jax.Array) -> tuple:
        parameters, mean, square, count, key = carry
        key, for_noise = jax.random.split(key)
        noise = jax.random.gumbel(for_noise, (BATCH, VARIABLES, categories))
        value, gradient = jax.value_and_grad(loss)(parameters, images[rows].astype(jnp.float32), noise, 1.0)
        count += 1
        mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradient)
        square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, gradient)
        correction1, correction2 = 1 - BETA1**count, 1 - BETA2**count
        parameters = jax.tree.map(
            lambda p, m, v: p - LEARNING_RATE * m / correction1 / (jnp.sqrt(v / correction2) + EPSILON),
            parameters,
            mean,
            square,
        )
        return (parameters, mean, square, count, key), value

    *state, key = carry
    key, for_order = jax.random.split(key)
    order = jax.random.permutation(for_order, IMAGES).reshape(-1, BATCH)
    carry, losses = jax.lax.scan(step, (*state, key), order)
    return carry, losses.mean()


def main() -> None:
    """Compile with a first epoch, then time one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--K", type=int, default=10)
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[options.core]})
    images = jax.random.bernoulli(jax.random.key(0), 0.13, (IMAGES, PIXELS)).astype(jnp.uint8)
    parameters = initial_parameters(jax.random.key(1), options.K)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    carry = (parameters, zeros, zeros, jnp.zeros(()), jax.random.key(2))
    startup = time.perf_counter() - STARTED
    started = time.perf_counter()
    carry, first = jax.block_until_ready(train_epoch(carry, images, options.K))
    compiled = time.perf_counter()
    carry, second = jax.block_until_ready(train_epoch(carry, images, options.K))
    training = time.perf_counter() - compiled
    if not second < first:
        raise SystemExit(f"the loss of JAX went from {first} to {second}, expected it to fall")
    startup += compiled - started - training
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"training": training, "evaluation": 0.0, "startup": startup, "peak_mib": peak}))


if __name__ == "__main__":
    main()
