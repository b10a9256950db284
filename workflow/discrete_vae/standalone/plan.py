"""The plan of a machine without Snakemake: groups to make, and all that determines them, as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from discrete_vae.config.definitions import law_of
from discrete_vae.config.options import RESULT_SECTIONS, completed
from discrete_vae.errors import InputError, reading
from discrete_vae.files import write_json
from discrete_vae.grid.alike import option_rows
from discrete_vae.grid.cells import Cell, Group
from discrete_vae.model.network import Architecture

EXPORT_AGAIN = "export it again with `snakemake export_plan`"


@dataclass(frozen=True)
class Plan:
    """What is to be made.

    Attributes:
        study: its name.
        groups: the noise law and the temperature of each cell of a group, by the label of the group.
        laws: definitions of the noise laws by name.
        options: what determines the result of a dataset's cells by section, as summaries record it, by dataset.
        data: the manifest of each dataset.
        importance_samples: codes drawn for each test image.
        keep_models: whether groups keep the weights of their selected models.
        revision, source_sha256: of the source that wrote the plan.
    """

    study: str
    groups: dict[str, list[tuple[str, float]]]
    laws: dict[str, dict[str, Any]]
    options: dict[str, dict[str, dict[str, Any]]]
    data: dict[str, dict[str, Any]]
    importance_samples: int
    keep_models: bool
    revision: str | None
    source_sha256: str

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read a plan.

        Raises:
            InputError: the file is no plan, or was changed so that it is none.
        """
        with reading(path, "a plan that `snakemake export_plan` wrote", EXPORT_AGAIN):
            plan = cls(**json.loads(path.read_text(encoding="utf-8")))
            rows = plan.option_rows()
        if not rows or Path(plan.study).name != plan.study:
            raise InputError(
                f"{path} has no groups, or its study is a path, expected groups and a name; {EXPORT_AGAIN}"
            )
        return plan

    def option_rows(self) -> list[dict[str, Any]]:
        """Return what summaries.csv says of the options of each dataset and law.

        Raises:
            KeyError, TypeError, ValueError: a part of the plan is missing or has another form.
        """
        cells = [cell for label in self.groups for cell in self.cells(Group.of(label))]
        laws = {name: asdict(law_of(definition)) for name, definition in self.laws.items()}
        options = {
            dataset: {section: completed(section, sections[section]) for section in RESULT_SECTIONS}
            | {"samples": self.importance_samples}
            for dataset, sections in self.options.items()
        }
        rows = option_rows(cells, laws=laws, options=options)
        return [{**row, "data_sha256": self.data[row["dataset"]]["sha256"]} for row in rows]

    def cells(self, group: Group) -> list[Cell]:
        """List the cells of a group."""
        return [Cell(group.dataset, group.K, law, tau, group.seed) for law, tau in self.groups[str(group)]]

    def work(self, group: Group) -> int:
        """Count the weights of a group's models, times the training images of all epochs."""
        options, data = self.options[group.dataset], self.data[group.dataset]
        sizes = Architecture(math.prod(data["image_shape"]), categories=group.K, **options["model"])
        weights = sum(inputs * outputs for inputs, outputs in sizes.layers.values())
        return len(self.cells(group)) * weights * data["images"]["train"] * options["training"]["epochs"]

    def chosen(self, prefixes: Sequence[str]) -> list[Group]:
        """List the groups under some prefixes such as mnist/K10, in the order of the prefixes; by default all groups.

        Raises:
            InputError: a prefix without a group.
        """
        if not prefixes:
            return list(map(Group.of, self.groups))
        labels: dict[str, None] = {}
        for prefix in prefixes:
            under = [label for label in self.groups if f"{label}/".startswith(f"{prefix.rstrip('/')}/")]
            if not under:
                raise InputError(
                    f"the plan has no group {prefix}, expected the beginning of one of"
                    f" {', '.join(self.groups)}; correct the name or export the plan again"
                )
            labels.update(dict.fromkeys(under))
        return [Group.of(label) for label in labels]


def write_plan(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write a plan whole, given all attributes of `Plan`.

    Raises:
        InputError: there is nothing to make, or a group has runs of a noise law that is not defined.
    """
    if not content["groups"]:
        raise InputError(
            f"{path} would have no group, expected some that are yet to be made; add cells to the grid, or set"
            " draw_only to false"
        )
    laws = {law: label for label, cells in content["groups"].items() for law, _ in cells}
    for law in sorted(laws.keys() - content["laws"].keys()):
        raise InputError(
            f"perturbations.{law} is not defined, expected the noise law of runs of {laws[law]}; define it as it was"
            " run, or remove those runs"
        )
    write_json(path, content)
