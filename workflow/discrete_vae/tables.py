"""The results table: test loss of the selected models, as CSV, Markdown and LaTeX."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

EDGE, DIVERGED = "†", "‡"


def summarize_test_losses(selection: pd.DataFrame) -> pd.DataFrame:
    """Summarize the test loss of the selected models over seeds.

    Args:
        selection: what `selection.select_temperatures` returns.

    Returns:
        One row for each dataset, K and perturbation: mean and sample standard deviation of the test loss in nats per
        image (no deviation for one seed), the number of seeds, the selected temperatures, the numbers of selections at
        the edge of the temperature grid and of diverged runs, and ``best``, the lowest mean of its dataset and K.
    """
    groups = selection.groupby(["dataset", "K", "perturbation"], sort=False)
    table = groups.agg(
        test_loss_mean=("test_loss", "mean"),
        test_loss_sd=("test_loss", "std"),
        seeds=("test_loss", "count"),
        temperatures=("temperature", _distinct),
        edge_selections=("at_grid_edge", "sum"),
        diverged_runs=("diverged_runs", "sum"),
    ).reset_index()
    lowest = table.groupby(["dataset", "K"])["test_loss_mean"].transform("min")
    return table.assign(best=table["test_loss_mean"] == lowest)


def _distinct(temperatures: pd.Series) -> str:
    return " ".join(str(temperature) for temperature in sorted(temperatures.dropna().unique()))


def to_markdown(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the table out in Markdown, one column a perturbation, the best of each row in bold."""
    wide = _wide(table, bold="**{}**", marks={EDGE: EDGE, DIVERGED: DIVERGED}, plus_minus="±")
    return (
        wide.to_markdown(index=False, disable_numparse=True) + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    )


def to_latex(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the table out in LaTeX (package booktabs), one column a perturbation, the best of each row in bold."""
    marks = {EDGE: r"$^\dagger$", DIVERGED: r"$^\ddagger$"}
    wide = _wide(table, bold=r"\textbf{{{}}}", marks=marks, plus_minus=r"$\pm$")
    wide = wide.rename(columns=_escape).assign(dataset=wide["dataset"].map(_escape))
    body = wide.to_latex(index=False, escape=False, column_format="ll" + "r" * (wide.shape[1] - 2))
    text = _escape("; ".join(notes))
    for mark, command in {**marks, "±": r"$\pm$", "||": r"$\Vert$"}.items():
        text = text.replace(mark, command)
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
        + f"\\caption{{{text[0].upper()}{text[1:]}.}}\n\\smallskip\n{body}\\end{{table}}\n"
    )


def notes(table: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return what must be known to read the table: measure, spread, epochs, sources of the data, marks.

    Args:
        table: what `summarize_test_losses` returns.
        runs: what `selection.gather_summaries` returns.
    """
    temperatures = ", ".join(str(temperature) for temperature in sorted(runs["temperature"].unique()))
    origins = runs.groupby("dataset", sort=False)["data_origin"].first()
    lines = [
        "test loss in nats per image (reconstruction of discrete codes plus KL(softmax || uniform)) at the temperature"
        " and epoch with the lowest validation loss; lower is better, the lowest mean of a row is bold",
        f"mean ± standard deviation over {_counts(table['seeds'])} seeds, which share initial weights and"
        " minibatches across perturbations"
        if table["seeds"].max() > 1
        else "one seed: no spread can be given, and no difference here is established",
        f"{_counts(runs['epochs_run'])} epochs; temperatures {temperatures}",
        *(f"{dataset}: {origin}" for dataset, origin in origins.items()),
    ]
    if table["edge_selections"].any():
        lines.append(f"{EDGE} selected at the edge of the temperature grid for at least one seed")
    if table["diverged_runs"].any():
        lines.append(f"{DIVERGED} some runs diverged and were skipped: see diverged.csv")
    return lines


def _counts(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _wide(table: pd.DataFrame, *, bold: str, marks: Mapping[str, str], plus_minus: str) -> pd.DataFrame:
    def entry(row: Mapping[str, Any]) -> str:
        if pd.isna(row["test_loss_mean"]):
            return f"diverged{marks[DIVERGED]}"
        text = f"{row['test_loss_mean']:.2f}"
        if not pd.isna(row["test_loss_sd"]):
            text += f" {plus_minus} {row['test_loss_sd']:.2f}"
        text = bold.format(text) if row["best"] else text
        return text + marks[EDGE] * bool(row["edge_selections"]) + marks[DIVERGED] * bool(row["diverged_runs"])

    entries = table.assign(entry=[entry(row) for row in table.to_dict("records")])
    wide = entries.pivot(index=["dataset", "K"], columns="perturbation", values="entry")
    order = entries[["dataset", "K"]].drop_duplicates().itertuples(index=False, name=None)
    return wide.loc[list(order), list(table["perturbation"].unique())].fillna("").reset_index()


def _escape(text: str) -> str:
    for character in "_%&#":
        text = text.replace(character, f"\\{character}")
    return text
