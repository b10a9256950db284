"""A step is taken once a call, captured or not; on a GPU a captured training has the bits of one that is not."""

import gc
import weakref

import pytest
import torch
from conftest import LAWS
from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import Annealing, Model, Training
from discrete_vae.grid.cells import Cell
from discrete_vae.training.captured_step import STEPS_BEFORE_CAPTURE, StepGraph
from discrete_vae.training.stack import StackTrainer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible")


def take(steps: int, *, device: str, capture: bool) -> list[float]:
    """Return what a counter shows after each of some steps that add one to it in place."""
    counter = torch.zeros((), device=device)
    graph = StepGraph(capture=capture)
    shown = []
    for _ in range(steps):
        graph.take(lambda: counter.add_(1))
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
    graph = StepGraph(capture=True)
    stream = torch.cuda.current_stream()
    for _ in range(STEPS_BEFORE_CAPTURE + 3):
        graph.take(lambda: counter.add_(1).item())
    assert torch.cuda.current_stream() == stream
    assert counter.item() == STEPS_BEFORE_CAPTURE + 3
    assert "not captured as a CUDA graph" in caplog.text


def make_trainer(dataset, device: str) -> StackTrainer:
    cells = [Cell("tiny", 4, law, temperature, 1) for law in LAWS for temperature in (0.3, 1.0)]
    return StackTrainer(
        cells,
        dataset,
        laws={name: law_of(definition) for name, definition in LAWS.items()},
        model=Model(variables=3, hidden=16),
        training=Training(batch_size=10, learning_rate=0.01, annealing=Annealing(rate=0.01, minimum=0.1, interval=3)),
        device=torch.device(device),
    )


def train_epochs(trainer: StackTrainer, epochs: int) -> list[tuple[list[float], list[float]]]:
    """Return the losses of some epochs, the one begun already among them."""
    losses = []
    for _ in range(epochs):
        while trainer.step():
            pass
        losses.append(trainer.end_epoch())
    return losses


@needs_gpu
def test_captured_training_has_the_bits_of_uncaptured_training(tiny_dataset):
    captured, plain = make_trainer(tiny_dataset, "cuda"), make_trainer(tiny_dataset, "cuda")
    plain._step_graph = StepGraph(capture=False)
    assert train_epochs(captured, 4) == train_epochs(plain, 4)
    assert torch.equal(captured.optimized.flat, plain.optimized.flat)


def test_a_trainer_that_is_no_longer_needed_gives_its_memory_back_at_once(tiny_dataset):
    """The garbage collector would free it late, or in the middle of the capture of the next one."""
    trainer = make_trainer(tiny_dataset, "cpu")
    train_epochs(trainer, 1)
    freed = [weakref.ref(held) for held in (trainer, trainer.optimized.flat, trainer.noise_stream.noise)]
    gc.disable()
    try:
        del trainer
        assert [held() for held in freed] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_a_trainer_under_way_is_set_back_to_a_state_in_the_middle_of_an_epoch(tiny_dataset, device, tmp_path):
    """Restoring keeps the tensors that a captured step reads, and gives the same bits again."""
    trainer = make_trainer(tiny_dataset, device)
    for _ in range(6):  # the second step of the second epoch
        if not trainer.step():
            trainer.end_epoch()
    torch.save(trainer.state(), tmp_path / "state.pt")
    losses, weights = train_epochs(trainer, 3), trainer.optimized.flat.clone()
    trainer.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert train_epochs(trainer, 3) == losses
    assert torch.equal(trainer.optimized.flat, weights)
