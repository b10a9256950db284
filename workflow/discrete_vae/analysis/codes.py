"""The table of codes: what the selected models learned, as the parts of their loss and the use of their codes."""

import pandas as pd

from discrete_vae.grid.measures import ACTIVE_INFORMATION

QUANTITIES = {
    "reconstruction": "reconstruction (nats)",
    "kl_of_softmax": "KL of softmax (nats)",
    "kl_of_codes": "KL of codes (nats)",
    "active_variables": "active variables",
    "perplexity": "perplexity of categories",
}


def summarize_codes(bounds: pd.DataFrame) -> pd.DataFrame:
    """Summarize over seeds what the selected models learned.

    Args:
        bounds: what `bounds.evaluate_selected` returns.

    Returns:
        One row for each dataset, K and perturbation: for each of QUANTITIES its mean and, with the suffix ``_sd``, its
        sample standard deviation over seeds, and the number of seeds.
    """
    groups = bounds.groupby(["dataset", "K", "perturbation"], sort=False)
    means = {name: (name, "mean") for name in QUANTITIES}
    deviations = {f"{name}_sd": (name, "std") for name in QUANTITIES}
    return groups.agg(**means, **deviations, seeds=("seed", "count")).reset_index()


def to_markdown(table: pd.DataFrame) -> str:
    """Lay the table out in Markdown."""

    def entry(mean: float, sd: float) -> str:
        if pd.isna(mean):
            return "none"
        return f"{mean:.2f}" if pd.isna(sd) else f"{mean:.2f} ± {sd:.2f}"

    shown = table[["dataset", "K", "perturbation", "seeds"]].copy()
    for name, heading in QUANTITIES.items():
        shown[heading] = [entry(*pair) for pair in zip(table[name], table[f"{name}_sd"], strict=True)]
    return (
        f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n"
        "- means over the test images, of the selected models; ± standard deviation over seeds\n"
        f"- active variables: those with more than {ACTIVE_INFORMATION} nats of mutual information with the image\n"
        "- perplexity: exp of the entropy of a variable's categories over all images, averaged over variables;\n"
        "  K where all categories are used alike\n"
        "- none: the law allows no quadrature of the probabilities of its codes\n"
    )
