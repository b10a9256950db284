"""Tables in Markdown: their one layout, and in it the claims, what the models learned, and the costs."""

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from discrete_vae.analysis import claims
from discrete_vae.grid.measures import ACTIVE_INFORMATION

HEADINGS_OF_CODES = {
    "reconstruction": "reconstruction (nats)",
    "kl_of_softmax": "KL of softmax (nats)",
    "kl_of_codes": "KL of codes (nats)",
    "active_variables": "active variables",
    "perplexity": "perplexity of categories",
}
NO_COMPARISON = "No comparison: the grid lacks Normal(0, 1) noise or another law to compare it with."
HEADINGS_OF_LOOSENESS = {
    "bound_of_10_samples": "IWAE bound of 10 samples (nats)",
    "bound_of_100_samples": "of 100",
    "bound_of_all_samples": "of all",
    "effective_samples": "effective samples",
}
NOTES_ON_LOOSENESS = (
    "how loose the IWAE bound is: while it still falls with more samples, it is above the negative log-likelihood. Two"
    " laws whose bounds fall by different amounts cannot be compared by it alone",
    "effective samples: (sum of the importance weights)^2 / sum of their squares, averaged over the test images",
    "not evaluated: these results are older than the measure, quadrature does not serve the law, or fewer samples were"
    " drawn than the column needs",
)
NOT_EVALUATED = "not evaluated"
RULES = (
    "the verdicts follow the analysis plan of 2026-11-28. docs/method.md has it, and the results known by then. The"
    " paper loss is the primary measure, negative ELBO and IWAE bound are secondary",
    "difference: law, which is Normal(0, 1) noise, minus other, in nats per image or epochs, averaged over n paired"
    " seeds. interval: 95%, by Student's t. p: of the paired t test. Holm: p adjusted over the laws compared at one"
    " dataset, K and measure",
    "lower: the difference is below zero, with p at most 0.05. higher: it is above zero, with Holm's p at most 0.05."
    " level, of test losses only: neither, and its 90% interval lies within 1 nat, though the 95% interval may reach"
    " beyond. open: everything else",
    "supported at a dataset and K: all comparisons are lower, and for claim 1 both other laws of the paper are"
    " compared. contradicted: one is higher. level: all are lower or level, but not all lower",
    "contradicted as a whole: one comparison is higher, and its p is at most 0.05 also after Holm's adjustment over all"
    " comparisons of the claim under that measure (Holm of all)",
    f"the plan asks for {claims.PLANNED_SEEDS} seeds. A verdict of fewer seeds is interim. Earlier looks at interim"
    " verdicts are not adjusted for",
    "understated KL: how much more KL the paper loss leaves out for Normal noise than for the other law. Add it to a"
    " difference in paper loss, and you have the difference in negative ELBO, a true bound",
    "image s.e.: standard error of the difference over the test images, for these seeds",
)
RULES_OF_CLAIMS = {
    claims.BEST_BY_ELBO.name: "it is not in the plan, and judged by the same rules",
    claims.CONVERGENCE.name: (
        "for all three measures of the training loss, Holm's adjustment is over all of their comparisons"
    ),
}
RULES_OF_CONVERGENCE = (
    "claim 2 compares the loss curves, averaged over all images. At each dataset and K, it takes the temperature"
    " nearest to {temperature} where two laws were run. Part of a difference may come from the variance of the noise"
    " (docs/control.md)",
    "a run that never reaches Gumbel's loss counts all its epochs. The difference is then a lower bound, and open",
)
CHECKS = (
    "p of level: of the paired TOST with a margin of 1 nat, which decides level. The others decide no verdict. Welch:"
    " seeds taken as independent. Sign flip: exact, over seeds. Correlation: of both laws over seeds",
)
HEADINGS_OF_COMPARISONS = {
    "understated_kl": "understated KL",
    "image_se": "image s.e.",
    "p": "p",
    "p_holm": "Holm",
    "p_holm_of_measure": "Holm of all",
}
HEADINGS_OF_VERDICTS = {"where": "datasets and K", "understated_kl": "understated KL"}
HEADINGS_OF_CHECKS = {
    "p_level": "p of level",
    "p_welch": "Welch",
    "p_sign_flip": "sign flip",
    "correlation": "correlation",
}
FORMATS = {
    **dict.fromkeys(("understated KL", "image s.e.", "correlation"), ".2f"),
    **dict.fromkeys(("p", "Holm", "Holm of all", "p of level", "Welch", "sign flip"), ".2g"),
}
COUNTED = (
    "core-hours: wall time of a job times its threads. GPU-hours: wall time of a job on a GPU",
    "counted: training and evaluation. Each cell of a stack has its share of the job. An interrupted training counts"
    " all its attempts",
    "not counted: what a killed attempt did after its last resume point",
    "not counted either: data, selection, drawing, the control's gradients and the fits. They take minutes in all",
)


