"""The check of a device passes on a CPU, and finds planted faults."""

import itertools
from dataclasses import replace

import pytest
import torch
from discrete_vae.config.options import Training
from discrete_vae.errors import InputError
from discrete_vae.evaluation.bounds import ImageLosses
from discrete_vae.grid.cells import Cell
from discrete_vae.model import network
from discrete_vae.standalone import check
from discrete_vae.training.adam_weights import AdamWeights
from discrete_vae.training.minibatches import Minibatches
from discrete_vae.training.stack import StackTrainer

FINDINGS, TIMED = 11, 2
CPU = check.CPU


def faults() -> list[str]:
    """List what the check finds wrong, without the times, which are never wrong and come last."""
    findings = check.check_device(CPU, Training(), images=250, temperatures=1)
    return [text for passed, text in itertools.islice(findings, FINDINGS - TIMED) if not passed]


def test_a_cpu_agrees_with_itself():
    findings = list(check.check_device(CPU, Training(), images=250, temperatures=1))
    assert all(passed for passed, _ in findings)
    assert len(findings) == FINDINGS
    assert "K = 50, 3 cells" in findings[-1][1]


def test_after_an_error_the_rest_is_still_checked(monkeypatch, capsys):
    """Without captures, too."""

    def fail(*arguments, **options):
        raise RuntimeError("no\ncapture")

    monkeypatch.setattr(check, "_same_weights", fail)
    assert faults() == ["captured: no capture", "captured: no capture", "resumed: no capture"]
    assert capsys.readouterr().err.count('raise RuntimeError("no') == 3
    monkeypatch.undo()
    findings = list(check.check_device(CPU, Training(cuda_graph=False), images=250, temperatures=1))
    assert all(passed for passed, _ in findings)
    assert len(findings) == FINDINGS - 2


def test_after_a_capture_that_fails_nothing_is_checked(monkeypatch):
    """The device may wait for its end."""

    def fail(*arguments, **options):
        raise InputError("the step cannot be captured")

    monkeypatch.setattr(check, "_train_epoch", fail)
    assert faults() == ["the step cannot be captured; the rest is not checked, try --no-cuda-graph"]


@pytest.mark.parametrize(
    ("layer", "factor", "precisions"),
    [
        ("decoder.0.bias", 1.1, ["highest", "high"]),
        ("decoder.2.bias", 1.001, ["highest"]),  # no ReLU hides it; with TensorFloat32 it would be rounding
    ],
)
def test_a_wrong_gradient_is_found(monkeypatch, layer, factor, precisions):
    right = check.loss_and_gradient

    def wrong(weights, gradient, *arguments, **kernels):
        losses = right(weights, gradient, *arguments, **kernels)
        if weights[layer].dtype == torch.float32:
            gradient[layer].mul_(factor)
        return losses

    monkeypatch.setattr(check, "loss_and_gradient", wrong)
    found = [text.partition(":")[0] for text in faults()]
    assert found == [f"gradient, precision {precision}" for precision in precisions]


def test_another_gradient_than_adam_is_given_is_found(monkeypatch):
    """As fused kernels could use."""
    right = AdamWeights.step

    def wrong(weights):
        weights._flat_gradient.mul_(1.1)
        right(weights)

    monkeypatch.setattr(AdamWeights, "step", wrong)
    assert [text.partition(":")[0] for text in faults()] == [
        f"gradient, precision {name}" for name in ("highest", "high")
    ]


def test_a_trainer_that_is_not_restored_is_found(monkeypatch):
    monkeypatch.setattr(StackTrainer, "restore", lambda trainer, state: None)
    (fault,) = faults()
    assert fault.startswith("resumed within an epoch: weights at most ")


@pytest.mark.parametrize(
    ("part", "difference"), [("reconstruction", 0.6), ("kl_of_codes", 0.01), ("importance_weighted_bound", 0.6)]
)
def test_other_bounds_are_found(monkeypatch, part, difference):
    right, calls = check.evaluate_images, []

    def wrong(*arguments, **options):
        calls.append(None)
        losses = right(*arguments, **options)
        return replace(losses, **{part: getattr(losses, part) + difference}) if len(calls) % 2 == 0 else losses

    monkeypatch.setattr(check, "evaluate_images", wrong)
    assert len(faults()) == 3


def test_another_loss_is_found(monkeypatch):
    """By 3.1 nats on one of the two devices."""
    right, calls = check._train_epoch, []

    def wrong(trainer):
        calls.append(None)
        reconstruction, kl = right(trainer)
        return ([loss + 3.1 * (len(calls) % 2) for loss in reconstruction], kl)

    monkeypatch.setattr(check, "_train_epoch", wrong)
    (fault,) = faults()
    assert fault.startswith("first epoch on the CPU and here: losses 3.")


class OnDevice(torch.Tensor):
    """A tensor that NumPy cannot read, as one on a GPU."""

    def __array__(self, *arguments, **options):
        raise TypeError("can't convert a tensor on a device to numpy")


def test_results_on_a_device_are_compared(monkeypatch):
    right = check.evaluate_images

    def on_device(*arguments, **options):
        losses = vars(right(*arguments, **options))
        return ImageLosses(**{name: values.as_subclass(OnDevice) for name, values in losses.items()})

    monkeypatch.setattr(check, "evaluate_images", on_device)
    assert faults() == []


def test_the_rounding_of_tensor_float_32_is_no_fault_and_a_coarser_one_is(monkeypatch):
    def rounded(values, bits):
        whole = values.contiguous().view(torch.int32)
        return (whole & ~((1 << (23 - bits)) - 1)).view(torch.float32)

    def with_bits(bits):
        def product(name):
            plain = getattr(torch, name)

            def of_rounded(*tensors, **options):
                is_rounded = tensors[-1].dtype == torch.float32 and torch.get_float32_matmul_precision() == "high"
                last = [rounded(values, bits) if is_rounded else values for values in tensors[-2:]]
                return plain(*tensors[:-2], *last, **options)

            return of_rounded

        for name in ("bmm", "baddbmm"):
            monkeypatch.setattr(network.torch, name, product(name))
        findings = check.check_device(CPU, Training(), temperatures=1)
        found = [text for passed, text in itertools.islice(findings, 2) if not passed]
        monkeypatch.undo()
        return [text.partition(":")[0] for text in found]

    assert with_bits(10) == []
    assert with_bits(7) == ["gradient, precision high"]


def test_steps_within_an_epoch_are_those_that_must_not_wait(monkeypatch):
    """The first step of an epoch copies the order of the images from the host."""
    modes, begun = [], []
    advance = Minibatches.advance

    def recorded(minibatches):
        begun.append((modes[-1:] == ["error"], minibatches.epoch_has_ended))
        return advance(minibatches)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    monkeypatch.setattr(Minibatches, "advance", recorded)
    cells = [Cell("random", 10, "normal", 0.5, 1)]
    trainer = check.trainer_of(cells, check.random_images(1_000), device=CPU, training=Training())
    assert check._steps_without_waiting(lambda: trainer) == (True, "steps do not wait for the device")
    assert modes == ["error", "default"]
    assert begun.count((True, False)) == 5
    assert (True, True) not in begun


@pytest.fixture(autouse=True)
def precision_as_before():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)
