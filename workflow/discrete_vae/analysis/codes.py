"""What the selected models learned: the parts of their loss and the use of their codes, over seeds."""

import pandas as pd

from discrete_vae.analysis.test_losses import with_bounds
from discrete_vae.grid.measures import LOOSENESS, PARTS, USE_OF_CODES

QUANTITIES = (*PARTS, *USE_OF_CODES, *LOOSENESS, "importance_weighted_bound")


def summarize_codes(selection: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Summarize the parts of the loss, the looseness of the IWAE bound and the use of the codes over seeds.

    Returns:
        One row for each dataset, K and perturbation: the mean of each quantity; with the suffix ``_sd`` its sample
        standard deviation; the number of seeds. What older results lack is missing.
    """
    selected = with_bounds(selection.dropna(subset="temperature"), bounds)
    groups = selected.groupby(["dataset", "K", "perturbation"], sort=False)
    means = {name: (name, "mean") for name in QUANTITIES}
    deviations = {f"{name}_sd": (name, "std") for name in QUANTITIES}
    return groups.agg(**means, **deviations, seeds=("seed", "count")).reset_index()
