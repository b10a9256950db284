"""The table of codes against numbers done by hand."""

import numpy as np
import pandas as pd
from discrete_vae.analysis.codes import summarize_codes, to_markdown


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
    assert "5.00 ± 1.41" in to_markdown(table)


def test_what_a_law_without_quadrature_lacks_is_shown_as_none():
    missing = [np.nan, np.nan]
    table = summarize_codes(bounds("cauchy", kl_of_codes=missing, active_variables=missing, perplexity=missing))
    assert to_markdown(table).splitlines()[2].count("| none") == 3


def test_one_seed_has_no_deviation():
    table = summarize_codes(bounds("gumbel").head(1))
    assert "±" not in to_markdown(table).splitlines()[2]