def to_markdown(table: pd.DataFrame, notes: Iterable[str] = (), *, formats: Mapping[str, str] | None = None) -> str:
    """Lay a table out in Markdown, with its notes as a list below.

    ``formats`` are for columns of numbers, such as ``.2f``. A missing number is then an empty cell.
    """
    spelled = {column: _formatted(table[column], form) for column, form in (formats or {}).items() if column in table}
    texts = table.assign(**spelled)
    parts = [texts.to_markdown(index=False, disable_numparse=True) + "\n", "".join(f"- {note}\n" for note in notes)]
    return "\n".join(filter(None, parts))


def _formatted(numbers: pd.Series, form: str) -> list[str]:
    return ["" if pd.isna(number) else format(number, form) for number in numbers]


def interval_texts(table: pd.DataFrame) -> list[str]:
    """Spell the intervals ``low`` to ``high`` of a table's rows, with two decimals."""
    return [
        "no interval" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]


def mean_and_deviation(mean: float, deviation: float) -> str:
    """Spell a mean and a standard deviation. Either may be missing."""
    if pd.isna(mean):
        return NOT_EVALUATED
    return f"{mean:.2f}" if pd.isna(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def claims_to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay out the claims, the verdicts with their rules and notes on the runs, and all comparisons."""
    if table.empty:
        return f"{NO_COMPARISON}\n"
    listed = "".join(f"- {name}: {claims.CLAIMS[name].text}\n" for name in table["claim"].unique())
    verdicts = claims.summarize_verdicts(table).rename(columns=HEADINGS_OF_VERDICTS)
    each = _each_comparison(table)
    coordinates = ["claim", "dataset", "K", "measure", "law", "other"]
    compared = each[[*coordinates, "n", "difference", "interval", *HEADINGS_OF_COMPARISONS, "verdict"]]
    checked = each[[*coordinates, *HEADINGS_OF_CHECKS]]
    return "\n".join(
        [
            listed,
            to_markdown(verdicts.fillna(""), [*_rules(set(table["claim"]), temperature), *notes]),
            to_markdown(compared.rename(columns=HEADINGS_OF_COMPARISONS), formats=FORMATS),
            to_markdown(checked.rename(columns=HEADINGS_OF_CHECKS), CHECKS, formats=FORMATS),
        ]
    )


def _rules(names: Collection[str], temperature: float) -> list[str]:
    """List the rules of the verdicts on some claims."""
    has_curves = any(claims.CLAIMS[name] in claims.OF_CONVERGENCE for name in names)
    return [
        *RULES,
        *(f"claim {name}: {rule}" for name, rule in RULES_OF_CLAIMS.items() if name in names),
        *(rule.format(temperature=temperature) for rule in RULES_OF_CONVERGENCE if has_curves),
    ]


def _each_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Spell the difference and interval of each comparison, and say where a loss was not reached."""
    each = table.assign(difference=_formatted(table["difference"], ".2f"), interval=interval_texts(table))
    unreached = table["not_reached"] > 0
    each.loc[unreached, "difference"] = "at least " + each["difference"]
    counts = each.loc[unreached, ["not_reached", "n"]].astype(int).astype(str)
    each.loc[unreached, "verdict"] = "open (not reached in " + counts["not_reached"] + " of " + counts["n"] + ")"
    return each


def codes_to_markdown(table: pd.DataFrame) -> str:
    """Lay out the summary of `codes.summarize_codes`."""
    places = table[["dataset", "K", "perturbation"]]
    codes = places.assign(seeds=table["seeds"], **_means(table, HEADINGS_OF_CODES))
    counts = {"seeds": table["seeds_of_looseness"], "samples": table["samples"].astype(int)}
    looseness = places.assign(**counts, **_means(table, HEADINGS_OF_LOOSENESS))
    notes = (
        "means over the test images, of the selected models. ± is the standard deviation over seeds",
        f"active variables: variables with more than {ACTIVE_INFORMATION} nats of mutual information with the image",
        "perplexity: exp of the entropy of a variable's categories over all images, averaged over variables. It is K if"
        " all categories are used equally",
        "not evaluated: quadrature does not give the code probabilities of this law",
    )
    above = to_markdown(codes, notes if table["kl_of_codes"].isna().any() else notes[:-1])
    return f"{above}\n{to_markdown(looseness, NOTES_ON_LOOSENESS)}"


def _means(table: pd.DataFrame, headings: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        heading: list(map(mean_and_deviation, table[name], table[f"{name}_sd"])) for name, heading in headings.items()
    }


def costs_to_markdown(table: pd.DataFrame) -> str:
    """Lay out the sums of `costs.sum_costs`, with the total in the last row."""
    total = table[["jobs", "core_hours", "gpu_hours"]].sum()
    total_row = pd.DataFrame([{"step": "total", "dataset": "", "K": "", "hardware": "", **total}])
    rows = pd.concat([table.astype({"K": str}), total_row], ignore_index=True).astype({"jobs": int})
    return to_markdown(rows, COUNTED, formats={"core_hours": ".3f", "gpu_hours": ".3f"})
