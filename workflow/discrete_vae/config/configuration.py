"""The whole configuration as one typed object, which the Snakefile reads once."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from discrete_vae.config.definitions import LARGEST, PAPER_LAWS, SMALLEST, AnyLaw, Source, Target, definition_of
from discrete_vae.config.options import (
    AXES,
    LARGEST_COUNT,
    Evaluation,
    Model,
    Section,
    Training,
    option,
    required,
)

# Tables are read back as CSV, where a name must not look like a number, a missing value or a truth value. A log's file
# has the names of a dataset and a law, and no file system takes more than 255 characters.
NO_NAME = r"(?!(?i:na|nan|null|none|inf|infinity|true|false)$)"
NO_COLUMN = r"(?!(?:dataset|K|measure|item)$)"  # tables have these columns beside one for each law, or each dataset
END = r"$(?!\n)"  # in Python, $ also stands before a last line break
NAME = rf"^{NO_NAME}{NO_COLUMN}[A-Za-z][A-Za-z0-9._-]{{0,79}}{END}"
STUDY = rf"^{NO_NAME}[A-Za-z][A-Za-z0-9-]{{0,79}}{END}"  # no digit first: Snakemake reads 007 as a number
SHA256 = rf"^[0-9a-f]{{64}}{END}"
PATTERNS = {
    NAME: "a name of at most 80 letters, digits, '.', '_' and '-' that begins with a letter and is no word such as nan"
    " or item",
    STUDY: "a name of at most 80 letters, digits and dashes that begins with a letter and is no word such as nan",
    SHA256: "64 lower-case hexadecimal digits",
}

Name = Annotated[str, Field(pattern=NAME)]
OneOrMore = Field(min_length=1)
Names = Annotated[tuple[str, ...], OneOrMore]
Categories = Annotated[tuple[Annotated[int, Field(ge=2, le=LARGEST_COUNT)], ...], OneOrMore]
Temperatures = Annotated[tuple[Annotated[float, Field(ge=SMALLEST, le=LARGEST)], ...], OneOrMore]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...], OneOrMore]


@dataclass(frozen=True)
class Block(Section):
    """Values of some axes, such as {K: [10], temperature: [1.0]}."""

    dataset: Names | None = option(None, "names defined under datasets")
    K: Categories | None = option(None, "numbers of categories of each variable")
    perturbation: Names | None = option(None, "names defined under perturbations")
    temperature: Temperatures | None = option(None, "temperatures of the relaxation")
    seed: Seeds | None = option(None, "seeds of initial weights, minibatch order and noise")


@dataclass(frozen=True)
class Grid(Section):
    """The experiment. Every combination of these values is one cell, trained once."""

    dataset: tuple[str, ...] = required("names defined under datasets; none for the fits of fitting alone")
    K: Categories = option((10, 30, 50), "numbers of categories of each variable")
    perturbation: Names = option(("gumbel", "normal", "logistic"), "names defined under perturbations")
    temperature: Temperatures = option(
        (0.01, 0.03, 0.07, 0.1, 0.25, 0.4, 0.5, 0.67, 0.85, 1.0),
        "temperatures of the relaxation; the best one is selected on the validation set",
    )
    seed: Seeds = option((775, 776, 777, 778, 779, 780), "seeds of initial weights, minibatch order and noise")
    blocks: tuple[Block, ...] | None = option(
        (),
        "a list of parts such as {dataset: [mnist], K: [10]}; a part inherits the axes that it leaves out, and the"
        " cells of all parts together are run",
    )

    def parts(self) -> list[dict[str, tuple]]:
        """Return the values of each axis for every block, or for the whole grid where there is none."""
        return [
            {axis: getattr(self, axis) if getattr(block, axis) is None else getattr(block, axis) for axis in AXES}
            for block in self.blocks or (Block(),)
        ]

    def values(self, axis: str) -> list[Any]:
        """List the values of an axis in all parts, each once."""
        return list(dict.fromkeys(value for part in self.parts() for value in part[axis]))


@dataclass(frozen=True)
class Control(Section):
    """Does the scale of the noise or its shape make the difference? Comparisons, and gradients of small models."""

    # The codes of the small models can be enumerated, to compare relaxed gradients with exact ones.
    variables: int = option(3, "categorical variables of a small model", ge=1, le=5)
    K: int = option(6, "categories of each", ge=2, le=10)
    hidden: int = option(50, "units in its hidden layers", ge=1)
    epochs: int = option(40, "passes over the training set; enough for its codes to tell the images apart", ge=1)
    images: int = option(50, "validation images whose gradients are measured", ge=1)
    samples: int = option(1000, "draws of the noise", ge=2)
    enabled: bool = option(False, "whether it is made; configs/control.yaml turns it on, with the laws to compare")
    datasets: Names | None = option(None, "datasets of the grid that it is made for, or null for all")


@dataclass(frozen=True)
class Figures(Section):
    """What figures and tables show. A change draws them again, and trains nothing."""

    convergence_temperature: float = option(
        1.0,
        "temperature of the convergence curves, of claim 2 and of the control's training loss; the nearest one with"
        " two noise laws is taken",
        gt=0,
    )


@dataclass(frozen=True)
class Fitting(Section):
    """The other experiment: logits fitted to fixed distributions, with the laws, temperatures and seeds of the grid."""

    steps: int = option(500, "steps of Adam", ge=1)
    samples: int = option(100, "relaxed samples of each step", ge=2)
    learning_rate: float = option(0.05, "step size of Adam", gt=0)
    record_every: int = option(20, "steps between two records of the errors", ge=1)
    enabled: bool = option(False, "whether its figures and table are among the default targets")
    targets: dict[Name, Annotated[Target, Field(discriminator="family")]] = option(
        dict, "definitions of the distributions such as {family: poisson, rate: 50, K: 100}, by name"
    )


@dataclass(frozen=True, kw_only=True)
class Configuration(Section):
    """Every key of config.yaml."""

    study: Annotated[str, Field(pattern=STUDY)] = option("paper", "name of the study; its results are in results/NAME")
    grid: Grid
    datasets: dict[Name, Annotated[Source, Field(discriminator="source")]] = option(
        dict, "definitions of datasets such as {source: torchvision, class: MNIST}, by name"
    )
    perturbations: dict[Name, Annotated[AnyLaw, Field(discriminator="distribution")]] = option(
        dict, "definitions of noise laws such as {distribution: Laplace, loc: 0, scale: 1}, by name"
    )
    model: Model = option(Model, "")
    training: Training = option(Training, "")
    evaluation: Evaluation = option(Evaluation, "")
    control: Control = option(Control, "")
    figures: Figures = option(Figures, "")
    fitting: Fitting = option(Fitting, "")
    draw_only: bool = option(False, "true draws the tables and figures of what is there, and trains nothing")
    mirror: str | None = option(
        None,
        "null, or a directory or base URL that holds the source files under their official names, such as"
        " mnist/train-images-idx3-ubyte.gz",
    )

    @property
    def asked_datasets(self) -> list[str]:
        """The datasets of the grid; none with ``draw_only``."""
        return [] if self.draw_only else self.grid.values("dataset")

    def result_options(self, dataset: str) -> dict[str, dict[str, Any]]:
        """Return the options that determine the result of a dataset's cells, by section, as summaries record them."""
        return {
            "model": self.model.result_options(),
            "training": self.training.of_dataset(dataset).result_options(),
            "evaluation": self.evaluation.result_options(),
        }

    def plain(self) -> dict[str, Any]:
        """Return what a YAML file would say: mappings, lists, texts and numbers."""
        values = ADAPTER.dump_python(self, mode="json", by_alias=True)
        return {**values, "datasets": {name: definition_of(source) for name, source in self.datasets.items()}}


ADAPTER = TypeAdapter(Configuration)

# What a configuration adds its own definitions to.
DEFAULT_DEFINITIONS = {
    "datasets": {
        "mnist": {"source": "torchvision", "class": "MNIST"},
        "fashion-mnist": {"source": "torchvision", "class": "FashionMNIST"},
        "omniglot": {"source": "iwae"},
        "omniglot-resized": {"source": "omniglot"},
        "digits": {"source": "sklearn"},
    },
    "perturbations": PAPER_LAWS,
    "targets": {
        "binomial": {"family": "binomial", "n": 12, "p": 0.3, "K": 13},
        "poisson": {"family": "poisson", "rate": 50, "K": 100},
        "negative-binomial": {"family": "negative-binomial", "r": 50, "p": 0.6, "K": 100},
        "discrete": {"family": "table", "probabilities": [0.22, 0.02, 0.11, 0.02, 0.22, 0.22, 0.02, 0.13, 0.02, 0.02]},
    },
}
