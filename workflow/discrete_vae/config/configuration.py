"""Check a configuration against its schema and against itself, and complete it with the defaults."""

import contextlib
import copy
import difflib
import functools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from discrete_vae.config.laws import WITHOUT_CODE_PROBABILITIES, check_law
from discrete_vae.config.parameters import ANOTHER_NAME
from discrete_vae.config.targets import check_target
from discrete_vae.data.sources import BINARIZED_FILE, check_sums
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell, grid_cells, values_of

SCHEMA_FILE = Path(__file__).parents[2] / "config.schema.yaml"


def complete(config: dict[str, Any], *, check_files: bool = True) -> None:
    """Fill in the defaults of the schema and check every key, in place.

    Temperatures and the parameters of noise laws become floats: 1 and 1.0 are one path, and one law.

    Args:
        config: the configuration.
        check_files: whether the files that it names must exist.

    Raises:
        InputError: the first thing that is wrong, in one line.
    """
    schema = _schema()
    if isinstance(config.get("study"), int):  # as --config study=2026 is read
        config["study"] = str(config["study"])
    config.update(_completed(config, schema, schema))
    _check_schema(config, schema)
    grid = config["grid"]
    grid["blocks"] = grid["blocks"] or []
    for axes in (grid, *grid["blocks"]):
        if "temperature" in axes:
            axes["temperature"] = [float(temperature) for temperature in axes["temperature"]]
    for definition in config["perturbations"].values():
        definition.update({key: float(value) for key, value in definition.items() if key != "distribution"})
    for place, axes in (("grid", grid), *((f"grid.blocks[{i}]", block) for i, block in enumerate(grid["blocks"]))):
        _check_defined(f"{place}.dataset", axes.get("dataset", []), config, "datasets")
        _check_defined(f"{place}.perturbation", axes.get("perturbation", []), config, "perturbations")
    _check_stack(config)
    _check_control(config)
    _check_epochs(config)
    for name, definition in config["perturbations"].items():
        check_law(f"perturbations.{name}", definition)
    _check_kl(config)
    for name, definition in config["fitting"]["targets"].items():
        check_target(f"fitting.targets.{name}", definition)
    if check_files:
        _check_paths(config)
    check_sums({name: config["datasets"][name] for name in datasets_of(config)})


def asked_cells(config: Mapping[str, Any]) -> list[Cell]:
    """List the cells that a complete configuration asks for; none where it only draws what is there."""
    return [] if config["draw_only"] else grid_cells(config["grid"])


def datasets_of(config: Mapping[str, Any]) -> list[str]:
    """List the datasets of the cells that a complete configuration asks for."""
    return values_of(asked_cells(config), "dataset")


def with_defaults(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section of the configuration with the defaults of the schema filled in."""
    return _completed(dict(values), _schema()["properties"][section], _schema())


@functools.cache
def _schema() -> Mapping[str, Any]:
    return yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))


def _completed(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return a value with its schema's defaults, and with texts read as numbers, booleans or null where expected."""
    schema = _resolve(schema, root)
    if isinstance(value, str):
        return _parsed(value, schema)
    if isinstance(value, list):
        return [_completed(item, schema.get("items"), root) for item in value]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        defaults = {key: _resolve(subschema, root).get("default", ...) for key, subschema in properties.items()}
        filled = {key: copy.deepcopy(default) for key, default in defaults.items() if default is not ...}
        for key, item in value.items():
            adds_to_default = isinstance(item, dict) and isinstance(filled.get(key), dict)
            filled[key] = {**filled[key], **item} if adds_to_default else item
        return {
            key: _completed(item, properties.get(key, schema.get("additionalProperties")), root)
            for key, item in filled.items()
        }
    return value


def _parsed(text: str, schema: Mapping[str, Any]) -> Any:
    # Snakemake's --config gives every value as text, and YAML 1.1 reads 1e-3, without a point, as text.
    types = schema.get("type", [])
    if "null" in types and text in ("null", "~"):
        return None
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    for name, convert in (("integer", int), ("number", float)):
        if name in types:
            with contextlib.suppress(ValueError):
                return convert(text)
    return text


def _resolve(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, dict) or "$ref" not in schema:
        return schema if isinstance(schema, dict) else {}
    definition = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return {**definition, **schema}


def _check_schema(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    errors = list(_validator(schema).iter_errors(config))
    if errors:
        raise InputError(_describe(min(errors, key=lambda error: [str(step) for step in error.absolute_path])))


def _validator(schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    # JSON Schema takes 3.0 for an integer and lets NaN through every bound; a path or a range would not survive either.
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            ),
        }
    )
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)(schema)


