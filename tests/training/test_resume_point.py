"""A training that is ended and continued gives the bits of an undisturbed one; a foreign or torn file is never used."""

import itertools
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import TYPED_LAWS, before_evaluations
from discrete_vae.config.options import Evaluation, Model, Training
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.training import clock as clocks
from discrete_vae.training import resume_point
from discrete_vae.training.loop import train
from discrete_vae.training.resume_point import ResumePoint, identity_of
from discrete_vae.training.stack import StackTrainer
from tiny import CELLS

EPOCHS, STEPS_PER_EPOCH = 3, 4


def run(dataset, point=None, batch_size=10, epochs=EPOCHS, patience=None):
    return train(
        CELLS,
        dataset,
        laws=TYPED_LAWS,
        model=Model(variables=3, hidden=16),
        training=Training(epochs=epochs, patience=patience, batch_size=batch_size, learning_rate=0.01),
        evaluation=Evaluation(validation_samples=5, selection_samples=20),
        device=torch.device("cpu"),
        resume_point=point,
    )


def assert_same_bits(runs, expected_runs):
    for trained, expected in zip(runs, expected_runs, strict=True):
        for row, expected_row in zip(trained.history, expected.history, strict=True):
            assert {**row, "seconds": 0} == {**expected_row, "seconds": 0}
        assert (trained.best_epoch, trained.final) == (expected.best_epoch, expected.final)
        assert all(torch.equal(values, expected.weights[name]) for name, values in trained.weights.items())


@pytest.fixture
def interrupt_at(monkeypatch):
    """Return a function that makes the training process send itself a signal after a number of steps.

    It returns a list with the number of steps that are taken.
    """

    def arrange(step: int, number: int) -> list[int]:
        plain_step, taken = StackTrainer.step, [0]

        def counting_step(trainer):
            more = plain_step(trainer)
            taken[0] += 1
            if taken[0] == step:
                os.kill(os.getpid(), number)
            return more

        monkeypatch.setattr(StackTrainer, "step", counting_step)
        return taken

    return arrange


SIGNALS = itertools.cycle([signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])


@pytest.mark.parametrize(("step", "number"), [(step, next(SIGNALS)) for step in (1, 4, 6, 11, 12)])
def test_a_training_asked_to_end_at_any_step_is_continued_to_the_same_bits(
    tiny_dataset, tmp_path, interrupt_at, step, number
):
    undisturbed = run(tiny_dataset)
    path = tmp_path / "job.pt"
    taken = interrupt_at(step, number)
    with ResumePoint(path, {"cells": 12}) as point, pytest.raises(SystemExit) as ended:
        run(tiny_dataset, point)
    assert ended.value.code == 128 + number
    assert taken == [step], "it ends at once"
    with ResumePoint(path, {"cells": 12}) as point:
        continued = run(tiny_dataset, point)
        assert_same_bits(continued, undisturbed)
        point.finish()
    assert list(tmp_path.iterdir()) == []


