"""What a command asks for, judged before anything starts.

Snakemake would say that no rule makes a file, or that nothing is to be done. Here a line says why.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from discrete_vae.grid.cells import Group
from discrete_vae.grid.groups import finished_cells
from discrete_vae.grid.planning import is_outdated
from discrete_vae.grid.targets import nearest

if TYPE_CHECKING:  # its module needs pydantic
    from discrete_vae.config.configuration import Configuration


@dataclass(frozen=True, kw_only=True)
class Command:
    """The command that reads the Snakefile.

    Attributes:
        configuration: of the study.
        results: the folder of the study.
        makeable: the files that the study can make by its grid, as the command line spells them.
        finished: folders that are finished, and kept.
        to_make: the groups of the grid that are yet to be made.
        control_datasets: the datasets that the control shows.
        stack: the axes that one training job stacks.
        has_rule: whether a rule makes a file, of the grid or beyond it.
    """

    configuration: "Configuration"
    results: Path
    makeable: Collection[str]
    finished: Collection[Path]
    to_make: Sequence[Group]
    control_datasets: Collection[str]
    stack: Sequence[str]
    has_rule: Callable[[str], bool]

    def refusal(self, target: str) -> str | None:
        """Say why a file that the command asks for would not be made, None if it would be."""
        if _is_there(target):
            return self._why_kept(target)
        if target in self.makeable:
            return None
        return self._why_not_trained(target) if self.is_beyond_the_grid(target) else self._why_not_made(target)

    def is_beyond_the_grid(self, target: str) -> bool:
        """Tell whether a file that is not there is of a cell outside the grid, or of a group of such cells."""
        path = Path(target)
        if _is_there(target) or target in self.makeable or not self.has_rule(target):
            return False
        if path.is_relative_to(self.results / "groups"):
            label = path.parent.relative_to(self.results / "groups").as_posix()
            return bool(finished_cells(self.results, Group.of(label)))
        return path.is_relative_to(self.results / "runs")

    def _why_kept(self, target: str) -> str | None:
        """Say why a file that is there is not made again, None if it is."""
        path = Path(target)
        if any(map(path.is_relative_to, self.finished)):
            # A run or a group with its folder, a table by itself.
            whole = path.parent if path.parent in self.finished else path
            return (
                f"{path} is finished, and what is finished is kept; leave it out of the command,"
                f" or remove {whole} to make it again"
            )
        shown = [group for group in self.to_make if path.stem != "control" or group.dataset in self.control_datasets]
        if is_outdated(self.results, path, shown):
            return (
                f"{path} does not show all groups of the grid ({len(shown)} not finished); leave the file out of the"
                " command to make them first, or draw what is there with --config draw_only=true"
            )
        return None if self.has_rule(target) else self._why_not_made(target)

    def _why_not_made(self, target: str) -> str:
        """Say that nothing makes a file, with the nearest one that can be made."""
        path, study = Path(target), self.configuration.study
        if options := self._options_of_another_study(path):
            return (
                f"{target} is of the study {options.parent.name}, expected a file of the study {study}; add"
                f" --configfile {options} --config study={options.parent.name}"
            )
        if self._is_of_the_control(path) and not self.configuration.control.enabled:
            return (
                f"nothing makes {target} in the study {study}, as control.enabled is false, expected true; add"
                ' --config "control={enabled: true}"'
            )
        near = nearest(target, self.makeable)
        advice = f"did you mean {near}?" if near else "correct the path or the study"
        if self.stack and path.is_relative_to(self.results / "runs"):
            axes = ", ".join(self.stack)
            advice = f"add a new cell to the grid, or set training.stack, which is [{axes}], to []; {advice}"
        return f"nothing makes {target} in the study {study}; {advice}"

    def _options_of_another_study(self, path: Path) -> Path | None:
        """Return the options of the study in whose folder a file would lie, if it has begun and is not this one."""
        studies = self.results.parent
        if path.is_relative_to(self.results) or studies not in path.parents:
            return None
        options = studies / path.relative_to(studies).parts[0] / "config.yaml"
        return options if _is_there(options) else None

    def _is_of_the_control(self, path: Path) -> bool:
        """Tell whether a path is a table or a figure of the control."""
        tables, figures = self.results / "tables", self.results / "figures/control"
        return path.parent == figures or path.with_suffix("") == tables / "control"

    def _why_not_trained(self, target: str) -> str | None:
        """Say why the cell of a file outside the grid cannot be trained, None if it can."""
        if self.configuration.draw_only:
            return f"draw_only is true, expected false to make {target}; set it to false"
        folder, dataset, *_ = Path(target).relative_to(self.results).parts
        training = self.configuration.training
        if folder != "runs" or training.epochs_of(dataset) is not None:
            return None
        return f"training.epochs is {training.epochs}, expected a number for {dataset!r}; add it"


def _is_there(target: str | Path) -> bool:
    return os.path.isfile(target)  # noqa: PTH113 - Path's own fails for a long word
