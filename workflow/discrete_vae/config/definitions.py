"""What a configuration defines by name: noise laws, datasets and target distributions. Nothing here needs pydantic."""

import functools
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, make_dataclass
from typing import Any, Literal

from discrete_vae.config.options import Section, option, required

URL = ("http://", "https://")  # a mirror that begins so is no folder
PAPER_LAWS = {
    name: {"distribution": name.capitalize(), "loc": 0, "scale": 1} for name in ("gumbel", "normal", "logistic")
}
# Within what float32 can tell apart beside logits: the noise of a scale of 1e-60 would be constant.
SMALLEST, LARGEST = 1e-6, 1e6
REAL, POSITIVE = {"ge": -LARGEST, "le": LARGEST}, {"ge": SMALLEST, "le": LARGEST}
UNIT_INTERVAL = {"gt": 0, "lt": 1}

# The univariate continuous laws of torch.distributions whose parameters are plain numbers, and Logistic, which
# discrete_vae.model.noise adds. A test compares the table with torch.
PARAMETERS: dict[str, dict[str, dict[str, float]]] = {
    "Beta": {"concentration1": POSITIVE, "concentration0": POSITIVE},
    "Cauchy": {"loc": REAL, "scale": POSITIVE},
    "Chi2": {"df": POSITIVE},
    "ContinuousBernoulli": {"probs": UNIT_INTERVAL},
    "Exponential": {"rate": POSITIVE},
    "FisherSnedecor": {"df1": POSITIVE, "df2": POSITIVE},
    "Gamma": {"concentration": POSITIVE, "rate": POSITIVE},
    "GeneralizedPareto": {"loc": REAL, "scale": POSITIVE, "concentration": REAL},
    "Gumbel": {"loc": REAL, "scale": POSITIVE},
    "HalfCauchy": {"scale": POSITIVE},
    "HalfNormal": {"scale": POSITIVE},
    "InverseGamma": {"concentration": POSITIVE, "rate": POSITIVE},
    "Kumaraswamy": {"concentration1": POSITIVE, "concentration0": POSITIVE},
    "Laplace": {"loc": REAL, "scale": POSITIVE},
    "LogNormal": {"loc": REAL, "scale": POSITIVE},
    "Logistic": {"loc": REAL, "scale": POSITIVE},
    "Normal": {"loc": REAL, "scale": POSITIVE},
    "Pareto": {"scale": POSITIVE, "alpha": POSITIVE},
    "StudentT": {"df": POSITIVE, "loc": REAL, "scale": POSITIVE},
    "Uniform": {"low": REAL, "high": REAL},
    "VonMises": {"loc": REAL, "concentration": POSITIVE},
    "Weibull": {"scale": POSITIVE, "concentration": POSITIVE},
}


@dataclass(frozen=True)
class Law(Section):
    """A noise law: its name in torch.distributions, and in a subclass for each law its parameters."""

    distribution: str


LAWS: dict[str, type[Law]] = {
    name: make_dataclass(
        name,
        [
            ("distribution", Literal[name]),
            *((parameter, float, required(**bounds)) for parameter, bounds in parameters.items()),
        ],
        bases=(Law,),
        frozen=True,
    )
    for name, parameters in PARAMETERS.items()
}


AnyLaw = functools.reduce(operator.or_, LAWS.values())  # their union


def law_of(definition: Mapping[str, Any]) -> Law:
    """Make a law of a definition such as ``{distribution: Normal, loc: 0, scale: 1}`` that has been checked."""
    return LAWS[definition["distribution"]](**definition)


def spell_law(name: str, parameters: Mapping[str, float]) -> str:
    """Spell a law with its parameters, such as "LogNormal(loc 0, scale 1)"."""
    return f"{name}({', '.join(f'{parameter} {value:g}' for parameter, value in parameters.items())})"


OWN_SUMS = "SHA-256 of the decompressed content by file name, for source files of your own"


@dataclass(frozen=True)
class Torchvision(Section):
    """A class of torchvision.datasets with MNIST's files."""

    source: Literal["torchvision"]
    dataset_class: Literal["MNIST", "FashionMNIST", "KMNIST"] = required("class of torchvision.datasets", alias="class")
    sha256: dict[str, str] = option(dict, OWN_SUMS)


@dataclass(frozen=True)
class Omniglot(Section):
    """The IWAE repository's 28x28 chardata.mat (``iwae``), or torchvision's 105x105 archives resized (``omniglot``)."""

    source: Literal["iwae", "omniglot"]
    sha256: dict[str, str] = option(dict, OWN_SUMS)


@dataclass(frozen=True)
class Digits(Section):
    """The 8x8 digits that come with scikit-learn."""

    source: Literal["sklearn"]


@dataclass(frozen=True)
class OwnFile(Section):
    """A file of your own."""

    source: Literal["npz"]
    path: str = required(
        "an .npz file with the arrays train, validation and test of 0 and 1, each images x height x width"
    )


Source = Torchvision | Omniglot | Digits | OwnFile
SOURCES = {"torchvision": Torchvision, "iwae": Omniglot, "omniglot": Omniglot, "sklearn": Digits, "npz": OwnFile}


def source_of(definition: Mapping[str, Any]) -> Source:
    """Make a source of a definition such as ``{source: torchvision, class: MNIST}`` that has been checked."""
    options = {"dataset_class" if key == "class" else key: value for key, value in definition.items()}
    return SOURCES[definition["source"]](**options)


def definition_of(source: Source) -> dict[str, Any]:
    """Return the definition of a source, as `source_of` takes it. Options that are empty are left out."""
    options = {key: value for key, value in asdict(source).items() if value != {}}
    return {"class" if key == "dataset_class" else key: value for key, value in options.items()}


def without_place(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a source's definition where an own file lies: its content tells it from others."""
    return {key: value for key, value in definition.items() if key != "path"}


@dataclass(frozen=True)
class Binomial(Section):
    """The binomial law, truncated to 0, ..., K - 1."""

    family: Literal["binomial"]
    n: int = required("trials", ge=1)
    p: float = required("probability of success", gt=0, lt=1)
    K: int = required("number of categories", ge=2)


@dataclass(frozen=True)
class Poisson(Section):
    """The Poisson law, truncated to 0, ..., K - 1."""

    family: Literal["poisson"]
    rate: float = required("mean before truncation", gt=0)
    K: int = required("number of categories", ge=2)


@dataclass(frozen=True)
class NegativeBinomial(Section):
    """The number of failures before r successes, truncated to 0, ..., K - 1."""

    family: Literal["negative-binomial"]
    r: float = required("successes that end the trials", gt=0)
    p: float = required("probability of success", gt=0, lt=1)
    K: int = required("number of categories", ge=2)


@dataclass(frozen=True)
class Table(Section):
    """Probabilities that sum to one."""

    family: Literal["table"]
    probabilities: tuple[float, ...] = required("probabilities of the categories", min_length=2)


Target = Binomial | Poisson | NegativeBinomial | Table
