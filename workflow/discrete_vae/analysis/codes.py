"""What the selected models learned: the parts of their loss and the use of their codes, over seeds."""

import pandas as pd

from discrete_vae.analysis.losses import with_bounds
from discrete_vae.grid.measures import LOOSENESS, PARTS, USE_OF_CODES

QUANTITIES = (*PARTS, *USE_OF_CODES, *LOOSENESS, "bound_of_all_samples")


def summarize_codes(selection: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Summarize the parts of the loss, the looseness of the IWAE bound and the use of the codes over seeds.

    Returns:
        One row for each dataset, K and perturbation: the mean of each quantity; with the suffix ``_sd`` its sample
        standard deviation; the numbers of seeds, of seeds whose looseness is known, and of samples. What older results
        lack is missing.
    """
    selected = with_bounds(selection.dropna(subset="temperature"), bounds)
    # Of the same seeds as the bounds of fewer samples, which older results lack.
    of_all = selected["importance_weighted_bound"].where(selected["effective_samples"].notna())
    selected = selected.assign(bound_of_all_samples=of_all)
    groups = selected.groupby(["dataset", "K", "perturbation"], sort=False)
    means = {name: (name, "mean") for name in QUANTITIES}
    deviations = {f"{name}_sd": (name, "std") for name in QUANTITIES}
    counts = {"seeds": ("seed", "count"), "seeds_of_looseness": ("effective_samples", "count")}
    return groups.agg(**means, **deviations, **counts, samples=("samples", "max")).reset_index()
