"""Who asks for a GPU, and whether training does what was scheduled: on this machine and on a pretended cluster."""

import itertools
import json
import os
import re
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, copy_of, make_own, planned_jobs, run_as_module, run_snakemake, with_own
from discrete_vae.config.options import Training
from discrete_vae.grid.scheduling import training_mb, training_minutes

PROFILES = ROOT / "profiles"
GPU = ("--set-resources", "train_cells:gpu=1")
# One of the grid and one beyond it.
BY_NAME = tuple(f"results/paper/runs/mnist/K10/normal/tau{tau}/seed775/summary.json" for tau in (1.0, 0.3))
GROUP = "results/own/groups/mine/K4/seed1/summaries.csv"
# A node whose jobs get nothing of the environment but what Snakemake hands them.
NODE = (
    *("--executor", "cluster-generic", "--jobs", "1", "--seconds-between-status-checks", "1"),
    *("--cluster-generic-submit-cmd", 'sh -c \'env -i PATH="$PATH" sh "$0" >>job.log 2>&1 & echo $!\''),
)
QUICK_CHECKS = ("--seconds-between-status-checks", "1", "--slurm-init-seconds-before-status-checks", "1")
# Only one of the two processes, the main one and the job's, sees a driver.
SNAKEFILE = f"""
import sys
sys.path.insert(0, "{ROOT / "workflow"}")
from pathlib import Path
from discrete_vae.grid import scheduling
scheduling.DRIVER = Path("/dev/null" if workflow.is_main_process == {{main}} else "/no/driver")
include: "{ROOT / "Snakefile"}"
"""

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is visible")


def trained(directory: Path, *arguments: str) -> list[int]:
    """List how many cells each planned training would train."""
    jobs = [job for job in planned_jobs(directory, *arguments) if "/runs/" in job]
    return [job.count("model.pt") for job in jobs]


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (("--workflow-profile", "profiles/slurm"), [30]),
        (("--workflow-profile", "profiles/cluster-generic"), [30]),
        (("--workflow-profile", "profiles/slurm", "--set-resources", "train_cells:gpu=0"), [1] * 30),
        ((*GPU, "--config", "training={device: cpu}"), [1] * 30),
        ((*GPU, "--config", "training={stack: [temperature]}"), [10] * 3),
        ((*BY_NAME, *GPU), [1, 1]),
        ((BY_NAME[0], "all", *GPU), [30]),
    ],
)
def test_a_job_with_a_gpu_trains_a_group_unless_its_cells_are_asked_for_by_name(tmp_path, arguments, cells):
    """One group of the paper's grid."""
    config = () if "--config" in arguments else ("--config",)
    assert trained(tmp_path, *arguments, *config, "grid={dataset: [mnist], K: [10], seed: [775]}") == cells


@pytest.mark.parametrize(("seeds", "cells"), [([1], [2]), ([2], [2]), ([1, 2], [2, 2, 2])])
def test_one_more_temperature_trains_new_cells_only_in_smaller_stacks_beside_a_new_group(own, seeds, cells):
    """Jobs of one command stack the same values."""
    grid = f"grid={{temperature: [{'0.5' if seeds == [2] else '0.5, 1.0'}], seed: {seeds}}}"
    assert trained(own, *GPU, *with_own(own, grid, "training={device: auto}")) == cells


def test_a_training_that_is_tried_again_asks_for_more(tmp_path):
    submit = "sh -c 'echo {resources.mem_mb} {resources.runtime} >>asked.txt; exit 1'"
    cluster = ("--executor", "cluster-generic", "--jobs", "1", "--cluster-generic-submit-cmd", submit, "--retries", "1")
    run_snakemake(tmp_path, GROUP, *cluster, *make_own(tmp_path), check=False)
    asked = [tuple(map(int, line.split())) for line in (tmp_path / "asked.txt").read_text().splitlines()]
    once, twice = ({numbers for numbers in asked if numbers[1] == minutes} for minutes in (30, 60))
    assert once == {(training_mb(1), 30)}
    assert twice == {(2 * training_mb(1), 60)}


def test_the_time_limit_of_a_training_is_that_of_its_cells_on_its_device(tmp_path):
    options = ("--workflow-profile", "profiles/slurm", "--config", "grid={dataset: [mnist], seed: [775]}")
    said = run_snakemake(tmp_path, "--dry-run", *options).stdout
    lines = r"(?:    .+\n)*?"
    block = rf"rule train_cells:\n{lines}    wildcards: .*K=(\d+).*\n{lines}    resources: .*runtime=(\d+)"
    limits = {K: training_minutes(Training(), K=K, cells=30, gpus=1) for K in (10, 30, 50)}
    assert {int(K): int(minutes) for K, minutes in re.findall(block, said)} == limits


def test_trainings_evaluations_and_gradients_are_submitted_and_ask_for_gpus():
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    rules = {rule.partition(":")[0]: rule for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]}
    submitted = {"train_cells", "evaluate_models", "measure_gradients"}
    with_script = {name: rule for name, rule in rules.items() if "script:" in rule}
    assert {name for name, rule in with_script.items() if "localrule: True" not in rule} == submitted
    assert {name for name, rule in with_script.items() if "gpu=gpus_per_job" in rule} == submitted
    assert yaml.safe_load((PROFILES / "default/config.yaml").read_text())["resources"] == ["gpu=1"]


def test_a_request_that_may_differ_between_jobs_ends_in_one_line(tmp_path):
    output = run_snakemake(tmp_path, "--dry-run", "--set-resources", "train_cells:gpu=attempt", check=False).stdout
    assert "ERROR: set-resources has train_cells:gpu=attempt, expected a whole number" in output
    assert "Traceback" not in output


