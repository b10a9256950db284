"""The check of a device passes on a CPU, and finds planted faults."""

import itertools
from dataclasses import replace

import pytest
import torch
from discrete_vae.standalone import check
from discrete_vae.training.stack import StackTrainer

FINDINGS, TIMED = 10, 2


def faults() -> list[str]:
    """List what the check finds wrong, without the times, which are never wrong and come last."""
    findings = check.check_device(torch.device("cpu"), images=250, temperatures=1)
    return [text for passed, text in itertools.islice(findings, FINDINGS - TIMED) if not passed]


def test_a_cpu_agrees_with_itself():
    findings = list(check.check_device(torch.device("cpu"), images=250, temperatures=1))
    assert all(passed for passed, _ in findings)
    assert len(findings) == FINDINGS
    assert "K = 50, 3 cells" in findings[-1][1]


def test_a_wrong_gradient_is_found(monkeypatch):
    right = check.loss_and_gradient

    def wrong(weights, gradient, *arguments):
        losses = right(weights, gradient, *arguments)
        if weights["decoder.0.bias"].dtype == torch.float32:
            gradient["decoder.0.bias"].mul_(1.01)
        return losses

    monkeypatch.setattr(check, "loss_and_gradient", wrong)
    assert [text.partition(":")[0] for text in faults()] == [
        "gradient, precision highest",
        "gradient, precision high",
    ]


def test_a_trainer_that_is_not_restored_is_found(monkeypatch):
    monkeypatch.setattr(StackTrainer, "restore", lambda trainer, state: None)
    assert faults() == ["resumed within an epoch: the same weights"]


def test_other_bounds_and_losses_are_found(monkeypatch):
    right, calls = check.evaluate_images, []

    def wrong(*arguments, **options):
        calls.append(None)
        losses = right(*arguments, **options)
        return replace(losses, reconstruction=losses.reconstruction + 0.6) if len(calls) % 2 == 0 else losses

    monkeypatch.setattr(check, "evaluate_images", wrong)
    assert len(faults()) == 3
    monkeypatch.setattr(check, "evaluate_images", right)
    monkeypatch.setattr(check, "LOSS_DIFFERENCE", -1)
    assert len(faults()) == 1


@pytest.fixture(autouse=True)
def precision_as_before():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)
