"""The noise laws that a configuration may name, with their parameters; without torch, so that planning needs none."""

from collections.abc import Mapping

from discrete_vae.config.parameters import check_parameters
from discrete_vae.errors import InputError

REAL, POSITIVE, UNIT_INTERVAL = "a real number", "a positive number", "a number between 0 and 1"

# The univariate continuous laws of torch.distributions with plain numbers for parameters, and Logistic, which
# discrete_vae.perturbations adds. A test compares the table with torch.
LAWS: dict[str, dict[str, str]] = {
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

# Without a distribution function in torch, or with tails or an edge that quadrature does not resolve, whatever the
# parameters: the probabilities of their codes are not known, so that there is no bound. A test compares this with the
# quadrature.
WITHOUT_CODE_PROBABILITIES = {
    "Beta",
    "Cauchy",
    "FisherSnedecor",
    "GeneralizedPareto",
    "HalfCauchy",
    "Pareto",
    "StudentT",
    "VonMises",
}


# Parameters that move or stretch a law; the others say its shape.
LOCATION_AND_SCALE = {"loc", "scale", "rate", "low", "high"}


def shape(definition: Mapping[str, str | float]) -> dict[str, str | float]:
    """Return what two laws have in common that differ in location and scale only: distribution and other parameters."""
    # The logarithm turns a scale into a location, and a power into a scale.
    location_and_scale = {"loc"} if definition["distribution"] == "LogNormal" else LOCATION_AND_SCALE
    return {key: value for key, value in definition.items() if key not in location_and_scale}


def check_law(key: str, definition: Mapping[str, str | float]) -> None:
    """Check that a definition such as ``{distribution: Normal, loc: 0, scale: 1}`` is one of the laws.

    ``key`` is where the definition stands in the configuration, for the message.

    Raises:
        InputError: unknown law, a parameter that is missing, unknown or out of its bounds.
    """
    name = definition["distribution"]
    parameters = {parameter: value for parameter, value in definition.items() if parameter != "distribution"}
    if name not in LAWS:
        raise InputError(f"{key}.distribution is {name!r}, expected one of {', '.join(LAWS)}; correct the name")
    expected = LAWS[name]
    check_parameters(key, name, parameters, expected)
    for parameter, bounds in expected.items():
        _check_bounds(f"{key}.{parameter}", parameters[parameter], bounds)
    if name == "Uniform" and parameters["low"] >= parameters["high"]:
        raise InputError(
            f"{key}.high is {parameters['high']}, expected a number above low, {parameters['low']}; correct one of them"
        )


def _check_bounds(key: str, value: float, bounds: str) -> None:
    within = {REAL: True, POSITIVE: value > 0, UNIT_INTERVAL: 0 < value < 1}[bounds]
    if not within:
        raise InputError(f"{key} is {value}, expected {bounds}; correct it")
