"""What runs on a GPU, on tensors that only say they are there: of a shape and a device, and without values.

An operation that mixes devices fails on them. A trace finds waits and copies, and counts kernels and bytes. What needs
values is in test_captured_step.py.
"""

import contextlib

import numpy as np
import pytest
import torch
from conftest import TYPED_LAWS, WITHOUT_CODE_PROBABILITIES
from device_trace import DeviceTrace
from discrete_vae.config.definitions import PARAMETERS, POSITIVE, REAL, law_of
from discrete_vae.config.options import Annealing, Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.evaluation import bounds
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS, PAPER_TEMPERATURES
from discrete_vae.model.code_probabilities import argmax_probabilities
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training.captured_step import STEPS_BEFORE_CAPTURE
from discrete_vae.training.runs import BestWeights
from discrete_vae.training.stack import StackTrainer
from tiny import CELLS
from torch._subclasses import FakeTensorMode

GPU = torch.device("cuda")


class PretendedGenerator(torch.Generator):
    """A generator that says it is on a GPU."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls)
        made.pretended_device = torch.device(device)
        return made

    @property
    def device(self):
        return self.pretended_device


@pytest.fixture(autouse=True)
def pretended_gpu(monkeypatch):
    monkeypatch.setattr(torch, "Generator", PretendedGenerator)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


class TracedGraph:
    """Stands for a captured step: neither waits nor copies between devices are allowed in it."""

    def take(self, step):
        with DeviceTrace(copies=0) as self.trace:
            step()


def make_trainer(cells, dataset, *, model: Model, **options) -> StackTrainer:
    training = Training(**options)
    return StackTrainer(cells, dataset, laws=TYPED_LAWS, model=model, training=training, device=GPU)


def make_small_trainer(dataset, **options) -> StackTrainer:
    annealing = Annealing(rate=0.01, minimum=0.1, interval=3)
    return make_trainer(CELLS, dataset, model=Model(variables=3, hidden=16), annealing=annealing, **options)


@pytest.fixture
def trainer(tiny_dataset) -> StackTrainer:
    trainer = make_small_trainer(tiny_dataset, batch_size=10)
    trainer.step_graph = TracedGraph()
    return trainer


FAULTS = {
    "value": (lambda on_gpu: on_gpu.sum().item(), "waits"),
    "condition": (lambda on_gpu: 1 if on_gpu.isfinite().all() else 0, "waits"),
    "list of values": (lambda on_gpu: on_gpu.tolist(), "waits"),
    "mask": (lambda on_gpu: on_gpu[on_gpu > 0], "waits"),
    "tensor from the host": (lambda on_gpu: on_gpu.copy_(torch.ones(3)), "copies between"),
    "tensor of numbers": (lambda on_gpu: torch.tensor([1.0, 2.0], device=GPU), "copies between"),
    "tensor to the host": (lambda on_gpu: on_gpu.cpu(), "copies between"),
    "list as an index": (lambda on_gpu: on_gpu[[0, 1]], "copies between"),
    "index on the host": (lambda on_gpu: on_gpu[torch.tensor([0, 1])], "copies an index"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_the_trace_finds_waits_and_copies(fault, message):
    on_gpu = torch.zeros(3, device=GPU)
    with pytest.raises(AssertionError, match=message), DeviceTrace(copies=0):
        fault(on_gpu)


def test_pretended_tensors_tell_of_mixed_devices():
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(3, device=GPU) + torch.zeros(3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is visible")
def test_a_step_is_captured_unless_the_option_says_no(tiny_dataset):
    plain, captured = (make_small_trainer(tiny_dataset, batch_size=1, cuda_graph=graph) for graph in (False, True))
    for _ in range(STEPS_BEFORE_CAPTURE):
        plain.step()
        captured.step()
    plain.step()
    with pytest.raises(InputError, match=r"training\.cuda_graph"):  # as there is no GPU to capture on
        captured.step()


@pytest.mark.parametrize("fused", [False, True])
def test_fused_kernels_are_used_where_the_option_asks(tiny_dataset, fused):
    pytest.importorskip("triton")
    trainer = make_small_trainer(tiny_dataset, fused_kernels=fused)
    assert set(trainer.optimized.kernels) == ({"bernoulli_with_gradient", "keep_gradient"} if fused else set())


def test_an_epoch_copies_its_order_and_new_temperatures_from_the_host(trainer):
    copies = []
    for _ in range(4):
        with DeviceTrace(copies=2) as trace:
            more = trainer.step()
        copies.append(trace.copies)
    assert not more
    assert copies == [2, 0, 0, 1]  # an order and a temperature, later a temperature
    tensors = (trainer.optimized.flat, trainer.sums, trainer.noise_stream.noise)
    assert {values.device.type for values in tensors} == {"cuda"}


def test_the_end_of_an_epoch_reads_its_losses(trainer):
    trainer.step()
    with pytest.raises(AssertionError, match="waits"), DeviceTrace():
        trainer.end_epoch()


def test_a_validation_neither_waits_nor_copies(trainer):
    with DeviceTrace(copies=0):
        reconstruction, kl = trainer.losses_of_images(trainer.weights, 5, "validation")
    assert reconstruction.device.type == kl.device.type == "cuda"


def test_the_best_weights_are_kept_with_one_copy_from_the_host(trainer):
    cells = [Cell("tiny", 4, "normal", temperature, 1) for temperature in PAPER_TEMPERATURES]
    best = BestWeights(cells, trainer.weights, patience=None)
    rows = [{"epoch": 1, "training_loss": 1.0, "validation_loss": 1.0} for _ in cells]
    with DeviceTrace(copies=1) as trace:
        best.add(rows, trainer.weights)
    assert trace.copies == 1  # which cells have improved


def test_the_evaluation_of_test_images_neither_waits_nor_copies(trainer, tiny_dataset):
    model = {name: values[:1] for name, values in trainer.weights.items()}
    law, code_law = (distribution(TYPED_LAWS["gumbel"], torch.float64, device) for device in ("cpu", GPU))
    noise = NoiseSource(law, generator(1, "bound noise", GPU))
    images = torch.from_numpy(tiny_dataset.splits["test"]).flatten(1).to(GPU)
    with DeviceTrace(copies=0):
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
    rows = torch.zeros(6, 4, dtype=torch.float64, device=GPU)
    with DeviceTrace(answer=1.0):
        results = [argmax_probabilities(rows, distribution(definition, torch.float64, GPU))]
        with contextlib.suppress(NotImplementedError):  # one without a quantile function is drawn on the CPU
            results.append(distribution(definition).icdf(torch.rand(5, device=GPU)))
    assert {result.device.type for result in results} == {"cuda"}


def make_large_trainer(K, temperatures) -> StackTrainer:
    """Make a trainer of the study's sizes, with one seed."""
    cells = [Cell("mnist", K, law, temperature, 775) for law in PAPER_LAWS for temperature in temperatures]
    images = {split: np.zeros((100, 28, 28), np.uint8) for split in ("train", "validation")}
    trainer = make_trainer(cells, BinarizedDataset(images, {}), model=Model())
    trainer.step_graph = TracedGraph()
    return trainer


# Megabytes read and written for each model, and kernels of all models. Who saves some lowers the numbers.
@pytest.mark.parametrize(("K", "megabytes", "kernels"), [(10, 30.9, 50), (50, 46.7, 51)])
def test_a_captured_step_of_30_models_keeps_to_its_budget(K, megabytes, kernels):
    trainer = make_large_trainer(K, PAPER_TEMPERATURES)
    trainer.step()
    trace = trainer.step_graph.trace
    assert trace.bytes_moved / 30 / 1e6 == pytest.approx(megabytes, rel=0.02)
    assert trace.kernels == kernels <= 60


@pytest.mark.parametrize(("K", "megabytes"), [(10, 36.8), (50, 81.9)])
def test_a_validation_of_3_models_keeps_to_its_budget(K, megabytes):
    trainer = make_large_trainer(K, PAPER_TEMPERATURES[:1])
    with DeviceTrace(copies=0) as trace:
        trainer.losses_of_images(trainer.weights, 10, "validation")
    assert trace.bytes_moved / 3 / 1e6 == pytest.approx(megabytes, rel=0.02)
    assert trace.kernels == 135
