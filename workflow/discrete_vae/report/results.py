"""The table of test losses of the selected models, in Markdown and in LaTeX, with its notes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from discrete_vae.analysis.statistics import spell_range
from discrete_vae.grid.measures import SELECTED_BY_ELBO
from discrete_vae.report.notes import notes_on_runs
from discrete_vae.report.tables import NOT_EVALUATED, mean_and_deviation, to_markdown

EDGE, LATE, DIVERGED = "†", "§", "‡"
MARKS = {EDGE: "edge_selections", LATE: "late_selections", DIVERGED: "diverged_runs"}  # the column of each mark
ROW, MODEL = ["dataset", "K", "measure"], ["dataset", "K", "perturbation"]
MEANINGS = (
    "nats per image on the test set, at the temperature and epoch with the lowest validation loss. Lower is better",
    "bold: the lowest mean of a row. The claims say whether a difference is established",
    "paper loss: reconstruction of discrete codes plus KL(softmax || uniform). Only for Gumbel(0, 1) noise is this the"
    " KL of the codes",
    "negative ELBO: with the KL of the codes. It is a bound on the negative log-likelihood for every noise law",
    "IWAE bound: importance-weighted, so a tighter bound. It is still loose, and how much depends on the model: its"
    " differences need not be differences of the likelihood",
    f"{SELECTED_BY_ELBO}: the temperature is the one with the lowest validation negative ELBO instead",
)
LATEX = r"""%% needs \usepackage{booktabs, graphicx}
\begin{table}
\centering
\caption{Test losses of the selected models, in nats per image; lower is better.}
\label{tab:test-losses}
\smallskip
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%%
%s}

\smallskip
\parbox{\linewidth}{\footnotesize %s}
\end{table}
"""
ESCAPED = str.maketrans(
    {character: f"\\{character}" for character in "_%&#${}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)
COMMANDS = {EDGE: r"$^\dagger$", LATE: r"$^\S$", DIVERGED: r"$^\ddagger$", "±": r"$\pm$", "||": r"$\Vert$"}


def results_to_markdown(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the test losses out in Markdown: one column a perturbation, the best of each row in bold."""
    return to_markdown(_one_column_a_law(table, bold="**{}**"), notes)


def results_to_latex(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the same table out in LaTeX, no wider than the text. Each dataset and K has a rule above, and one name."""
    wide = _one_column_a_law(table, bold=r"\textbf{{{}}}").astype({"K": str}).rename(columns=_escaped)
    repeated = wide.duplicated(["dataset", "K"])
    rules = pd.Series("\\midrule\n", wide.index).where(wide.index > 0, "")  # the head has its own
    wide["dataset"] = rules + wide["dataset"].map(_escaped)
    wide.loc[repeated, ["dataset", "K"]] = ""
    alignment = "l" * len(ROW) + "r" * (wide.shape[1] - len(ROW))
    tabular = wide.to_latex(index=False, escape=False, column_format=alignment)
    text = LATEX % (tabular.strip(), "\\\\\n".join(map(_escaped, notes)))
    for character, command in COMMANDS.items():
        text = text.replace(character, command)
    return text


def _escaped(text: str) -> str:
    return text.translate(ESCAPED)


def _one_column_a_law(table: pd.DataFrame, *, bold: str) -> pd.DataFrame:
    table = table.assign(all_seeds=_all_seeds(table), has_finite_runs=_has_finite_runs(table))
    entries = table.assign(entry=[_entry(row, bold) for row in table.to_dict("records")])
    wide = entries.pivot(index=ROW, columns="perturbation", values="entry")
    order = entries[ROW].drop_duplicates().itertuples(index=False, name=None)
    return wide.loc[list(order), list(table["perturbation"].unique())].fillna("").reset_index()


def _all_seeds(table: pd.DataFrame) -> pd.Series:
    """Return the largest number of seeds at each row's dataset and K."""
    return table.groupby(["dataset", "K"])["seeds"].transform("max")


def _has_finite_runs(table: pd.DataFrame) -> pd.Series:
    """Tell of each row whether a temperature could be selected for its law."""
    return table.groupby(MODEL)["temperatures"].transform(any).astype(bool)


def _entry(row: Mapping[str, Any], bold: str) -> str:
    if pd.isna(row["mean"]):
        return NOT_EVALUATED if row["has_finite_runs"] else f"diverged{DIVERGED}"
    text = mean_and_deviation(row["mean"], row["sd"])
    if row["seeds"] < row["all_seeds"]:
        text += f" ({row['seeds']} of {row['all_seeds']} seeds)"
    return (bold.format(text) if row["best"] else text) + "".join(mark for mark, count in MARKS.items() if row[count])


def results_notes(
    table: pd.DataFrame, runs: pd.DataFrame, bounds: pd.DataFrame, *, left_out: Sequence[str] = ()
) -> list[str]:
    """Return what a reader of the table must know: measures, spread, runs, groups left out, and marks."""
    of_runs = notes_on_runs(runs, bounds, left_out=left_out)
    return [*MEANINGS, *_notes_on_seeds(table), *of_runs, *_notes_on_entries(table)]


def _notes_on_seeds(table: pd.DataFrame) -> list[str]:
    seeds = table.loc[table["seeds"] > 0, "seeds"]
    if seeds.empty:
        return ["every run diverged"]
    if seeds.max() == 1:
        return ["one seed: no spread, no verdict"]
    return [
        f"mean ± standard deviation over {spell_range(seeds, decimals=0)} seeds",
        "all laws share the initial weights and the minibatches of a seed",
    ]


def _notes_on_entries(table: pd.DataFrame) -> list[str]:
    """Explain the marks beside the numbers, their error over the images, and entries without a number."""
    marked = {mark for mark, count in MARKS.items() if table[count].any()}
    lines = []
    if EDGE in marked:
        lines.append(
            f"{EDGE} at least one seed selected the lowest or the highest of the temperatures run, or the only one"
        )
    if LATE in marked:
        lines.append(f"{LATE} at least one best epoch is among the last tenth: more epochs may lower the loss")
    errors = table["image_se"].dropna()
    if len(errors):
        lines.append(
            f"standard error over the test images: {spell_range(errors)} nats. Laws share the"
            " images: for differences between laws, see the claims"
        )
    if (table["seeds"] < _all_seeds(table)).any():
        lines.append(
            f"{NOT_EVALUATED}, or on fewer seeds: quadrature does not serve the law, results are older than the"
            " measure, or runs diverged or were not made"
        )
    if DIVERGED in marked:
        lines.append(f"{DIVERGED} some runs diverged and were skipped: see diverged.csv")
    return lines
