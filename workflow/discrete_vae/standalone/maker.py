"""Make the groups of a plan one after the other: train each in one stack, evaluate it, and pack it."""

import contextlib
import functools
import logging
import math
import signal
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from discrete_vae.analysis.gathering import gather_group
from discrete_vae.analysis.group_evaluation import evaluate_group
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.errors import InputError
from discrete_vae.files import check_writable, written_whole
from discrete_vae.grid.alike import check_alike
from discrete_vae.grid.cells import Cell, Group
from discrete_vae.grid.groups import (
    check_runs,
    finished_cells,
    groups_on_disk,
    is_finished,
    is_whole,
    recorded_rows,
    recorded_runs,
)
from discrete_vae.grid.planning import cells_to_group
from discrete_vae.source import git_revision, source_sum
from discrete_vae.standalone.plan import Plan
from discrete_vae.training.device import hardware_of
from discrete_vae.training.job import run_job
from discrete_vae.training.resume_point import begun_cells

# Of the expected time. A larger K or more validation images take longer than weights and training images say.
SLACK = 1.5

log = logging.getLogger(__name__)


class GroupMaker:
    """Makes groups of a plan in results/{study} of the current folder, as Snakemake would make them.

    Args:
        plan: what to make.
        data: the folder of the binarized datasets.
        archives: where each finished group is packed, without its runs.
        device: to train and evaluate on.
        how_to_train: options of the training that determine no result, those of `HOW_TO_TRAIN`.

    Raises:
        InputError: groups of other options are there; or, from methods that read a dataset, it is not as planned.
    """

    def __init__(
        self, plan: Plan, *, data: Path, archives: Path, device: torch.device, how_to_train: Mapping[str, Any]
    ) -> None:
        self.plan, self.archives, self.device, self.how_to_train = plan, archives, device, how_to_train
        self.deadline = math.inf  # of time.monotonic
        self.study = Path("results", plan.study)
        self.images = functools.cache(lambda name: read_images(data / f"{name}.npz", plan.data[name]["sha256"]))
        folders = map(self.folder, groups_on_disk(self.study))
        tables = (folder / name for folder in folders for name in ("summaries.csv", "bounds.csv"))
        check_alike([*(row for table in tables for row in recorded_rows(table)), *plan.option_rows()])
        # The revision of the plan holds if the source is the same, also without git.
        self.revision = plan.revision if plan.source_sha256 == source_sum() else git_revision()

    def make_groups(self, groups: Sequence[Group], *, seconds: float = math.inf) -> list[Group]:
        """Make groups in their order, and return those that are left.

        A group is left if it would take longer than what remains of the time, judged by the slowest group so far. The
        first group that is to be made, and one with a resume point, are always begun.

        Raises:
            InputError, OutputError: runs or images are not as planned, or a folder is read-only. Nothing is begun.
        """
        self.deadline, left = time.monotonic() + seconds, []
        to_make = [group for group in groups if not self.is_whole(group)]
        check_groups(self.plan, to_make, study=self.study, archives=self.archives)
        for group in to_make:
            self.images(group.dataset)
        for group in groups:
            if group not in to_make:
                pack(self.folder(group), self.archive(group))
                continue
            needed = self.expected_seconds(group) if seconds < math.inf else 0
            remaining = self.deadline - time.monotonic()
            may_wait = group != to_make[0] and not self.checkpoint(group).exists()
            if remaining <= 0 or (may_wait and needed > remaining):
                log.info("%s is left: it takes about %.0f s, and %.0f s remain", group, needed, max(remaining, 0))
                left.append(group)
            else:
                self.make(group)
        return left

    def make(self, group: Group) -> None:
        """Train a group, evaluate it and pack it. What is there is not made again, and stays part of the group."""
        started = time.monotonic()
        dataset = self.images(group.dataset)
        if cells := cells_of_next_stack(self.plan.cells(group), study=self.study, checkpoint=self.checkpoint(group)):
            self.train(group, cells, dataset, started=started)
        log.info("%s: trained after %.0f s", group, time.monotonic() - started)
        cells = cells_to_group(self.study, group, self.plan.cells(group), list(self.plan.laws))
        gather_group(self.folder(group), [self.study / cell.directory for cell in cells])
        evaluate_group(
            self.study,
            group,
            dataset,
            samples=self.plan.importance_samples,
            keep_models=self.plan.keep_models,
            device=self.device,
            started=time.monotonic(),
        )
        pack(self.folder(group), self.archive(group))
        self.checkpoint(group).unlink(missing_ok=True)  # it stays where the time was over in the final validation
        log.info("%s: finished after %.0f s", group, time.monotonic() - started)

    def train(self, group: Group, cells: Sequence[Cell], dataset: BinarizedDataset, *, started: float) -> None:
        """Train cells of a group in one stack.

        Raises:
            SystemExit: a signal asked the job to end, or the time was over before the final validation.
        """
        with alarm_at(self.deadline):
            asked_to_end = run_job(
                cells,
                dataset,
                study=self.study,
                checkpoint=self.checkpoint(group),
                laws=self.plan.laws,
                options=self.plan.options[group.dataset],
                device=self.device,
                started=started,
                how_to_train=self.how_to_train,
                revision=self.revision,
            )
        if asked_to_end not in (None, signal.SIGALRM):
            raise SystemExit(128 + asked_to_end)

    def is_whole(self, group: Group) -> bool:
        """Tell whether a group is finished."""
        return is_whole(self.study, group, set(self.plan.cells(group)))

    def folder(self, group: Group) -> Path:
        """Return the folder of a group's files."""
        return self.study / group.directory

    def archive(self, group: Group) -> Path:
        """Return the file that a group is packed in."""
        return self.archives / f"{self.plan.study}-{str(group).replace('/', '-')}.tar.xz"

    def checkpoint(self, group: Group) -> Path:
        """Return the file of a group's resume point."""
        return Path("checkpoints", self.plan.study, f"{str(group).replace('/', '-')}.pt")

    def expected_seconds(self, group: Group) -> float:
        """Return how long a group may take on this hardware; 0 where nothing is known yet."""
        finished, hardware = filter(self.is_whole, map(Group.of, self.plan.groups)), hardware_of(self.device)
        rates = [seconds_on(hardware, self.folder(done) / "costs.csv") / self.plan.work(done) for done in finished]
        return SLACK * max(rates, default=0) * self.plan.work(group)