def test_in_a_module_the_rule_is_asked_by_its_own_name(tmp_path):
    make_own(tmp_path)

    def jobs(rule: str) -> int:
        options = ("--set-resources", f"{rule}:gpu=1", "--config", "training={device: auto}")
        return run_as_module(tmp_path, "vae_all", "--dry-run", *options).count("rule vae_train_cells:")

    assert (jobs("vae_train_cells"), jobs("train_cells")) == (1, 2), "two noise laws in one job, or in two"


@without_gpu
@pytest.mark.parametrize("executor", [("--cores", "1"), NODE], ids=["local", "cluster"])
class TestTheJobDoesWhatWasScheduled:
    def run(self, directory: Path, executor: tuple[str, ...], *arguments: str) -> tuple[int, str]:
        completed = run_snakemake(directory, GROUP, *executor, *make_own(directory), *arguments, check=False)
        return completed.returncode, completed.stdout

    def run_with_a_gpu(self, directory: Path, executor: tuple[str, ...], *, main: bool) -> tuple[int, str]:
        """Run as if a GPU were there, of the main process or of the node."""
        (directory / "Snakefile").write_text(SNAKEFILE.format(main=main))
        config = ("training={device: auto}", "grid={perturbation: [normal]}")
        arguments = ("--snakefile", str(directory / "Snakefile"), "--config", *config)
        return self.run(directory, executor, *arguments)

    def assert_a_stack_missed_its_gpu(self, directory: Path) -> None:
        """The log has the name of a stack only if the job's own process stacks, too."""
        (log,) = (directory / "logs/own/train_cells").glob("*.log")
        assert log.name == "mine-K4-all-tauall-seed1.log"
        (line,) = log.read_text().splitlines()
        assert "sees no GPU, expected one, as training.device is 'auto' and the job's gpu is 1" in line

    def test_a_gpu_that_is_set_and_that_torch_does_not_see_ends_in_one_line(self, executor, tmp_path):
        code, _ = self.run(tmp_path, executor, *GPU, "--config", "training={device: auto}")
        assert code != 0
        self.assert_a_stack_missed_its_gpu(tmp_path)

    def test_a_gpu_of_the_main_process_alone_is_what_the_job_asks_for(self, executor, tmp_path):
        code, _ = self.run_with_a_gpu(tmp_path, executor, main=True)
        assert code != 0
        self.assert_a_stack_missed_its_gpu(tmp_path)

    def test_a_gpu_of_the_node_alone_is_left_to_others(self, executor, tmp_path):
        code, output = self.run_with_a_gpu(tmp_path, executor, main=False)
        assert code == 0, output
        (log,) = (tmp_path / "logs/own/train_cells").glob("*.log")
        assert log.name == "mine-K4-normal-tau0.5-seed1.log"
        assert "device: cpu, 1 thread" in log.read_text()


def test_a_job_on_a_node_stacks_what_the_main_process_planned_whatever_has_finished_since(own, tmp_path):
    """Of seed 1 a cell is there, so both seeds have no stack in common. When it has finished, seed 2 could be one."""
    copy_of(own, tmp_path)
    first, second = (f"results/own/runs/mine/K4/normal/tau1.0/seed{seed}/summary.json" for seed in (1, 2))
    grid = "grid={perturbation: [normal], temperature: [0.5, 1.0], seed: [1, 2]}"
    arguments = with_own(tmp_path, "training={stack: [temperature]}", grid)
    run_snakemake(tmp_path, first, second, "--prioritize", first, *NODE, *arguments)
    for path in (first, second):
        assert json.loads((tmp_path / path).read_text())["cells_in_job"] == 1


def uncommented(profile: str) -> str:
    """Return the text of a profile with every setting that is commented out in force."""
    text = (PROFILES / profile / "config.yaml").read_text()
    return re.sub(r"^( *)# ((?:- )?[\w-]+(?:=|: ).*)$", r"\1\2", text, flags=re.MULTILINE)


def test_every_commented_line_of_the_profiles_is_found():
    found = {path.parent.name: uncommented(path.parent.name) != path.read_text() for path in PROFILES.glob("*/*")}
    assert found == {"default": False, "slurm": True, "cluster-generic": False}
    settings = yaml.safe_load(uncommented("slurm"))
    site = ["slurm_partition=gpu", "slurm_account=my-project", "qos=normal", "gpu_model=h100"]
    assert (settings["default-resources"][:4], settings["slurm-requeue"]) == (site, True)


def test_the_commented_lines_of_the_slurm_profile_reach_sbatch_as_options_of_its_own(tmp_path, monkeypatch):
    """The plugin reads them when it submits, so a sbatch that writes down its arguments takes the real one's place."""
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(uncommented("slurm"))
    tools = {
        "sbatch": f'for word; do printf "%s\\n" "$word"; done > {tmp_path}/sbatch.txt; exit 1',
        **dict.fromkeys(("sacctmgr", "sshare"), "echo my-project"),
        **dict.fromkeys(("squeue", "scancel", "sacct", "sinfo", "scontrol"), ""),
    }
    (tmp_path / "bin").mkdir()
    for name, script in tools.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    profile = ("--workflow-profile", str(tmp_path / "profile"), "--retries", "0", *QUICK_CHECKS)
    own = (*make_own(tmp_path), "--config", "training={device: auto}")
    assert "SLURM sbatch failed" in run_snakemake(tmp_path, GROUP, *profile, *own, check=False).stdout
    words = (tmp_path / "sbatch.txt").read_text().splitlines()
    assert {"--qos=normal", "--gpus=h100:1", "--requeue", "--cpus-per-task=1"} <= set(words)
    options = dict(itertools.pairwise(words))
    expected = {"-p": "gpu", "-A": "my-project", "-t": "30", "--mem": "2901"}
    assert {option: options[option] for option in expected} == expected
