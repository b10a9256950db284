"""The options of a model, its training and its evaluation. Nothing here needs pydantic."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, replace
from typing import Any, Literal, Self

LARGEST_COUNT = 10**9  # upper bound of every count, so that a misprint is reported before a job starts
AXES = ("dataset", "K", "perturbation", "temperature", "seed")  # of the grid
HOW_TO_TRAIN = ("device", "stack", "cuda_graph", "fused_kernels")  # options of the training that determine no result
AUTO_STACK = ("temperature", "perturbation")  # of a job on a GPU: all cells of a group


class Section:
    """A part of the configuration: pydantic refuses unknown keys, numbers as texts, and infinite numbers in it."""

    __pydantic_config__ = {  # noqa: RUF012
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
        "regex_engine": "python-re",
    }

    decides_nothing = ()  # options that determine no training

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the section of plain values; an option that is missing has its default."""
        return cls(**values)

    def result_options(self) -> dict[str, Any]:
        """Return the options that determine the result of a training."""
        return {name: value for name, value in asdict(self).items() if name not in self.decides_nothing}


def option(default: Any, description: str, **bounds: float | str) -> Any:
    """Declare a field with a default or a function that makes it, its meaning, and its bounds in pydantic's words."""
    values = {"default_factory": default} if callable(default) else {"default": default}
    if isinstance(bounds.get("ge"), int):
        bounds.setdefault("le", LARGEST_COUNT)
    return field(**values, metadata={"description": description, **bounds})


def required(description: str = "", **bounds: float | str) -> Any:
    """Declare a field without a default, with its meaning and bounds."""
    return option(MISSING, description, **bounds)


@dataclass(frozen=True)
class Model(Section):
    """The variational autoencoder."""

    variables: int = option(10, "number N of categorical variables", ge=1)
    hidden: int = option(300, "units in the hidden layer of the encoder and of the decoder", ge=1)


@dataclass(frozen=True)
class Annealing(Section):
    """The schedule max(temperature * exp(-rate * step), minimum), held for ``interval`` steps at a time."""

    rate: float = option(0.00001, "decay of the log temperature per step", gt=0)
    minimum: float = option(0.1, "lowest temperature after the first interval", gt=0)
    interval: int = option(1000, "steps between two updates of the temperature", ge=1)


@dataclass(frozen=True)
class Training(Section):
    """How a cell is trained."""

    decides_nothing = HOW_TO_TRAIN

    epochs: int | dict[str, int] = option(
        300, "passes over the training set: a number, or one for each dataset, such as {mnist: 50, omniglot: 300}"
    )
    patience: int | None = option(
        None, "null for all epochs; a number stops a cell whose validation loss has not fallen for so many epochs", ge=1
    )
    batch_size: int = option(100, "images in a minibatch; the last, shorter one of an epoch is kept", ge=1)
    learning_rate: float = option(0.001, "step size of Adam", gt=0)
    kl: Literal["softmax", "codes"] = option(
        "softmax",
        "KL of the loss: softmax is the paper's KL(softmax(logits) || uniform); codes makes the loss a bound for every"
        " noise law",
    )
    annealing: Annealing | None = option(None, "null for a constant temperature, or a schedule")
    matmul_precision: Literal["highest", "high"] = option(
        "high",
        "of float32 matrix products on a GPU (torch.set_float32_matmul_precision); high allows TensorFloat32, which is"
        " faster and rounds more; a CPU always has the highest",
    )
    device: Literal["auto", "cpu", "cuda"] = option(
        "auto",
        "where to train, evaluate and measure gradients; auto uses a GPU if the job asks for one, as jobs do on a"
        " machine with a GPU",
    )
    stack: Literal["auto"] | tuple[Literal["temperature", "perturbation", "seed"], ...] = option(
        "auto",
        "axes of the grid whose cells one job trains side by side, [] for one job a cell; auto is [temperature,"
        " perturbation], a group, on a GPU, and [] on a CPU or for cells asked for by name",
    )
    cuda_graph: bool = option(
        True,
        "on a GPU, capture the training step as a CUDA graph; false launches its kernels one by one, which is slower",
    )
    fused_kernels: bool = option(
        False,
        "on a GPU, use two Triton kernels, which move fewer bytes and round differently; no GPU has run them yet",
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the section of plain values; an option that is missing has its default."""
        annealing = values.get("annealing")
        return cls(**{**values, "annealing": Annealing(**annealing) if annealing else None})

    def gpus_per_job(self, here: int) -> int:
        """GPUs that a job asks for, on a machine where jobs can ask for this many."""
        return {"cpu": 0, "cuda": 1, "auto": here}[self.device]

    def epochs_of(self, dataset: str) -> int | None:
        """Return the epochs of a dataset, or None where ``epochs`` names other datasets only."""
        return self.epochs if isinstance(self.epochs, int) else self.epochs.get(dataset)

    def of_dataset(self, dataset: str) -> Self:
        """Return the section with the epochs of one dataset; they are None if ``epochs`` names other datasets only."""
        return replace(self, epochs=self.epochs_of(dataset))

    def how_to_train(self) -> dict[str, Any]:
        """Return the options that determine no result."""
        return {name: getattr(self, name) for name in HOW_TO_TRAIN}


def uses_gpu(device: str, gpus: int) -> bool:
    """Tell whether a job computes on a GPU, given ``training: device`` and the GPUs that it asks for."""
    return device == "cuda" or (device == "auto" and gpus >= 1)


@dataclass(frozen=True)
class Evaluation(Section):
    """Monte-Carlo samples of the discrete codes, per image."""

    decides_nothing = ("importance_samples", "keep_models")

    validation_samples: int = option(10, "on the validation set after every epoch, with the same noise", ge=1)
    selection_samples: int = option(
        100, "on the validation set at the best epoch of a run; this loss selects the temperature", ge=1
    )
    importance_samples: int = option(
        1000, "on the test set for the selected models, once, for all of their losses", ge=1
    )
    keep_models: bool = option(
        False, "whether each new group keeps the weights of its selected models, 2 to 3 MB each, in models.pt"
    )


# What determines the result of a cell, beside its images and its noise law.
RESULT_SECTIONS = {"model": Model, "training": Training, "evaluation": Evaluation}


def completed(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of options that did not exist when the values of a result section were recorded.

    It takes and returns plain JSON.
    """
    return json.loads(json.dumps(RESULT_SECTIONS[section].of(values).result_options()))


def options_of(run: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what determines the result of a row of summaries, by section."""
    return {section: completed(section, json.loads(run[section])) for section in RESULT_SECTIONS}
