"""The table of the fits to all targets."""

import pandas as pd

from discrete_vae.grid.measures import FIT_ERRORS


def summarize_fits(fits: pd.DataFrame) -> pd.DataFrame:
    """Summarize the errors after the last step: mean, lowest and highest over seeds.

    ``fits`` are of `fit.fit`, with the columns ``target`` and ``perturbation``.
    """
    last = fits[fits["step"] == fits["step"].max()]
    functions = {"mean": "mean", "lowest": "min", "highest": "max"}
    columns = {f"{error}_{name}": (error, function) for error in FIT_ERRORS for name, function in functions.items()}
    groups = last.groupby(["target", "perturbation", "temperature"], sort=False)
    table = groups.agg(step=("step", "max"), seeds=("seed", "nunique"), **columns).reset_index()
    return table.round(dict.fromkeys(columns, 6))
