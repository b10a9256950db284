"""The Slurm profile on a real Slurm: Debian's slurmctld and slurmd on loopback, with device nodes for GPUs.

Needs root, the packages slurm-wlm and munge (`make test-slurm` installs them), and no Slurm configured on the machine.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import (
    QUICKSTART,
    ROOT,
    make_own,
    outputs_less_times,
    run_snakemake,
    running_scripts,
    snakemake_command,
    start_snakemake,
    wait_for,
    wait_for_an_epoch,
)

pytestmark = pytest.mark.slurm

CONFIGURATION = Path("/etc/slurm")  # srun inside a job reads no other place
QUICK_CHECKS = ("--seconds-between-status-checks", "3")
SLURM = (
    *("--workflow-profile", "profiles/slurm", *QUICK_CHECKS),
    *("--slurm-init-seconds-before-status-checks", "3"),
)
GENERIC = ("--workflow-profile", "profiles/cluster-generic", *QUICK_CHECKS)
# Of the quick start, on CPUs: the GPUs of this Slurm are files, which torch does not see.
FEWER_EPOCHS = (*QUICKSTART, "--config", "training={epochs: 10, device: cpu}", "grid={K: [5, 10]}")
CELL = "mine/K4/normal/tau0.5/seed1"
LABEL = "mine-K4-normal-tau0.5-seed1"

SLURM_CONF = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
MinJobAge=600
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=24000 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A one-node Slurm with four GPUs, stopped and removed in the end."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("slurmctld", "slurmd", "munged")):
        pytest.skip("needs root and the packages slurm-wlm and munge: make test-slurm")
    if (CONFIGURATION / "slurm.conf").exists():
        pytest.skip(f"{CONFIGURATION} has a configuration that is not this test's")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    try:
        for i in range(4):
            os.mknod(folder / f"gpu{i}", 0o020666, os.makedev(195, i))
    except PermissionError:
        pytest.skip("device nodes cannot be made here, as in some containers")
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    CONFIGURATION.mkdir(exist_ok=True)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    (CONFIGURATION / "slurm.conf").write_text(SLURM_CONF.format(host=socket.gethostname(), folder=folder, **ports))
    (CONFIGURATION / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={folder}/gpu[0-3]\n")
    munge_files = [f"--{kind}-file={folder}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
    daemons = [
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge_files],
        ["slurmctld", "-D"],
        ["slurmd", "-D"],
    ]
    running = []
    try:
        for daemon in daemons:
            running.append(subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(1)
        wait_for(lambda: "idle" in slurm("sinfo", "-h", "-o", "%t"))
        yield folder
    finally:
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait(timeout=20)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIGURATION / name).unlink()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The result of a cell that trains for some seconds, from a local run."""
    directory = tmp_path_factory.mktemp("local")
    run_snakemake(directory, "--cores", "1", *cell_arguments(directory))
    return outputs_less_times(directory, f"results/own/runs/{CELL}")


@pytest.fixture(scope="module")
def expected_quickstart(tmp_path_factory):
    """Everything that a local run of the quick start gives, with fewer epochs."""
    directory = tmp_path_factory.mktemp("local-quickstart")
    run_snakemake(directory, "--cores", "all", *FEWER_EPOCHS)
    return outputs_less_times(directory)


def cell_arguments(directory: Path) -> list[str]:
    return [f"results/own/runs/{CELL}/summary.json", *make_own(directory), "--config", "training={epochs: 4000}"]


def train_while(disturb: Callable[[Path], None], directory: Path, *options: str, profile=SLURM) -> str:
    """Train the cell on the cluster, and disturb its first job once it has reported an epoch; return the last log."""
    log = directory / "logs/own/train_cells" / f"{LABEL}.log"

    def disturb_once_it_reports() -> None:
        wait_for_an_epoch(log)
        disturb(directory)

    disturbing = threading.Thread(target=disturb_once_it_reports)
    disturbing.start()
    run_snakemake(directory, *profile, *cell_arguments(directory), *options)
    disturbing.join()
    return log.read_text()


