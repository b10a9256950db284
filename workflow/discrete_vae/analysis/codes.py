"""What the selected models learned: the parts of their loss and the use of their codes, over seeds."""

import pandas as pd

from discrete_vae.grid.measures import PARTS, USE_OF_CODES


def summarize_codes(bounds: pd.DataFrame) -> pd.DataFrame:
    """Summarize the parts of the loss and the use of the codes over seeds.

    Returns:
        One row for each dataset, K and perturbation: the mean of each quantity; with the suffix ``_sd`` its sample
        standard deviation; the number of seeds.
    """
    quantities = (*PARTS, *USE_OF_CODES)
    groups = bounds.groupby(["dataset", "K", "perturbation"], sort=False)
    means = {name: (name, "mean") for name in quantities}
    deviations = {f"{name}_sd": (name, "std") for name in quantities}
    return groups.agg(**means, **deviations, seeds=("seed", "count")).reset_index()
