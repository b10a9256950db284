"""The Slurm profile on a real Slurm: Debian's slurmctld and slurmd on loopback, with device nodes for GPUs.

Needs root, the packages slurm-wlm and munge (`make test-slurm` installs them), and no Slurm configured on the machine.
"""

import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import run_snakemake
from test_workflow import make_own, result_of

pytestmark = pytest.mark.slurm

CONFIGURATION = Path("/etc/slurm")  # srun inside a job reads no other place
PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
QUICK_CHECKS = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3")
CELL = "mine/K4/normal/tau0.5/seed1"

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
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=24000 Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
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
    for i in range(4):
        os.mknod(folder / f"gpu{i}", 0o020666, os.makedev(195, i))
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


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The result of a cell that trains for some seconds, from a local run."""
    directory = tmp_path_factory.mktemp("local")
    arguments = ["--cores", "1", f"results/runs/{CELL}/summary.json", *make_own(directory)]
    run_snakemake(directory, *arguments, "--config", "training={epochs: 4000}")
    return result_of(directory, CELL)


def assert_same_result(directory: Path, expected) -> None:
    weights, history, summary = result_of(directory, CELL)
    assert weights == expected[0]
    assert history.equals(expected[1])
    assert summary == expected[2]


def test_jobs_get_a_gpu_and_end_in_the_bits_of_a_local_run(cluster, expected, tmp_path):
    arguments = [*PROFILE, *QUICK_CHECKS, *make_own(tmp_path), "--config", "training={epochs: 4000}"]
    run_snakemake(tmp_path, *arguments)
    assert (tmp_path / "results" / "tables" / "claims.md").exists()
    assert_same_result(tmp_path, expected)
    jobs = slurm("scontrol", "--oneliner", "show", "jobs").splitlines()
    assert len(jobs) == 3, "two trainings and the bounds of their models"
    for job in jobs:
        assert "JobState=COMPLETED" in job
        assert "TresPerJob=gres:gpu:1" in job


def test_a_cancelled_job_is_retried_and_continues_to_the_same_bits(cluster, expected, tmp_path):
    arguments = [*PROFILE, *QUICK_CHECKS, f"results/runs/{CELL}/summary.json", *make_own(tmp_path)]
    log = tmp_path / "logs" / "train" / f"{CELL.replace('/', '-')}.log"

    def cancel_once_it_reports() -> None:
        wait_for(lambda: log.exists() and "epoch" in log.read_text(), seconds=120)
        (job,) = slurm("squeue", "-h", "-t", "running", "-o", "%i").split()
        slurm("scancel", job)

    cancelling = threading.Thread(target=cancel_once_it_reports)
    cancelling.start()
    run_snakemake(tmp_path, *arguments, "--config", "training={epochs: 4000}")
    cancelling.join()
    assert "JobState=CANCELLED" in slurm("scontrol", "--oneliner", "show", "jobs")
    assert "continuing from" in log.read_text()
    assert_same_result(tmp_path, expected)