def _describe(error: jsonschema.ValidationError) -> str:
    key = _key(error.absolute_path) or "the configuration"
    if error.validator == "additionalProperties":
        return _describe_unknown(error)
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        meaning = error.schema.get("properties", {}).get(missing, {})
        meaning = meaning.get("description", "") if isinstance(meaning, dict) else ""
        return f"{_key([*error.absolute_path, missing])} is missing{f', expected {meaning}' if meaning else ''}; add it"
    expected = _expectation(error)
    if "propertyNames" in error.absolute_schema_path:
        return f"{key} has the name {error.instance!r}, expected {expected}; rename it"
    meaning = " ".join(error.schema.get("description", "").split())
    return f"{key} is {error.instance!r}, expected {expected}{f' ({meaning})' if meaning else ''}; correct it"


def _describe_unknown(error: jsonschema.ValidationError) -> str:
    known = list(error.schema["properties"])
    unknown = next(name for name in error.instance if name not in known)
    value = error.instance[unknown]
    advice = _did_you_mean(unknown, known) or "correct or remove it"
    if error.absolute_path and error.absolute_path[0] == "datasets":
        advice += f", {ANOTHER_NAME}"
    key = _key([*error.absolute_path, unknown])
    return f"{key} is {value!r}, expected no such key but one of {', '.join(known)}; {advice}"


def _expectation(error: jsonschema.ValidationError) -> str:
    bound = error.validator_value
    match error.validator:
        case "type":
            return " or ".join(_TYPE_NAMES[name] for name in ([bound] if isinstance(bound, str) else bound))
        case "minimum":
            return f"at least {bound}"
        case "maximum":
            return f"at most {bound}"
        case "exclusiveMinimum":
            return f"a number above {bound}"
        case "exclusiveMaximum":
            return f"a number below {bound}"
        case "enum":
            return f"one of {', '.join(map(str, bound))}"
        case "uniqueItems":
            return "every value once"
        case "minItems":
            return "at least one value" if bound == 1 else f"at least {bound} values"
        case "pattern":
            return error.schema["title"]
    return error.message


_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "null": "null",
}


def _key(path: Iterable[str | int]) -> str:
    key = ""
    for step in path:
        key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else str(step)
    return key