def test_under_nohup_a_closed_terminal_does_not_end_a_training(tiny_dataset, tmp_path, interrupt_at):
    interrupt_at(4, signal.SIGHUP)
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ResumePoint(tmp_path / "c.pt", {}) as point:
            assert_same_bits(run(tiny_dataset, point), run(tiny_dataset))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_the_seconds_of_an_interrupted_epoch_count(tiny_dataset, tmp_path, interrupt_at, monkeypatch):
    """On a clock by which a step takes a second, and a day passes between the two attempts."""
    clock, plain_step = [0.0], StackTrainer.step

    def step_of_a_second(trainer):
        clock[0] += 1
        return plain_step(trainer)

    monkeypatch.setattr(clocks.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(StackTrainer, "step", step_of_a_second)
    interrupt_at(STEPS_PER_EPOCH + 3, signal.SIGTERM)
    with ResumePoint(tmp_path / "c.pt", {}) as point, pytest.raises(SystemExit):
        run(tiny_dataset, point)
    clock[0] += 86_400
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        runs = run(tiny_dataset, point)
    assert [row["seconds"] for row in runs[0].history] == [STEPS_PER_EPOCH] * EPOCHS
    assert runs[0].seconds == STEPS_PER_EPOCH * EPOCHS
    assert clock[0] == 86_400 + STEPS_PER_EPOCH * EPOCHS, "no step is taken twice"


def test_a_cell_that_stopped_early_stays_so_when_its_stack_is_continued(tiny_dataset, tmp_path, interrupt_at):
    long = {"epochs": 40, "patience": 2}
    undisturbed = run(tiny_dataset, **long)
    lengths = [len(trained.history) for trained in undisturbed]
    assert min(lengths) < max(lengths) - 1
    interrupt_at((min(lengths) + 1) * STEPS_PER_EPOCH, signal.SIGTERM)
    with ResumePoint(tmp_path / "c.pt", {}) as point, pytest.raises(SystemExit):
        run(tiny_dataset, point, **long)
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        assert_same_bits(run(tiny_dataset, point, **long), undisturbed)


def test_a_resume_point_of_another_gpu_is_not_used(monkeypatch):
    """Its kernels are chosen by the number of multiprocessors, and add in another order."""

    def identity_on(name: str, multiprocessors: int):
        properties = SimpleNamespace(name=name, multi_processor_count=multiprocessors)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
        return identity_of(CELLS, laws={}, data_sha256="a", device=torch.device("cuda"), options={})

    assert identity_on("H100", 132) == identity_on("H100", 132)
    assert identity_on("H100", 132) != identity_on("H100", 114)
    assert identity_on("H100", 132) != identity_on("H200", 132)


def test_an_epoch_of_one_step_is_saved_too(tiny_dataset, tmp_path, interrupt_at):
    undisturbed = run(tiny_dataset, batch_size=100)
    taken = interrupt_at(2, signal.SIGTERM)
    with ResumePoint(tmp_path / "c.pt", {}) as point, pytest.raises(SystemExit):
        run(tiny_dataset, point, batch_size=100)
    assert taken == [2]
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        assert_same_bits(run(tiny_dataset, point, batch_size=100), undisturbed)


def test_a_training_that_is_killed_continues_from_its_last_save(tiny_dataset, tmp_path, monkeypatch):
    undisturbed = run(tiny_dataset)
    monkeypatch.setattr(resume_point, "SECONDS_BETWEEN_SAVES", 0)
    plain_save, saves = ResumePoint.save, []

    def save_then_die(point, state):
        plain_save(point, state)
        saves.append(state["clock"]["epoch"])
        if len(saves) == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, ResumePoint(tmp_path / "c.pt", {}) as point:
        patch.setattr(ResumePoint, "save", save_then_die)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_dataset, point)
    assert saves[-1] > 0, "it should have died after the first epoch"
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        assert_same_bits(run(tiny_dataset, point), undisturbed)


def test_a_short_training_is_saved_at_its_end_alone_and_killed_after_that_does_not_train_again(
    tiny_dataset, tmp_path, monkeypatch
):
    """What comes after is the final validation, which may take minutes."""
    undisturbed, plain_save, saves = run(tiny_dataset), ResumePoint.save, []

    def die_at_last(samples, purpose):
        if purpose == "final validation":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, ResumePoint(tmp_path / "c.pt", {}) as point:
        patch.setattr(ResumePoint, "save", lambda point, state: saves.append(state) or plain_save(point, state))
        before_evaluations(patch, die_at_last)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_dataset, point)
    assert [state["clock"]["epoch"] for state in saves] == [EPOCHS]
    monkeypatch.setattr(StackTrainer, "step", lambda trainer: pytest.fail("it trains again"))
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        assert_same_bits(run(tiny_dataset, point), undisturbed)


