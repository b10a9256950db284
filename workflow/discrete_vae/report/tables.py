"""Tables in Markdown: their one layout, and in it the claims, what the models learned, and the costs."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pandas as pd

from discrete_vae.analysis import claims
from discrete_vae.grid.measures import ACTIVE_INFORMATION

QUANTITIES = {
    "reconstruction": "reconstruction (nats)",
    "kl_of_softmax": "KL of softmax (nats)",
    "kl_of_codes": "KL of codes (nats)",
    "active_variables": "active variables",
    "perplexity": "perplexity of categories",
}
RULES = (
    "supported: the mean difference over paired seeds is below zero, with p at most 0.05 after Holm's adjustment over"
    " the comparisons of its claim",
    "contradicted: above zero, with the same p",
    "inconclusive: everything else, and always with one seed",
    "as a whole: over what was run. Supported if all comparisons support the claim, contradicted if one contradicts it",
    "no p-value is adjusted for verdicts read before, with fewer seeds",
    f"n: seeds. difference: {claims.CLAIMED} minus the other law, in nats per image or epochs",
    "interval: Student's t at 95% over seeds. p: of the paired t test. Holm: p after the adjustment",
    "image s.e.: standard error of the difference over the test images, for these seeds",
    f"claim 2 compares {claims.CLAIMED} with {claims.REFERENCE} noise at the temperature nearest to {{temperature}}, by"
    " means over all images. At one temperature the relaxed training loss flatters noise of low variance",
    f"a run that never reaches {claims.REFERENCE}'s loss counts all its epochs. The difference is then a lower bound,"
    " so there is no interval and no verdict",
)
COUNTED = (
    "core-hours: wall time of a job times its threads. GPU-hours: wall time of a job on a GPU",
    "counted: training and evaluation. Each cell of a stack has its share of the job. An interrupted training counts"
    " all its attempts",
    "not counted: what a killed attempt did after its last resume point",
    "not counted either: data, selection, drawing, the control's gradients and the fits. They take minutes in all",
)


def to_markdown(
    table: pd.DataFrame, notes: Iterable[str] = (), *, formats: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Lay a table out in Markdown, with its notes as a list below.

    ``formats`` are for columns of numbers, such as ``.2f``. A missing number is then an empty cell.
    """
    texts = table.assign(**{column: _spelled(table[column], form) for column, form in formats.items()})
    parts = [texts.to_markdown(index=False, disable_numparse=True) + "\n", "".join(f"- {note}\n" for note in notes)]
    return "\n".join(filter(None, parts))


def _spelled(numbers: pd.Series, form: str) -> list[str]:
    return ["" if pd.isna(number) else format(number, form) for number in numbers]


def interval_texts(table: pd.DataFrame) -> list[str]:
    """Spell the intervals ``low`` to ``high`` of a table's rows, with two decimals."""
    return [
        "no interval" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        for low, high in zip(table["low"], table["high"], strict=True)
    ]


def mean_and_deviation(mean: float, deviation: float) -> str:
    """Spell a mean and a standard deviation, either of which may be missing."""
    if pd.isna(mean):
        return "none"
    return f"{mean:.2f}" if pd.isna(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def claims_to_markdown(table: pd.DataFrame, *, temperature: float, notes: Iterable[str]) -> str:
    """Lay out the claims, the verdicts with their rules, notes on the runs, and each comparison."""
    if table.empty:
        return f"{claims.NO_COMPARISON}.\n"
    each = table.assign(
        claim=claims.short_names(table["claim"]),
        difference=_spelled(table["difference"], ".2f"),
        interval=interval_texts(table),
    ).rename(columns={"image_se": "image s.e.", "p_holm": "Holm"})
    each.loc[table["not_reached"] > 0, "difference"] = "at least " + each["difference"]
    columns = [*claims.COLUMNS[:7], "interval", "image s.e.", "p", "Holm", "verdict"]
    verdicts = claims.summarize_verdicts(table)
    number = verdicts[claims.COUNTS].str.partition(" ")[0]
    supported_by = "supported in " + number + " of " + number
    verdicts["as a whole"] = verdicts["as a whole"].where(verdicts["as a whole"] != "supported", supported_by)
    listed = "".join(f"- {claim}\n" for claim in table["claim"].unique())
    rules = [rule.format(temperature=temperature) for rule in RULES]
    comparisons = to_markdown(each[columns], formats={"image s.e.": ".2f", "p": ".2g", "Holm": ".2g"})
    return "\n".join([listed, to_markdown(verdicts, [*rules, *notes]), comparisons])


def codes_to_markdown(table: pd.DataFrame) -> str:
    """Lay out the summary of `codes.summarize_codes`."""
    shown = table[["dataset", "K", "perturbation", "seeds"]].copy()
    for name, heading in QUANTITIES.items():
        shown[heading] = list(map(mean_and_deviation, table[name], table[f"{name}_sd"]))
    notes = (
        "means over the test images, of the selected models. ± is the standard deviation over seeds",
        f"active variables: variables with more than {ACTIVE_INFORMATION} nats of mutual information with the image",
        "perplexity: exp of the entropy of a variable's categories over all images, averaged over variables. It is K if"
        " all categories are used equally",
        "none: quadrature does not give the code probabilities of this law",
    )
    return to_markdown(shown, notes if table["kl_of_codes"].isna().any() else notes[:-1])


def costs_to_markdown(table: pd.DataFrame) -> str:
    """Lay out the sums of `costs.sum_costs`, with the total in the last row."""
    total = table[["jobs", "core_hours", "gpu_hours"]].sum()
    total_row = pd.DataFrame([{"step": "total", "dataset": "", "K": "", "hardware": "", **total}])
    rows = pd.concat([table.astype({"K": str}), total_row], ignore_index=True).astype({"jobs": int})
    return to_markdown(rows, COUNTED, formats={"core_hours": ".3f", "gpu_hours": ".3f"})
