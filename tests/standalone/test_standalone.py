"""Groups made without Snakemake are those that Snakemake makes, and it takes them as made."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from conftest import ROOT, before_evaluations, files_of, make_own, outputs_less_times, run_snakemake
from discrete_vae import __main__ as program
from discrete_vae.__main__ import main, parse_arguments
from discrete_vae.errors import InputError, OutputError
from discrete_vae.grid.cells import Group
from discrete_vae.standalone import maker as maker_module
from discrete_vae.standalone.maker import SLACK, GroupMaker, pack, read_images
from discrete_vae.standalone.plan import Plan, write_plan
from discrete_vae.training.resume_point import SIGNALS

HIDDEN = (
    *("pydantic", "pydantic_core", "snakemake", "jsonschema", "yaml", "requests", "torchvision"),
    *("scipy", "sklearn", "matplotlib", "seaborn", "tabulate"),
)
GROUPS = [f"mine/K{K}/seed{seed}" for seed in (1, 2) for K in (3, 4)]
GRID = "grid={K: [3, 4], seed: [1, 2], temperature: [0.5, 1.0]}"
STACK = "training={epochs: 3, stack: [temperature, perturbation]}"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A working directory where a plan has been exported and packed."""
    directory = tmp_path_factory.mktemp("project")
    run_snakemake(directory, *own(directory), "--cores", "1", "export_plan")
    shutil.copytree(ROOT / "workflow", directory / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    run_line(directory, "tar cf gpu.tar")
    return directory


def run_line(directory: Path, beginning: str) -> None:
    """Run the one line of docs/cluster.md that begins so, for the study `own`."""
    (line,) = (line for line in (ROOT / "docs/cluster.md").read_text().splitlines() if line.startswith(beginning))
    subprocess.run(["bash", "-ec", line.replace("results/paper", "results/own")], cwd=directory, check=True)


def own(directory: Path) -> tuple[str, ...]:
    return (*make_own(directory), "--config", GRID, STACK)


@pytest.fixture
def machine(project, tmp_path) -> Path:
    """The working directory of a machine without Snakemake: the source, data and plan, and libraries that fail."""
    (tmp_path / "gpu.tar").symlink_to(project / "gpu.tar")
    run_line(tmp_path, "tar xf gpu.tar")
    (tmp_path / "hidden").mkdir()
    for name in HIDDEN:
        (tmp_path / "hidden" / f"{name}.py").write_text(f"raise ImportError('{name} is hidden')\n")
    return tmp_path


def start(machine: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": "hidden:workflow", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "discrete_vae", "train", "plan.json", *arguments, "--device", "cpu"]
    return subprocess.Popen(
        command, cwd=machine, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def train(machine: Path, *arguments: str) -> tuple[int, str]:
    """Run the command; return its exit status and what it printed."""
    process = start(machine, *arguments)
    output, _ = process.communicate()
    return process.returncode, output


def test_groups_made_without_snakemake_are_taken_as_made(project, machine, tmp_path_factory):
    status, output = train(machine)
    assert (status, output.count("finished after")) == (0, 4), output

    receiver = tmp_path_factory.mktemp("receiver")
    (receiver / "archives").symlink_to(machine / "archives")
    run_line(receiver, "for archive in archives")
    assert not list(receiver.rglob("*.pt"))
    said = run_snakemake(receiver, *own(receiver), "--cores", "1", "results/own/tables/results.md").stdout
    assert "rule tabulate_results:" in said
    assert "rule train_cells:" not in said
    assert "rule evaluate_models:" not in said

    expected = tmp_path_factory.mktemp("expected")
    run_snakemake(expected, *own(expected), "--cores", "1", f"results/own/groups/{GROUPS[0]}/bounds.csv")
    group = f"results/own/groups/{GROUPS[0]}"
    assert outputs_less_times(receiver, group) == outputs_less_times(expected, group)


def test_a_plan_begins_with_one_seed_of_everything(project):
    plan = json.loads((project / "results/own/plan.json").read_text())
    assert list(plan["groups"]) == GROUPS
    assert plan["groups"][GROUPS[0]] == [[law, tau] for law in ("normal", "laplace") for tau in (0.5, 1.0)]
    assert (project / "results/own/config.yaml").exists()


def test_a_plan_is_written_whenever_it_is_asked_for(project, tmp_path):
    """Also in a copy of a study, where no date tells that its plan is of another one."""
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    (tmp_path / "results/own").rename(tmp_path / "results/copy")
    run_snakemake(tmp_path, "export_plan", "--cores", "1", *own(tmp_path), "study=copy", "grid={seed: [3]}")
    plan = json.loads((tmp_path / "results/copy/plan.json").read_text())
    assert plan["study"] == "copy"
    assert all(group.endswith("/seed3") for group in plan["groups"])


def test_a_plan_keeps_models_where_the_study_does(tmp_path, machine):
    arguments = ("export_plan", "--cores", "1", *own(tmp_path), "evaluation={keep_models: true}")
    run_snakemake(tmp_path, *arguments)
    (machine / "plan.json").write_bytes((tmp_path / "results/own/plan.json").read_bytes())
    assert train(machine, GROUPS[0])[0] == 0
    (archive,) = (machine / "archives").iterdir()
    with tarfile.open(archive) as tar:
        assert any(name.endswith("/models.pt") for name in tar.getnames())


def test_a_plan_of_a_law_that_is_not_defined_is_refused(project, tmp_path):
    """A run of another command may have one."""
    content = json.loads((project / "results/own/plan.json").read_text())
    del content["laws"]["laplace"]
    with pytest.raises(InputError, match=r"perturbations.laplace is not defined, expected the noise law of runs of "):
        write_plan(tmp_path / "plan.json", content)
    assert not (tmp_path / "plan.json").exists()


def ended(monkeypatch, *words: str) -> str:
    """Run the command in this process; return what it ends with."""
    monkeypatch.setattr(sys, "argv", ["discrete_vae", *words])
    monkeypatch.setattr(program, "heeded_signals", list)
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_faults_of_a_device_and_groups_that_are_left_end_in_failure(machine, monkeypatch):
    monkeypatch.chdir(machine)
    findings = [(True, "a"), (False, "b"), (False, "c")]
    monkeypatch.setattr(program, "check_device", lambda device, training: findings if training.cuda_graph else [])
    assert (
        ended(monkeypatch, "check", "--device", "cpu")
        == "checks that failed: 2, expected none; do not train on this device"
    )
    monkeypatch.setattr(GroupMaker, "make_groups", lambda maker, groups, seconds: groups[:1])
    assert ended(monkeypatch, "train", "plan.json", "--device", "cpu").startswith("1 of 4 groups are left")


@pytest.mark.parametrize("flags", [(), ("--no-cuda-graph",), ("--fused-kernels",)])
def test_the_flags_of_the_command_decide_how_to_train_and_for_how_long(machine, monkeypatch, flags):
    calls = []
    monkeypatch.chdir(machine)
    monkeypatch.setattr(
        GroupMaker, "make_groups", lambda maker, groups, seconds: calls.append((maker, seconds)) or groups
    )
    ended(monkeypatch, "train", "plan.json", "--device", "cpu", "--minutes", "2", *flags)
    ((maker, seconds),) = calls
    assert seconds == 120
    assert maker.how_to_train == {
        "cuda_graph": "--no-cuda-graph" not in flags,
        "fused_kernels": "--fused-kernels" in flags,
    }


def edit_plan(machine: Path, **keys: Any) -> None:
    """Replace some keys of the plan."""
    plan = json.loads((machine / "plan.json").read_text())
    (machine / "plan.json").write_text(json.dumps(plan | keys))


def with_epochs(machine: Path, epochs: int) -> None:
    options = json.loads((machine / "plan.json").read_text())["options"]
    options["mine"]["training"]["epochs"] = epochs
    edit_plan(machine, options=options)


def test_a_training_asked_to_end_saves_a_resume_point_and_is_continued_to_the_same_bits(machine, tmp_path_factory):
    group = GROUPS[0]
    with_epochs(machine, 300)
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    for name in ("workflow", "data", "plan.json", "hidden"):
        (undisturbed / name).symlink_to(machine / name)
    assert train(undisturbed, group)[0] == 0

    process = start(machine, group)
    assert any("epoch 1/300" in line for line in process.stdout)
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGUSR1
    assert "stopped; the same command continues" in output
    assert (machine / "checkpoints/own/mine-K3-seed1.pt").exists()

    # As after a kill between the files of two runs of the stack.
    written = f"results/own/runs/{GROUPS[0].replace('/seed1', '/normal/tau0.5/seed1')}"
    shutil.copytree(undisturbed / written, machine / written, dirs_exist_ok=True)
    status, output = train(machine, group)
    assert (status, "continuing from" in output) == (0, True), output
    assert not (machine / "checkpoints/own/mine-K3-seed1.pt").exists()
    made = f"results/own/groups/{group}"
    assert outputs_less_times(machine, made) == outputs_less_times(undisturbed, made)


def maker_of(machine: Path, **changes: str) -> GroupMaker:
    """Return the maker of a machine's plan with some attributes changed."""
    places = {"data": machine / "data", "archives": machine / "archives"}
    plan = replace(Plan.load(machine / "plan.json"), **changes)
    return GroupMaker(plan, **places, device=torch.device("cpu"), how_to_train={})


def make(machine: Path, *names: str, **time: float) -> None:
    """Make groups of the plan in this process, all if none is named."""
    maker = maker_of(machine)
    maker.make_groups(maker.plan.chosen(names), **time)


def test_a_training_ends_with_the_time_that_is_given(machine, monkeypatch):
    monkeypatch.chdir(machine)
    with_epochs(machine, 20_000)
    with pytest.raises(SystemExit) as ended_early:
        make(machine, GROUPS[0], seconds=0.5)
    assert ended_early.value.code == 128 + signal.SIGALRM
    assert maker_of(machine).checkpoint(Group.of(GROUPS[0])).exists()


@pytest.fixture
def maker(machine, monkeypatch) -> GroupMaker:
    """One whose first group took ten seconds, and which only notes what it makes."""
    monkeypatch.chdir(machine)
    maker = maker_of(machine)
    maker.make(Group.of(GROUPS[0]))
    costs = pd.read_csv(maker.folder(Group.of(GROUPS[0])) / "costs.csv")
    costs.assign(seconds=10 / len(costs)).to_csv(maker.folder(Group.of(GROUPS[0])) / "costs.csv", index=False)
    maker.made = []
    monkeypatch.setattr(maker, "make", lambda group: maker.made.append(str(group)))
    return maker


def test_images_that_are_not_there_and_folders_that_are_read_only_are_told_before_anything_is_begun(maker, monkeypatch):
    groups = [Group.of(label) for label in GROUPS]
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: "archives" not in str(path))
        with pytest.raises(OutputError, match="archives is read-only"):
            maker.make_groups(groups)
    monkeypatch.setattr(maker, "images", lambda name: read_images(Path("data/none.npz"), ""))
    with pytest.raises(
        InputError, match=r"data/none.npz is not readable .*; copy it from the project that wrote the plan$"
    ):
        maker.make_groups(groups)
    assert maker.made == []


def test_only_groups_that_fit_the_time_are_begun(maker):
    groups = [Group.of(label) for label in GROUPS]
    # Of 3 variables, 30 pixels and 16 hidden units: 960 weights, and 96 more for each category.
    alike, larger = SLACK * 10, SLACK * 10 * (960 + 4 * 96) / (960 + 3 * 96)
    assert [maker.expected_seconds(group) for group in groups] == pytest.approx([alike, larger, alike, larger])
    left = maker.make_groups([groups[0], groups[2], groups[1], groups[2]], seconds=(alike + larger) / 2)
    assert (maker.made, left) == ([GROUPS[2]] * 2, [groups[1]])


def test_the_first_group_is_begun_whatever_the_time(maker):
    """Else a command of the same minutes would begin nothing, each time."""
    groups = [Group.of(label) for label in GROUPS]
    left = maker.make_groups(groups, seconds=1)
    assert (maker.made, left) == ([GROUPS[1]], groups[2:])


def test_the_time_is_known_without_the_images_of_groups_that_are_finished(maker, monkeypatch):
    """They may be of another dataset, which was not copied."""
    monkeypatch.setattr(maker, "images", lambda name: pytest.fail(f"read {name}"))
    assert maker.expected_seconds(Group.of(GROUPS[2])) == pytest.approx(SLACK * 10)


def test_a_group_with_a_resume_point_is_begun_whatever_the_time(maker):
    maker.checkpoint(Group.of(GROUPS[2])).parent.mkdir(parents=True, exist_ok=True)
    maker.checkpoint(Group.of(GROUPS[2])).touch()
    left = maker.make_groups([Group.of(label) for label in GROUPS], seconds=1)
    assert (maker.made, list(map(str, left))) == ([GROUPS[1], GROUPS[2]], [GROUPS[3]])


def test_nothing_is_begun_after_the_time(maker):
    maker.checkpoint(Group.of(GROUPS[1])).parent.mkdir(parents=True, exist_ok=True)
    maker.checkpoint(Group.of(GROUPS[1])).touch()
    left = maker.make_groups([Group.of(label) for label in GROUPS], seconds=0)
    assert (maker.made, len(left)) == ([], 3)


def raise_in_final_validation(monkeypatch, number: int) -> None:
    before_evaluations(
        monkeypatch, lambda samples, purpose: purpose == "final validation" and signal.raise_signal(number)
    )


def test_a_group_that_is_trained_at_the_end_of_the_time_is_evaluated_and_packed(machine, monkeypatch):
    """Then no alarm is left."""
    monkeypatch.chdir(machine)
    raise_in_final_validation(monkeypatch, signal.SIGALRM)
    maker = maker_of(machine)
    maker.deadline = time.monotonic() + 3600
    maker.make(Group.of(GROUPS[0]))
    assert maker.archive(Group.of(GROUPS[0])).exists()
    assert not maker.checkpoint(Group.of(GROUPS[0])).exists()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_signal_in_the_final_validation_ends_the_command_before_the_next_group(machine, monkeypatch):
    monkeypatch.chdir(machine)
    raise_in_final_validation(monkeypatch, signal.SIGUSR1)
    with pytest.raises(SystemExit) as ended:
        maker_of(machine).make_groups([Group.of(label) for label in GROUPS])
    assert ended.value.code == 128 + signal.SIGUSR1
    runs = (machine / "results/own/runs").rglob("summary.json")
    assert {path.parent.name for path in runs} == {"seed1"}, "of the first group, which is whole but for its evaluation"


def test_under_nohup_a_closed_terminal_is_ignored(machine, monkeypatch):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr("sys.argv", ["discrete_vae", "train", str(machine / "none.json")])
    try:
        with pytest.raises(SystemExit, match=r"none\.json"):
            main()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_nothing_is_known_of_the_time_on_other_hardware(maker):
    path = maker.folder(Group.of(GROUPS[0])) / "costs.csv"
    pd.read_csv(path).assign(hardware="another").to_csv(path, index=False)
    assert maker.expected_seconds(Group.of(GROUPS[1])) == 0


def test_a_group_is_packed_again_where_it_changed(maker):
    group = Group.of(GROUPS[0])
    archive = maker.archives / "own-mine-K3-seed1.tar.xz"
    packed = archive.stat()
    pack(maker.folder(group), archive)
    # The costs are younger: the fixture wrote them.
    assert archive.stat().st_ino != packed.st_ino
    packed = archive.stat()
    pack(maker.folder(group), archive)
    assert archive.stat().st_ino == packed.st_ino


def test_groups_of_other_options_are_refused_before_anything_is_trained(machine, monkeypatch):
    monkeypatch.chdir(machine)
    with_epochs(machine, 1)
    make(machine, "mine/K3/seed1")
    with_epochs(machine, 2)
    with pytest.raises(InputError, match=r"groups of mine have training.epochs 1 \(mine/K3/seed1\) and 2"):
        make(machine, "mine/K3/seed2")
    assert not (machine / "results/own/runs/mine/K3/normal/tau0.5/seed2").exists()


def with_temperatures(machine: Path, *temperatures: float) -> None:
    edit_plan(machine, groups={GROUPS[0]: [["normal", temperature] for temperature in temperatures]})


def test_a_group_never_shrinks(machine, monkeypatch):
    monkeypatch.chdir(machine)
    summaries = machine / "results/own/groups" / GROUPS[0] / "summaries.csv"
    for temperature in (0.5, 1.0):
        with_temperatures(machine, temperature)
        make(machine)
    assert pd.read_csv(summaries)["temperature"].tolist() == [0.5, 1.0]

    before = files_of(machine / "results/own/runs")
    with_temperatures(machine, 0.5, 1.0, 1.5)
    make(machine)
    assert pd.read_csv(summaries)["temperature"].tolist() == [0.5, 1.0, 1.5]
    assert before.items() <= files_of(machine / "results/own/runs").items(), "finished cells are not trained again"
    shutil.rmtree(machine / "results/own/runs")
    with_temperatures(machine, 2.0)
    with pytest.raises(InputError, match="lacks cells of the plan, and 3 of its runs are gone"):
        make(machine)
    assert pd.read_csv(summaries)["temperature"].tolist() == [0.5, 1.0, 1.5]


def test_runs_of_other_options_are_refused_before_anything_is_trained(machine, monkeypatch):
    monkeypatch.chdir(machine)
    with_temperatures(machine, 0.5)
    make(machine)
    shutil.rmtree(machine / "results/own/groups")
    with_epochs(machine, 2)
    with pytest.raises(InputError, match=r"groups of mine have training.epochs 2 \(mine/K3/seed1\) and 3"):
        make(machine)
    assert not (machine / "results/own/groups").exists()


@pytest.mark.parametrize(
    "change", [{}, {"groups": {"mine/K3": []}}, {"laws": {}}, {"options": {"mine": {}}}, {"groups": {}}]
)
def test_a_plan_that_was_changed_into_none_is_refused(machine, change):
    if change:
        edit_plan(machine, **change)
    else:
        (machine / "plan.json").write_text("{}")
    unreadable = "is not readable .*, expected a plan that `snakemake export_plan` wrote"
    with pytest.raises(InputError, match=rf"plan.json ({unreadable}|has no groups).*; export it again"):
        Plan.load(machine / "plan.json")


def test_the_study_of_a_plan_is_no_path(machine):
    edit_plan(machine, study="../out")
    with pytest.raises(InputError, match="its study is a path"):
        Plan.load(machine / "plan.json")


@pytest.mark.parametrize("minutes", ["-5", "nan", "1e300", "soon"])
def test_an_impossible_number_of_minutes_is_refused(minutes, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["discrete_vae", "train", "plan.json", "--minutes", minutes])
    with pytest.raises(SystemExit):
        parse_arguments()
    assert f"{minutes} is no number of minutes, expected above 0" in capsys.readouterr().err


def test_the_revision_of_a_plan_holds_for_the_same_source_only(machine, monkeypatch):
    monkeypatch.setattr(maker_module, "git_revision", lambda: None)
    revision = Plan.load(machine / "plan.json").revision
    assert revision
    assert maker_of(machine).revision == revision
    assert maker_of(machine, source_sha256="other").revision is None


def test_groups_are_chosen_by_the_beginnings_of_their_names(machine):
    plan = Plan.load(machine / "plan.json")
    assert [str(group) for group in plan.chosen([])] == GROUPS
    assert [str(group) for group in plan.chosen(["mine/K4", "mine/K3/seed2"])] == [GROUPS[1], GROUPS[3], GROUPS[2]]
    for wrong in ("mine/K", "mine/K3/seed", "yours"):
        with pytest.raises(InputError, match=f"no group {wrong}, expected .* of mine/K3/seed1, "):
            plan.chosen([wrong])


def test_other_images_than_those_of_the_plan_are_refused(machine):
    plan = json.loads((machine / "plan.json").read_text())
    edit_plan(machine, data={"mine": {**plan["data"]["mine"], "sha256": "abc"}})
    status, output = train(machine)
    assert (status, "expected abc as in the plan; copy" in output) == (1, True), output


def test_a_plan_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="would have no group"):
        write_plan(tmp_path / "plan.json", {"groups": {}})