def running_job() -> str:
    (job,) = slurm("squeue", "-h", "-t", "running", "-o", "%i").split()
    return job


def send_to_training(directory: Path, number: int) -> None:
    running_scripts(directory)["train_cells"].send_signal(number)


def assert_same_whole_result(directory: Path, expected) -> None:
    assert outputs_less_times(directory, f"results/own/runs/{CELL}") == expected
    assert list((directory / "checkpoints").rglob("*.pt*")) == []


def states(directory: Path) -> list[str]:
    """List the states that the jobs of a working directory have come to."""
    jobs = slurm("scontrol", "--oneliner", "show", "jobs").splitlines()
    return [re.search(r"JobState=(\w+)", job)[1] for job in jobs if f"WorkDir={directory} " in f"{job} "]


def test_the_quick_start_ends_in_the_bits_of_a_local_run_with_a_gpu_for_each_job(
    cluster, expected_quickstart, tmp_path
):
    run_snakemake(tmp_path, *SLURM, *FEWER_EPOCHS)
    assert outputs_less_times(tmp_path) == expected_quickstart
    assert states(tmp_path) == ["COMPLETED"] * 8, "four trainings, and four groups to evaluate"
    assert slurm("scontrol", "--oneliner", "show", "jobs").count("TresPerJob=gres:gpu:1") == 8


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is visible")
def test_a_group_is_one_job_and_ends_in_one_line_where_torch_sees_no_gpu(cluster, tmp_path):
    """The log has the name of a stack only if the job's own process stacks, too."""
    group = "results/own/groups/mine/K4/seed1/summaries.csv"
    arguments = (group, *make_own(tmp_path), "--config", "training={device: auto}")
    run_snakemake(tmp_path, *SLURM, "--retries", "0", *arguments, check=False)
    assert states(tmp_path) == ["FAILED"]
    (log,) = (tmp_path / "logs/own/train_cells").glob("*.log")
    assert log.name == "mine-K4-all-tauall-seed1.log"
    message = (
        f"torch {torch.__version__} sees no GPU, expected one, as training.device is 'auto' and the job's gpu is 1"
    )
    assert log.read_text().count(message) == len(log.read_text().splitlines()) == 1
    (of_slurm,) = (tmp_path / ".snakemake/slurm_logs/rule_train_cells").rglob("*.log")
    assert f"ERROR: {message}" in of_slurm.read_text()


def test_without_a_gpu_each_cell_is_a_job(cluster, tmp_path):
    group = "results/own/groups/mine/K4/seed1/summaries.csv"
    without = ("--set-resources", "train_cells:gpu=0")
    run_snakemake(tmp_path, group, *SLURM, *without, *make_own(tmp_path), "--config", "training={device: auto}")
    assert states(tmp_path) == ["COMPLETED"] * 2, "two noise laws"
    for law in ("laplace", "normal"):
        log = tmp_path / f"logs/own/train_cells/mine-K4-{law}-tau0.5-seed1.log"
        assert "device: cpu, 1 thread" in log.read_text()


def test_snakemake_itself_may_run_in_a_job(cluster, expected, tmp_path):
    command = snakemake_command(tmp_path, *SLURM, *cell_arguments(tmp_path))
    log = tmp_path / "snakemake.log"
    options = ("--wait", "--time=10", "--mem=3G", f"--chdir={ROOT}", f"--output={log}")
    slurm("sbatch", *options, f"--wrap={shlex.join(command)}")
    assert "SLURM job context" in log.read_text()
    assert states(tmp_path) == ["COMPLETED"], "the training that it submitted"
    assert_same_whole_result(tmp_path, expected)