def _did_you_mean(given: str, known: Iterable[str]) -> str:
    """Ask for the closest known name; empty where none is close."""
    close = difflib.get_close_matches(str(given), list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _check_defined(key: str, names: Iterable[str], config: Mapping[str, Any], definitions: str) -> None:
    known = config[definitions]
    for name in names:
        if name not in known:
            question = _did_you_mean(name, known)
            raise InputError(
                f"{key} has {name!r}, expected a name defined under {definitions} ({', '.join(known)});"
                f" define it there or correct the name{question and f' ({question})'}"
            )


def _check_stack(config: Mapping[str, Any]) -> None:
    grid, stack = config["grid"], config["training"]["stack"]
    for axis in stack:
        values = [block.get(axis, grid[axis]) for block in grid["blocks"]]
        differing = [i for i, of_block in enumerate(values) if of_block != values[0]]
        if differing:
            raise InputError(
                f"grid.blocks[{differing[0]}] has the {axis}s {values[differing[0]]}, expected those of grid.blocks[0],"
                f" {values[0]}, as training.stack has {axis!r}; leave {axis} out of the stack"
            )


def _check_control(config: Mapping[str, Any]) -> None:
    of_the_grid = datasets_of(config)
    outside = [name for name in config["control"]["datasets"] or [] if name not in of_the_grid]
    if outside and of_the_grid:
        raise InputError(
            f"control.datasets has {outside[0]!r}, expected datasets of the grid ({', '.join(of_the_grid)}); add it to"
            " grid.dataset or remove it"
        )


def _check_epochs(config: Mapping[str, Any]) -> None:
    epochs = config["training"]["epochs"]
    if isinstance(epochs, Mapping):
        _check_defined("training.epochs", epochs, config, "datasets")
    for dataset in datasets_of(config):
        training_options(config["training"], dataset)


def _check_kl(config: Mapping[str, Any]) -> None:
    if config["training"]["kl"] != "codes":
        return
    for name in values_of(asked_cells(config), "perturbation"):
        law = config["perturbations"][name]["distribution"]
        if law in WITHOUT_CODE_PROBABILITIES:
            raise InputError(
                f"training.kl is 'codes', expected 'softmax' with {name!r} in grid.perturbation, as the probabilities"
                f" of codes under {law} noise are not known; set it to softmax or leave {name!r} out"
            )


def _check_paths(config: Mapping[str, Any]) -> None:
    mirror = config["mirror"]
    if mirror is not None and "://" not in mirror and not (mirror and Path(mirror).is_dir()):
        raise InputError(
            f"mirror is {mirror!r}, expected an existing directory or a base URL; correct it or set it to null"
        )
    made = [BINARIZED_FILE.format(dataset=dataset) for dataset in config["datasets"]]
    for name in datasets_of(config):
        definition = config["datasets"][name]
        if definition["source"] != "npz":
            continue
        path = Path(definition["path"])
        if not path.is_file():
            raise InputError(
                f"datasets.{name}.path is {definition['path']!r}, expected an existing .npz file, and there is none at"
                f" {path.resolve()}; correct the path"
            )
        if path.resolve() in [Path(file).resolve() for file in made]:
            raise InputError(
                f"datasets.{name}.path is {definition['path']!r}, expected a file other than those that the pipeline"
                f" makes and would overwrite ({', '.join(made)}); move yours"
            )


def epochs_of(training: Mapping[str, Any], dataset: str) -> int | None:
    """Return the number of epochs of a dataset, or None where ``epochs`` names other datasets only."""
    epochs = training["epochs"]
    return epochs.get(dataset) if isinstance(epochs, Mapping) else epochs


def training_options(training: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Return those options of the section ``training`` that determine the result of a dataset's cells.

    Raises:
        InputError: ``epochs`` names datasets and not this one.
    """
    epochs = epochs_of(training, dataset)
    if epochs is None:
        raise InputError(
            f"training.epochs is {training['epochs']!r}, expected a number for every dataset; add {dataset!r}"
        )
    names = ("patience", "batch_size", "learning_rate", "kl", "annealing", "matmul_precision")
    return {"epochs": epochs} | {name: training[name] for name in names}


def result_options(config: Mapping[str, Any], dataset: str) -> dict[str, dict[str, Any]]:
    """Return the options that determine the result of a dataset's cells, in their sections."""
    return {
        "model": config["model"],
        "training": training_options(config["training"], dataset),
        "evaluation": {name: config["evaluation"][name] for name in ("validation_samples", "selection_samples")},
    }


def fit_definition(config: Mapping[str, Any], target: str, perturbation: str) -> dict[str, Any]:
    """Return all that determines the fits of a target with a noise law, but for temperatures and seeds."""
    options = {option: config["fitting"][option] for option in ("steps", "samples", "learning_rate", "record_every")}
    return {
        "target": config["fitting"]["targets"][target],
        "law": config["perturbations"][perturbation],
        "options": options,
    }


def gpus_per_job(device: str) -> int:
    """Return how many GPUs a job asks for: with ``auto``, one where this machine has an NVIDIA driver."""
    return int(device == "cuda" or (device == "auto" and Path("/dev/nvidiactl").exists()))