def test_a_save_that_finds_no_room_does_not_end_the_training(tiny_dataset, monkeypatch, caplog):
    monkeypatch.setattr(resume_point, "SECONDS_BETWEEN_SAVES", 0)
    with ResumePoint(Path("/sys/kernel/c.pt"), {}) as point:  # even root may not create a file there
        assert_same_bits(run(tiny_dataset, point), run(tiny_dataset))
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("spoil", ["another identity", "empty", "garbage", "truncated", "another object"])
def test_what_cannot_be_continued_is_set_aside_with_a_warning(tmp_path, caplog, spoil):
    path = tmp_path / "c.pt"
    with ResumePoint(path, {"data_sha256": "a", "epochs": 3}) as point:
        point.save({"weights": torch.arange(1000)})
    content = path.read_bytes()
    match spoil:
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(bytes(range(256)) * 10)
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "another object":
            torch.save([1, 2, 3], path)
    identity = {"data_sha256": "b" if spoil == "another identity" else "a", "epochs": 3}
    with ResumePoint(path, identity) as point:
        assert point.load() is None
    assert "is not used" in caplog.text
    if spoil == "another identity":
        assert "differs in data_sha256" in caplog.text
    assert [left.name for left in tmp_path.iterdir()] == ["c.pt.1.unused"]


def test_what_was_set_aside_first_is_kept(tmp_path):
    """As where a source is tried, and then the former one again."""
    path = tmp_path / "c.pt"
    for source, expected in (("former", []), ("tried", ["former"]), ("former", ["former", "tried"])):
        with ResumePoint(path, {"source": source}) as point:
            assert point.load() is None
            point.save({})
        aside = sorted(tmp_path.glob("c.pt.*.unused"))
        assert [torch.load(file)["identity"]["source"] for file in aside] == expected


JOB = {
    "cells": CELLS,
    "laws": PAPER_LAWS,
    "data_sha256": "a",
    "device": torch.device("cpu"),
    "options": {
        "model": {"variables": 3, "hidden": 16},
        "training": {"epochs": 3, "learning_rate": 0.01},
        "evaluation": {"validation_samples": 5},
    },
}


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"cells": CELLS[:1]}, "cells"),
        ({"laws": {**PAPER_LAWS, "normal": PAPER_LAWS["gumbel"]}}, "laws"),
        ({"data_sha256": "b"}, "data_sha256"),
        ({"device": torch.device("meta")}, "device"),
        ({"options": {**JOB["options"], "model": {"variables": 3, "hidden": 9}}}, "model"),
        ({"options": {**JOB["options"], "training": {"epochs": 3, "learning_rate": 0.1}}}, "training"),
        ({"options": {**JOB["options"], "evaluation": {"validation_samples": 9}}}, "evaluation"),
        ({"options": {**JOB["options"], "training": {"epochs": 9, "learning_rate": 0.01}}}, "training"),
        ({}, None),
    ],
)
def test_a_resume_point_is_of_the_same_training(tmp_path, caplog, change, differing):
    with ResumePoint(tmp_path / "c.pt", identity_of(**JOB)) as point:
        point.save({"weights": torch.arange(3)})
    with ResumePoint(tmp_path / "c.pt", identity_of(**JOB | change)) as point:
        state = point.load()
    if differing is None:
        assert state["weights"].tolist() == [0, 1, 2]
    else:
        assert state is None
        assert f"it differs in {differing};" in caplog.text


@pytest.mark.parametrize(
    ("module", "name", "differing"), [(resume_point, "source_sum", "source"), (torch, "__version__", "torch")]
)
def test_a_training_starts_again_after_an_update(tmp_path, caplog, monkeypatch, module, name, differing):
    with ResumePoint(tmp_path / "c.pt", identity_of(**JOB)) as point:
        point.save({"weights": torch.arange(3)})
    monkeypatch.setattr(module, name, lambda: "updated")
    with ResumePoint(tmp_path / "c.pt", identity_of(**JOB)) as point:
        assert point.load() is None
    assert f"it differs in {differing};" in caplog.text


def test_a_save_is_due_again_some_minutes_later(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(resume_point.time, "monotonic", lambda: now[0])
    with ResumePoint(tmp_path / "c.pt", {}) as point:
        now[0] = 1.01 * resume_point.SECONDS_BETWEEN_SAVES
        assert point.is_due()
        point.save({})
        assert not point.is_due()


def test_signals_are_handled_as_before_after_the_job(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with ResumePoint(tmp_path / "c.pt", {}):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
