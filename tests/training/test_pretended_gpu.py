"""What runs on a GPU, on tensors that only say they are there: of a shape and a device, and without values.

An operation that mixes devices fails on them, and so does one that waits for a value, as it would hold up a GPU. What
needs a real one, above all the captured step, is in test_captured_step.py.
"""

import contextlib

import pytest
import torch
from conftest import LAWS
from discrete_vae.config.definitions import PARAMETERS, POSITIVE, REAL, WITHOUT_CODE_PROBABILITIES, law_of
from discrete_vae.config.options import Annealing, Model, Training
from discrete_vae.evaluation import bounds
from discrete_vae.evaluation.discrete_loss import discrete_loss
from discrete_vae.grid.cells import Cell
from discrete_vae.model import noise as noise_module
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.quadrature import Quadrature
from discrete_vae.model.random_streams import generator
from discrete_vae.training import minibatches, stack
from discrete_vae.training.captured_step import StepGraph
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

GPU = torch.device("cuda")


class PretendedGenerator:
    """Stands for a generator on a GPU, which cannot be made without one."""

    device = GPU

    def get_state(self) -> torch.Tensor:
        return torch.zeros(16, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def pretended_gpu(monkeypatch):
    def generator_on(seed, purpose, device="cpu"):
        return PretendedGenerator() if torch.device(device) == GPU else generator(seed, purpose)

    def uniform(shape, generator):
        return torch.rand(shape, device=generator.device)

    monkeypatch.setattr(minibatches, "generator", generator_on)
    monkeypatch.setattr(noise_module, "uniform", uniform)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


@pytest.fixture
def trainer(tiny_dataset) -> stack.StackTrainer:
    cells = [Cell("tiny", 4, law, temperature, seed) for law in LAWS for temperature in (0.3, 1.0) for seed in (1, 2)]
    trainer = stack.StackTrainer(
        cells,
        tiny_dataset,
        laws={name: law_of(definition) for name, definition in LAWS.items()},
        model=Model(variables=3, hidden=16),
        training=Training(batch_size=10, learning_rate=0.01, annealing=Annealing(rate=0.01, minimum=0.1, interval=3)),
        device=GPU,
    )
    trainer._step_graph = StepGraph(capture=False)
    return trainer


def test_pretended_tensors_tell_of_waiting_and_of_mixed_devices():
    on_gpu = torch.zeros(3, device=GPU)
    with pytest.raises(DataDependentOutputException):
        on_gpu.sum().item()
    with pytest.raises(RuntimeError, match="device"):
        on_gpu + torch.zeros(3)


def test_an_epoch_waits_for_nothing_on_the_device(trainer):
    while trainer.step():
        pass
    assert trainer.steps == 4
    tensors = (trainer.optimized.flat, trainer.sums, trainer.noise_stream.noise)
    assert {values.device.type for values in tensors} == {"cuda"}
    with pytest.raises(DataDependentOutputException):
        trainer.end_epoch()  # its losses are what an epoch waits for


def test_a_discrete_loss_waits_for_nothing_on_the_device(trainer):
    reconstruction, kl = discrete_loss(
        trainer.weights,
        trainer.validation_images,
        variables=3,
        samples=5,
        noise_sources=trainer.noise.sources("validation noise"),
        source_of=trainer.noise.source_of,
    )
    assert reconstruction.device == kl.device == torch.device("cuda", 0)


def test_the_losses_of_each_image_stay_on_the_device(trainer, tiny_dataset):
    model = {name: values[:1] for name, values in trainer.weights.items()}
    law, code_law = (distribution(law_of(LAWS["gumbel"]), torch.float64, device) for device in ("cpu", GPU))
    noise = NoiseSource(law, PretendedGenerator())
    images = torch.from_numpy(tiny_dataset.splits["test"]).flatten(1).to(GPU)
    losses = bounds.evaluate_images(model, images, noise, code_law=code_law, variables=3, samples=7)
    assert losses.importance_weighted_bound.device.type == losses.negative_elbo.device.type == "cuda"


# ContinuousBernoulli looks at the value of its parameter when it is made.
@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() - WITHOUT_CODE_PROBABILITIES - {"ContinuousBernoulli"}))
def test_every_law_can_be_drawn_and_integrated_on_the_device(name):
    values = {
        parameter: 0.0 if bounds == REAL else 1.5 if bounds == POSITIVE else 0.3
        for parameter, bounds in PARAMETERS[name].items()
    }
    definition = law_of({"distribution": name, **values, **({"high": 1.0} if name == "Uniform" else {})})
    law = distribution(definition, torch.float64, GPU)
    rows = torch.zeros(6, 4, dtype=torch.float64, device=GPU)
    quadratures = [
        Quadrature((0.1, 0.9), (), 32, GPU),
        Quadrature((0.1, 0.9), (), 32, GPU, over_steps=True),
        Quadrature((0.1, 0.9), (0.1, 0.9), 16, GPU),
    ]
    results = [quadrature(rows, law) for quadrature in quadratures]
    with contextlib.suppress(NotImplementedError):  # one without a quantile function has its own sampler, on the CPU
        results.append(distribution(definition).icdf(torch.rand(5, device=GPU)))
    assert {result.device.type for result in results} == {"cuda"}
