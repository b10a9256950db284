"""The fused kernels against the plain step: interpreted on the CPU, and compiled for a GPU without one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


def run(what: str, **environment: str) -> dict[str, float]:
    script = Path(__file__).with_name("fused_step.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **environment}
    command = [sys.executable, script, what]
    completed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(completed.stdout)


@pytest.mark.parametrize("images", ["shared", "own"])
def test_fused_steps_agree_with_plain_ones(images):
    differences = run(images, TRITON_INTERPRET="1")
    assert differences.keys() == {"reconstruction", "flat", "mean", "square"}
    assert all(0 < difference < 1e-6 for difference in differences.values()), differences


def test_the_kernels_can_be_compiled_for_an_h100(tmp_path):
    sizes = run("compile", TRITON_CACHE_DIR=str(tmp_path))
    assert sizes.keys() == {"bernoulli", "adam ieee", "adam tf32"}
    assert all(sizes.values())
