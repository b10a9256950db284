"""A job computes where it was scheduled, and results name the device."""

import pytest
import torch
from discrete_vae.errors import InputError
from discrete_vae.training import device
from discrete_vae.training.device import choose_device, processor


@pytest.mark.parametrize(("name", "gpus"), [("cpu", 0), ("cpu", 1), ("auto", 0)])
def test_a_job_without_a_gpu_computes_on_a_cpu_whatever_torch_sees(monkeypatch, caplog, name, gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with caplog.at_level("INFO", logger=device.__name__):
        assert choose_device(name, gpus=gpus) == torch.device("cpu")
    assert caplog.messages == ["device: cpu, 1 thread"]


def test_a_cpu_takes_denormal_numbers_for_zero():
    try:
        torch.set_flush_denormal(False)
        smallest = torch.tensor([1e-40])
        assert smallest * 1 > 0
        choose_device("cpu", gpus=0)
        assert smallest * 1 == 0
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize(("name", "gpus"), [("auto", 1), ("auto", 2), ("cuda", 1), ("cuda", 0)])
def test_a_job_with_a_gpu_computes_on_it_or_ends_in_one_line(monkeypatch, caplog, name, gpus):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    with caplog.at_level("INFO", logger=device.__name__):
        assert choose_device(name, gpus=gpus) == torch.device("cuda")
    assert caplog.messages == ["device: NVIDIA H100"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError) as refused:
        choose_device(name, gpus=gpus)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(
        f"torch {torch.__version__} sees no GPU, expected one, as training.device is '{name}' and the job's gpu is"
        f" {gpus};"
    )
    for advice in ("nvidia-smi", "CUDA_VISIBLE_DEVICES (empty)", "docs/troubleshooting.md, No GPU", "--device cpu"):
        assert advice in line


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("cpu family\t: 23\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\n", "AMD EPYC (family 23, model 1)"),
        ("model name\t: ARMv8 Processor\n", "ARMv8 Processor"),
    ],
)
def test_a_processor_is_named_with_its_generation_where_that_is_told(tmp_path, cpuinfo, name):
    (tmp_path / "cpuinfo").write_text(cpuinfo * 2)
    assert processor(tmp_path / "cpuinfo") == name
