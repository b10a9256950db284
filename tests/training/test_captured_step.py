"""A captured training has the bits of one that is not: on a GPU, and on an emulated graph without one.

The emulated graph is tried on planted faults: a tensor that is replaced where it must be overwritten, waits, copies.
"""

import contextlib
import gc
import weakref

import pytest
import torch
from conftest import TYPED_LAWS
from discrete_vae.config.options import Annealing, Model, Training
from discrete_vae.errors import InputError
from discrete_vae.model.network import softmax_kl_with_gradient
from discrete_vae.training.captured_step import STEPS_BEFORE_CAPTURE, StepGraph
from discrete_vae.training.stack import StackTrainer
from emulated_graph import EmulatedGraph
from tiny import CELLS

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
def test_where_the_capture_fails_the_job_ends_in_one_line():
    with pytest.raises(InputError, match=r"training\.cuda_graph is true, .*set it to false") as raised:
        take(STEPS_BEFORE_CAPTURE + 1, device="cpu", capture=True)
    assert "\n" not in str(raised.value)


def test_the_reason_is_the_error_of_the_step_and_not_that_of_the_end_of_its_capture(monkeypatch):
    @contextlib.contextmanager
    def capture(graph, stream):
        try:
            yield
        finally:
            raise RuntimeError("failed due to a previous error during capture")

    def fail():
        raise RuntimeError("a wait\nin the step")

    for name in ("CUDAGraph", "Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    graph = StepGraph(capture=True)
    for _ in range(STEPS_BEFORE_CAPTURE):
        graph.take(lambda: None)
    with pytest.raises(InputError, match=r"cannot be captured \(a wait\)"):
        graph.take(fail)


@needs_gpu
def test_a_captured_step_is_replayed():
    steps = STEPS_BEFORE_CAPTURE + 3
    assert take(steps, device="cuda", capture=True) == list(range(1, steps + 1))


@needs_gpu
def test_a_step_that_waits_for_the_device_ends_the_job():
    counter = torch.zeros((), device="cuda")
    graph = StepGraph(capture=True)
    stream = torch.cuda.current_stream()
    for _ in range(STEPS_BEFORE_CAPTURE):
        graph.take(lambda: counter.add_(1).item())
    with pytest.raises(InputError, match=r"training\.cuda_graph"):
        graph.take(lambda: counter.add_(1).item())
    assert torch.cuda.current_stream() == stream


def make_trainer(dataset, device: str = "cpu", **options) -> StackTrainer:
    """Make a trainer of two seeds and all laws, whose epochs have three full minibatches and a short one.

    On the device ``emulated``, a CPU, an emulated graph takes its steps.
    """
    annealing = Annealing(rate=0.01, minimum=0.1, interval=3)
    trainer = StackTrainer(
        CELLS,
        dataset,
        laws=TYPED_LAWS,
        model=Model(variables=3, hidden=16),
        training=Training(batch_size=10, learning_rate=0.01, annealing=annealing, **options),
        device=torch.device("cpu" if device == "emulated" else device),
    )
    if device == "emulated":
        trainer.step_graph = EmulatedGraph()
    return trainer


def train_epochs(trainer: StackTrainer, epochs: int, after_step=lambda trainer: None) -> list:
    """Return the losses of some epochs, the one begun already among them, and then the weights."""
    losses = []
    for _ in range(epochs):
        while trainer.step():
            after_step(trainer)
        losses.append(trainer.end_epoch())
    return [*losses, trainer.optimized.flat.tolist()]


@pytest.mark.parametrize("kl", ["softmax", "codes"])
def test_training_on_an_emulated_graph_has_the_bits_of_plain_training(tiny_dataset, kl):
    captured, plain = make_trainer(tiny_dataset, "emulated", kl=kl), make_trainer(tiny_dataset, kl=kl)
    assert train_epochs(captured, 4) == train_epochs(plain, 4)


@needs_gpu
def test_captured_training_has_the_bits_of_uncaptured_training(tiny_dataset):
    captured, plain = make_trainer(tiny_dataset, "cuda"), make_trainer(tiny_dataset, "cuda", cuda_graph=False)
    assert train_epochs(captured, 4) == train_epochs(plain, 4)


def replace_temperature(trainer: StackTrainer) -> None:
    trainer.temperature = trainer.temperature.clone()


def replace_sums(trainer: StackTrainer) -> None:
    trainer.sums = trainer.sums.clone()


def replace_noise(trainer: StackTrainer) -> None:
    trainer.noise_stream.noise = trainer.noise_stream.noise.clone()


@pytest.mark.parametrize("replace", [replace_temperature, replace_sums, replace_noise])
def test_the_emulated_graph_finds_a_tensor_that_is_replaced(tiny_dataset, replace):
    expected = train_epochs(make_trainer(tiny_dataset), 4)
    assert train_epochs(make_trainer(tiny_dataset), 4, after_step=replace) == expected
    assert train_epochs(make_trainer(tiny_dataset, "emulated"), 4, after_step=replace) != expected


WAITS = {
    "item": lambda logits: logits.sum().item(),
    "condition": lambda logits: 1 if logits.isfinite().all() else 0,
    "nonzero": lambda logits: logits.nonzero(),
    "mask": lambda logits: logits[logits > 0],
    "write by a mask": lambda logits: logits.index_put_((logits > 0,), logits[0, 0, 0, :1]),
}
COPIES = {
    "tensor of a number": lambda logits: logits + torch.tensor(0.5),
    "list as an index": lambda logits: logits[:, [0]],
}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        *(pytest.param(fault, "waits for the device", id=name) for name, fault in WAITS.items()),
        *(pytest.param(fault, "is made on the host", id=name) for name, fault in COPIES.items()),
    ],
)
def test_the_emulated_graph_finds_a_wait_and_a_copy_from_the_host(tiny_dataset, fault, message):
    def with_fault(logits):
        fault(logits.clone())
        return softmax_kl_with_gradient(logits)

    trainer = make_trainer(tiny_dataset, "emulated")
    trainer.kl_with_gradient = with_fault
    with pytest.raises(AssertionError, match=message):
        train_epochs(trainer, 2)


def test_a_trainer_that_is_no_longer_needed_gives_its_memory_back_at_once(tiny_dataset):
    """The garbage collector would free it late, or in the middle of the capture of the next one."""
    trainer = make_trainer(tiny_dataset)
    train_epochs(trainer, 1)
    freed = [weakref.ref(held) for held in (trainer, trainer.optimized.flat, trainer.noise_stream.noise)]
    gc.disable()
    try:
        del trainer
        assert [held() for held in freed] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("device", ["cpu", "emulated", pytest.param("cuda", marks=needs_gpu)])
def test_a_trainer_under_way_is_set_back_to_a_state_in_the_middle_of_an_epoch(tiny_dataset, device, tmp_path):
    """Restoring keeps the tensors that a captured step reads, and gives the same bits again."""
    trainer = make_trainer(tiny_dataset, device)
    for _ in range(7):  # the third step of the second epoch, and the first one after a change of the temperature
        if not trainer.step():
            trainer.end_epoch()
    torch.save(trainer.state(), tmp_path / "state.pt")
    expected = train_epochs(trainer, 3)
    trainer.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert train_epochs(trainer, 3) == expected
