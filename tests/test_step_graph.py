"""A step is taken once a call, captured or not; on a GPU a captured training has the bits of one that is not."""

import pytest
import torch
from conftest import LAWS
from discrete_vae.cells import Cell
from discrete_vae.stacks import StackTrainer
from discrete_vae.step_graph import STEPS_BEFORE_CAPTURE, StepGraph

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible")


def take(steps: int, *, device: str, capture: bool) -> list[float]:
    """Return what a counter shows after each of some steps that add one to it in place."""
    counter = torch.zeros((), device=device)
    graph = StepGraph(lambda: counter.add_(1), capture=capture)
    shown = []
    for _ in range(steps):
        graph()
        shown.append(counter.item())
    return shown


def test_a_step_that_is_not_captured_is_called():
    assert take(5, device="cpu", capture=False) == [1, 2, 3, 4, 5]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is visible")
def test_where_the_capture_fails_the_log_says_so_and_every_step_is_taken(caplog):
    steps = STEPS_BEFORE_CAPTURE + 3
    assert take(steps, device="cpu", capture=True) == list(range(1, steps + 1))
    assert caplog.text.count("not captured as a CUDA graph") == 1


@needs_gpu
def test_a_captured_step_is_replayed(caplog):
    steps = STEPS_BEFORE_CAPTURE + 3
    assert take(steps, device="cuda", capture=True) == list(range(1, steps + 1))
    assert "not captured" not in caplog.text


@needs_gpu
def test_a_step_that_waits_for_the_device_is_taken_uncaptured(caplog):
    counter = torch.zeros((), device="cuda")
    graph = StepGraph(lambda: counter.add_(1).item(), capture=True)
    for _ in range(STEPS_BEFORE_CAPTURE + 3):
        graph()
    assert counter.item() == STEPS_BEFORE_CAPTURE + 3
    assert "not captured as a CUDA graph" in caplog.text


@needs_gpu
def test_captured_training_has_the_bits_of_uncaptured_training(tiny_dataset):
    def trainer() -> StackTrainer:
        cells = [Cell("tiny", 4, law, temperature, 1) for law in LAWS for temperature in (0.3, 1.0)]
        training = {
            "batch_size": 10,
            "learning_rate": 0.01,
            "kl": "softmax",
            "annealing": {"rate": 0.01, "minimum": 0.1, "interval": 3},
        }
        return StackTrainer(cells, tiny_dataset, LAWS, {"variables": 3, "hidden": 16}, training, torch.device("cuda"))

    captured, plain = trainer(), trainer()
    plain._descend_graph = StepGraph(plain._descend, capture=False)
    for _ in range(4):
        for trained in (captured, plain):
            while trained.step():
                pass
        assert captured.end_epoch() == plain.end_epoch()
    assert torch.equal(captured.flat_parameters, plain.flat_parameters)
