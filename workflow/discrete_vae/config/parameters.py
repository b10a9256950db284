"""The parameters that a definition of the configuration must have and may have."""

from collections.abc import Collection, Iterable

from discrete_vae.errors import InputError

ANOTHER_NAME = "or choose another name, as an overlay adds to what config.yaml defines under this one"


def check_parameters(key: str, family: str, given: Iterable[str], expected: Collection[str]) -> None:
    """Check that a definition has every parameter of its family and no other.

    Args:
        key: where the definition stands in the configuration, for the message.
        family: of laws or distributions, likewise.
        given: names of its parameters.
        expected: names of the family's.

    Raises:
        InputError: a parameter is missing or of another family.
    """
    given = list(given)
    for parameter in given:
        if parameter not in expected:
            raise InputError(
                f"{key}.{parameter} is not a parameter of {family}, expected {', '.join(expected)};"
                f" correct or remove it, {ANOTHER_NAME}"
            )
    for parameter in expected:
        if parameter not in given:
            raise InputError(f"{key}.{parameter} is missing, expected it as {family} needs one; add it")
