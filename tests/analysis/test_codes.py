"""The table of codes against numbers done by hand."""

import numpy as np
import pandas as pd
from discrete_vae.analysis.codes import summarize_codes


def bounds(law: str, **values: list[float]) -> pd.DataFrame:
    """Make two seeds of a law, with all quantities alike but those given."""
    quantities = dict.fromkeys(
        ["reconstruction", "kl_of_softmax", "kl_of_codes", "active_variables", "perplexity"], 1.0
    )
    return pd.DataFrame({"dataset": "d", "K": 10, "perturbation": law, "seed": [1, 2], **quantities, **values})


def test_quantities_are_summarized_over_seeds_for_each_law():
    table = summarize_codes(pd.concat([bounds("gumbel", perplexity=[4.0, 6.0]), bounds("normal")]))
    gumbel, normal = table.to_dict("records")
    assert (gumbel["perplexity"], gumbel["perplexity_sd"], gumbel["seeds"]) == (5.0, np.sqrt(2), 2)
    assert (normal["perplexity"], normal["perplexity_sd"], normal["kl_of_codes"]) == (1.0, 0.0, 1.0)


def test_what_is_missing_stays_missing():
    """What a law without quadrature lacks, and the deviation over one seed."""
    missing = [np.nan, np.nan]
    (row,) = summarize_codes(bounds("cauchy", kl_of_codes=missing, perplexity=missing)).to_dict("records")
    assert np.isnan([row["kl_of_codes"], row["kl_of_codes_sd"], row["perplexity"]]).all()
    assert row["reconstruction"] == 1.0
    assert np.isnan(summarize_codes(bounds("gumbel").head(1))["reconstruction_sd"]).all()