def test_a_job_of_snakemake_near_its_time_limit_ends_as_ctrl_c_does(cluster, expected, tmp_path):
    """As with --signal=B:INT@600 of sbatch, which sends the signal to the batch script alone."""
    command = snakemake_command(tmp_path, *SLURM, *cell_arguments(tmp_path))
    options = ("--parsable", "--time=10", "--mem=3G", f"--chdir={ROOT}", f"--output={tmp_path}/snakemake.log")
    job = slurm("sbatch", *options, f"--wrap=exec {shlex.join(command)}").strip()
    log = tmp_path / "logs/own/train_cells" / f"{LABEL}.log"
    wait_for_an_epoch(log)
    slurm("scancel", "--batch", "--signal=INT", job)
    wait_for(lambda: not slurm("squeue", "-h", "-o", "%i"), seconds=120)
    assert "stopped; the same command continues" in (tmp_path / "snakemake.log").read_text()
    assert states(tmp_path) == ["CANCELLED"], "the training that it submitted"

    run_snakemake(tmp_path, *SLURM, *cell_arguments(tmp_path))
    assert "continuing from" in log.read_text()
    assert_same_whole_result(tmp_path, expected)


def test_a_killed_controller_is_started_again_and_retrains_no_finished_cell(cluster, expected_quickstart, tmp_path):
    arguments = [*SLURM, *FEWER_EPOCHS]
    controller = start_snakemake(tmp_path, *arguments, start_new_session=True)
    wait_for(lambda: len(finished_cells(tmp_path)) >= 12, seconds=300)
    os.killpg(controller.pid, signal.SIGKILL)
    controller.communicate()
    finished = {path: path.read_text() for path in finished_cells(tmp_path)}  # with the seconds it took
    assert len(finished) < 48, "it should have been killed in the middle"
    assert slurm("squeue", "-h", "-o", "%i"), "the jobs of the killed controller should run beside the new ones"

    run_snakemake(tmp_path, "--unlock", *FEWER_EPOCHS)
    run_snakemake(tmp_path, *arguments)
    wait_for(lambda: not slurm("squeue", "-h", "-o", "%i"), seconds=120)
    assert outputs_less_times(tmp_path) == expected_quickstart
    assert {path: path.read_text() for path in finished} == finished
    assert list((tmp_path / "checkpoints").rglob("*.pt*")) == []


def finished_cells(directory: Path) -> list[Path]:
    return list((directory / "results/quickstart/runs").rglob("summary.json"))


@pytest.mark.parametrize("profile", [SLURM, GENERIC], ids=["slurm", "cluster-generic"])
def test_a_cancelled_job_is_retried_and_continues_to_the_same_bits(cluster, expected, tmp_path, profile):
    log = train_while(lambda directory: slurm("scancel", running_job()), tmp_path, profile=profile)
    assert states(tmp_path) == ["CANCELLED", "COMPLETED"]
    assert "continuing from" in log
    assert_same_whole_result(tmp_path, expected)


def test_a_job_that_fails_once_is_retried_to_the_same_bits(cluster, expected, tmp_path):
    train_while(lambda directory: send_to_training(directory, signal.SIGKILL), tmp_path)
    assert states(tmp_path) == ["FAILED", "COMPLETED"]
    assert_same_whole_result(tmp_path, expected)


def test_a_job_past_its_time_limit_is_retried_with_more_time_and_continues_to_the_same_bits(
    cluster, expected, tmp_path
):
    resources = ("--set-resources", "train_cells:gpu=1", "train_cells:runtime=attempt")  # in minutes
    log = train_while(lambda directory: send_to_training(directory, signal.SIGSTOP), tmp_path, *resources)
    assert states(tmp_path) in (["TIMEOUT"] * n + ["COMPLETED"] for n in (1, 2, 3)), "a slow machine may need more"
    assert "continuing from" in log
    assert_same_whole_result(tmp_path, expected)


def test_a_preempted_job_is_requeued_and_continues_to_the_same_bits(cluster, expected, tmp_path):
    def preempt(directory: Path) -> None:
        job = running_job()
        slurm("sbatch", "--partition=urgent", "--gpus=4", "--output=/dev/null", "--wrap=sleep 1")
        wait_for(lambda: "Restarts=1" in slurm("scontrol", "show", "job", job))
        wait_for(lambda: "JobState=PENDING" in slurm("scontrol", "show", "job", job))
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")  # Slurm would hold it for two minutes

    log = train_while(preempt, tmp_path)
    assert states(tmp_path) == ["COMPLETED"], "the job keeps its number"
    assert "continuing from" in log
    assert_same_whole_result(tmp_path, expected)
