"""The target distributions that a configuration may name, with their parameters; for planning, without scipy."""

import math
from collections.abc import Mapping
from typing import Any

from discrete_vae.config.parameters import check_parameters
from discrete_vae.errors import InputError

# The parameters of each family on 0, 1, ...; a family of counts is truncated to its first K and normalized again.
FAMILIES: dict[str, tuple[str, ...]] = {
    "binomial": ("n", "p", "K"),
    "poisson": ("rate", "K"),
    "negative-binomial": ("r", "p", "K"),
    "table": ("probabilities",),
}
SUM_TOLERANCE = 1e-6


def check_target(key: str, definition: Mapping[str, Any]) -> None:
    """Check that a definition such as ``{family: poisson, rate: 50, K: 100}`` is one of the families.

    The schema has checked the bounds of each parameter. ``key`` is where the definition stands in the configuration,
    for the message.

    Raises:
        InputError: unknown family, a parameter that is missing or of another family, a table that does not sum to one.
    """
    family = definition["family"]
    if family not in FAMILIES:
        raise InputError(f"{key}.family is {family!r}, expected one of {', '.join(FAMILIES)}; correct the name")
    check_parameters(key, family, [name for name in definition if name != "family"], FAMILIES[family])
    if family == "table":
        total = math.fsum(definition["probabilities"])
        if abs(total - 1) > SUM_TOLERANCE:
            raise InputError(f"{key}.probabilities sums to {total:g}, expected 1; correct the table")


def describe(name: str, definition: Mapping[str, Any]) -> str:
    """Return a target in words, such as ``mine: poisson, rate = 50, K = 100``."""
    family = definition["family"]
    parameters = {"K": len(definition["probabilities"])} if family == "table" else definition
    words = [f"{key} = {value}" for key, value in parameters.items() if key != "family"]
    return f"{name}: {', '.join(words if name == family else [family, *words])}"