@contextlib.contextmanager
def alarm_at(deadline: float) -> Iterator[None]:
    """Send SIGALRM to this process at a time of time.monotonic, unless the context is left before."""
    if deadline < math.inf:
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def seconds_on(hardware: str, costs: Path) -> float:
    """Return how long a group took by its costs.csv, all on one kind of hardware; 0 where any was on another."""
    rows = recorded_rows(costs)
    return sum(float(row["seconds"]) for row in rows) if {row["hardware"] for row in rows} == {hardware} else 0


def cells_of_next_stack(asked: Sequence[Cell], *, study: Path, checkpoint: Path) -> list[Cell]:
    """List the cells of a group that are not finished; or the whole stack that its resume point continues."""
    missing = [cell for cell in asked if not is_finished(study, cell)]
    begun = begun_cells(checkpoint) if missing else []
    # A kill may have come while the files of a stack's runs were written.
    return begun if set(missing) <= set(begun) <= set(asked) else missing


def check_groups(plan: Plan, groups: Iterable[Group], *, study: Path, archives: Path) -> None:
    """Check that the runs of groups that are made again are there, and that all are of the plan's options.

    Raises:
        InputError: they are not.
        OutputError: the folders of groups, runs or archives cannot be written.
    """
    check_writable([study / "groups/any", study / "runs/any", archives / "any"])
    for group in groups:
        recorded = map(Cell.of, recorded_rows(study / group.directory / "summaries.csv"))
        check_runs(study, study / group.directory, recorded, lacking="cells of the plan")
        finished = (study / cell.directory for cell in finished_cells(study, group))
        check_alike([*plan.option_rows(), *recorded_runs(finished)])


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder, to be unpacked in the folder of a project. An archive that is up to date stays."""
    changed = max(file.stat().st_mtime for file in folder.iterdir())
    if not archive.exists() or archive.stat().st_mtime < changed:
        with written_whole(archive) as temporary, tarfile.open(temporary, "w:xz") as tar:
            tar.add(folder)
        log.info("packed %s", archive)


def read_images(path: Path, expected_sha256: str) -> BinarizedDataset:
    """Read a binarized dataset.

    Raises:
        InputError: no such file, or other images than those expected.
    """
    images = BinarizedDataset.load(path, advice="copy it from the project that wrote the plan")
    found = images.manifest["sha256"]
    if found != expected_sha256:
        raise InputError(
            f"{path} has the SHA-256 {found}, expected {expected_sha256} as in the plan; copy the plan's images"
        )
    return images
