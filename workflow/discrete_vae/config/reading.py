"""Read a configuration: fill in the defaults, check every key, and say in one line what is wrong."""

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from discrete_vae.config.checks import check, did_you_mean
from discrete_vae.config.configuration import ADAPTER, DEFAULT_DEFINITIONS, PATTERNS, Configuration
from discrete_vae.errors import InputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ANOTHER_NAME = "or choose another name: an overlay adds to the keys that config.yaml has under this one"
# Snakemake's --config gives every value as text, and YAML 1.1 reads 1e-3, without a point, as text.
TRUTH = {"true": True, "True": True, "false": False, "False": False}
FROM_TEXT = {"int_type": int, "float_type": float, "bool_type": TRUTH.__getitem__}
EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a finite number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "tuple_type": "a list",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
}

Place = list[Hashable]


def read(values: Mapping[str, Any], *, check_files: bool = True) -> Configuration:
    """Read a configuration from what Snakemake merged of files and command line.

    Args:
        values: mappings, lists, texts and numbers.
        check_files: whether the files that it names must exist.

    Raises:
        InputError: the first thing that is wrong, in one line.
    """
    try:
        plain = _without_texts_of_null(json.loads(json.dumps(values, default=str)))
        json.dumps(plain, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:  # a date for a key, a list that holds itself, half a character
        raise InputError(
            f"the configuration cannot be read ({error}), expected mappings, lists and texts; correct it"
        ) from None
    if not isinstance(plain, dict):
        raise InputError(f"the configuration is {plain!r}, expected a mapping; correct it")
    for place, name in ((plain, "datasets"), (plain, "perturbations"), (plain.setdefault("fitting", {}), "targets")):
        if isinstance(place, dict) and isinstance(place.setdefault(name, {}), dict):
            place[name] = {**DEFAULT_DEFINITIONS[name], **place[name]}
    configuration = _validated(plain)
    check(configuration, check_files=check_files)
    return configuration


def _validated(values: dict[str, Any]) -> Configuration:
    """Check the type and bounds of every key; texts become numbers where numbers are expected."""
    while True:
        try:
            # As JSON: from it strict pydantic takes mappings for dataclasses and lists for tuples.
            return ADAPTER.validate_json(json.dumps(values))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            converted = [_convert(values, detail) for detail in errors]
            if not any(converted):
                raise InputError(_describe(values, errors)) from None


def _without_texts_of_null(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _without_texts_of_null(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_without_texts_of_null(value) for value in values]
    return None if values in ("null", "~") else values


def _convert(values: dict[str, Any], error: "ErrorDetails") -> bool:
    """Replace a text by the number or truth value that is expected; False where it is none."""
    if not isinstance(error["input"], str) or error["type"] not in FROM_TEXT:
        return False
    *parents, last = _place(values, error)
    for step in parents:
        values = values[step]
    try:
        values[last] = FROM_TEXT[error["type"]](error["input"])
    except (ValueError, KeyError):
        return False
    return True


def _place(values: Any, error: "ErrorDetails") -> Place:
    """Return the keys that lead to an error: its location, less the tags that pydantic adds to it."""
    place: Place = []
    for step in error["loc"]:
        if (isinstance(values, dict) and step in values) or (isinstance(values, list) and isinstance(step, int)):
            values = values[step]
            place.append(step)
    return [*place, error["loc"][-1]] if error["type"] == "missing" else place


def _first_place(values: dict[str, Any], errors: list["ErrorDetails"]) -> tuple[Place, list["ErrorDetails"]]:
    """Return the place of the error to describe, and all errors there."""
    # An unknown key comes first: it may be a misspelled one that is missing, or of an overlaid definition.
    errors = sorted(errors, key=lambda error: error["type"] != "unexpected_keyword_argument")
    places = [_place(values, error) for error in errors]
    # Of a union, the alternative that the value comes closest to.
    place = max((place for place in places if place[: len(places[0])] == places[0]), key=len)
    return place, [error for error, at in zip(errors, places, strict=True) if at == place]


def _describe(values: dict[str, Any], errors: list["ErrorDetails"]) -> str:
    place, there = _first_place(values, errors)
    key, kind, context, given = spell(place), there[0]["type"], there[0].get("ctx", {}), there[0]["input"]
    in_section = kind in ("missing", "unexpected_keyword_argument")
    meaning, nullable, known = _declaration(values, place[:-1] if in_section else place)
    if kind == "missing":
        field = known.get(place[-1])
        meaning = field.metadata.get("description") if field else ""
        return f"{key} is missing{f', expected {meaning}' if meaning else ''}; add it"
    if kind == "unexpected_keyword_argument":
        advice = did_you_mean(place[-1], known) or "correct or remove it"
        if place[0] in ("datasets", "perturbations") or place[:2] == ["fitting", "targets"]:
            advice += f", {ANOTHER_NAME}"
        return f"{key} is {_spelled(given)}, expected no such key but one of {', '.join(known)}; {advice}"
    if kind.startswith("union_tag"):
        tag = context["discriminator"].strip("'")
        if tag not in given:
            return f"{key}.{tag} is missing; add it"
        names = context["expected_tags"].replace("'", "").split(", ")
        question = did_you_mean(given[tag], names)
        advice = question or "correct the name"
        return f"{key}.{tag} is {_spelled(given[tag])}, expected one of {', '.join(names)}; {advice}"
    if there[0]["loc"][-1] == "[key]":
        return f"{spell(place[:-1])} has the name {given!r}, expected {PATTERNS[context['pattern']]}; rename it"
    expected = list(dict.fromkeys(_expectation(error) for error in there)) + ["null"] * nullable
    meaning = f" ({meaning})" if meaning else ""
    return f"{key} is {_spelled(given)}, expected {' or '.join(expected)}{meaning}; correct it"


def _spelled(value: Any) -> str:
    """Spell a value as a file has it: null, not None."""
    return "null" if value is None else repr(value)


def _expectation(error: "ErrorDetails") -> str:
    context = {
        name: int(bound) if isinstance(bound, float) and bound.is_integer() else bound
        for name, bound in error.get("ctx", {}).items()
    }
    match error["type"]:
        case "literal_error":
            names = context["expected"].replace(" or ", ", ").replace("'", "")
            return f"one of {names}" if "," in names else names
        case "string_pattern_mismatch":
            return PATTERNS[context["pattern"]]
        case "too_short":
            least = context["min_length"]
            return "at least one value" if least == 1 else f"at least {least} values"
    return EXPECTED[error["type"]].format(**context) if error["type"] in EXPECTED else error["msg"]


def _declaration(values: Any, place: Place) -> tuple[str, bool, dict[str, Field]]:
    """Return the meaning of the key at a place, whether it may be null, and the keys of its section by name."""
    kind, annotation, meaning, nullable = Configuration, NoneType, "", False
    for step in place:
        values = values[step] if isinstance(values, dict | list) else None
        field = keys_of(kind).get(step)
        if field:
            annotation, meaning = field.type, field.metadata.get("description")
            meaning = meaning or (field.type.__doc__ if is_dataclass(field.type) else "")
        nullable = bool(field) and NoneType in get_args(annotation)
        kind = _section(annotation, values) or NoneType
    return meaning, nullable, keys_of(kind)


def keys_of(kind: type) -> dict[str, Field]:
    """Return the fields of a section by the name that they have in a file."""
    return {field.metadata.get("alias", field.name): field for field in fields(kind)} if is_dataclass(kind) else {}


def sections_in(annotation: Any) -> Iterator[type]:
    """Yield the sections among the parts of a type."""
    if is_dataclass(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def _section(annotation: Any, values: Any) -> type | None:
    """Return the section that values belong to. In a union the name of its kind tells which."""
    found = list(sections_in(annotation))
    if isinstance(values, dict):
        for kind in found:
            tag, field = next(iter(keys_of(kind).items()))
            if values.get(tag) in get_args(field.type):
                return kind
    return found[0] if len(found) == 1 else None


def spell(place: Iterable[Hashable]) -> str:
    """Spell a place as ``grid.K[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
