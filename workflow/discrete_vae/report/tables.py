"""Tables: test losses of the selected models under three measures, as CSV, Markdown and LaTeX; errors of fits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import selected_cells
from discrete_vae.analysis.statistics import mean_of_images, standard_error, t_interval
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.grid.measures import FIT_ERRORS, MEASURES
from discrete_vae.report.notes import extent, notes_on_runs

EDGE, LATE, DIVERGED = "†", "§", "‡"
LATE_PART = 0.9  # a best epoch beyond this part of those run leaves it open whether more would be better
LATEX = str.maketrans(
    {character: f"\\{character}" for character in "_%&#${}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)
GROUP = ["dataset", "K", "measure", "perturbation"]


def summarize_test_losses(
    selection: pd.DataFrame, bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Summarize the test losses of the selected models over seeds.

    Args:
        selection: what `selection.select_temperatures` returns.
        bounds, per_image: what `bounds.evaluate_selected` returns.

    Returns:
        One row for each dataset, K, measure and perturbation: mean over seeds in nats per image, its sample standard
        deviation and 95% t interval ``low`` to ``high`` (missing for one seed), the number of seeds; ``image_se``, the
        standard error of the mean over the test images; the selected temperatures, the numbers of selections at the
        edge of the temperature grid, of selections of an epoch among the last tenth of those run, and of diverged runs;
        and ``best``, the lowest mean of its dataset, K and measure.
    """
    # A run that stopped early had its chance.
    stopped_early = selection["stopped_early"].fillna(False).astype(bool)
    late = (selection["best_epoch"] > LATE_PART * selection["epochs_run"]) & ~stopped_early
    long = with_bounds(selection.assign(late=late), bounds).melt(
        id_vars=[*AXES, "at_grid_edge", "late", "diverged_runs"],
        value_vars=list(MEASURES),
        var_name="measure",
        value_name="nats",
    )
    table = long.groupby(GROUP, sort=False).agg(
        mean=("nats", "mean"),
        sd=("nats", "std"),
        low=("nats", lambda nats: t_interval(nats)[0]),
        high=("nats", lambda nats: t_interval(nats)[1]),
        seeds=("nats", "count"),
        temperatures=("temperature", _distinct),
        edge_selections=("at_grid_edge", "sum"),
        late_selections=("late", "sum"),
        diverged_runs=("diverged_runs", "sum"),
    )
    table.insert(table.columns.get_loc("temperatures"), "image_se", _image_errors(selection, per_image))
    table = table.reset_index()
    table["measure"] = table["measure"].map(MEASURES)
    order = selection[["dataset", "K"]].drop_duplicates()
    table = order.merge(table, on=["dataset", "K"])
    lowest = table.groupby(["dataset", "K", "measure"])["mean"].transform("min")
    return table.assign(best=table["mean"] == lowest)


def _image_errors(selection: pd.DataFrame, per_image: Mapping[str, np.ndarray]) -> pd.Series:
    errors = {}
    for (dataset, K, perturbation), group in selection.groupby(["dataset", "K", "perturbation"], sort=False):
        cells = selected_cells(group)
        for measure in MEASURES:
            errors[dataset, K, measure, perturbation] = standard_error(mean_of_images(cells, measure, per_image))
    return pd.Series(errors).rename_axis(GROUP)


def with_bounds(selection: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Add to each selected model its bounds, missing where its law has none: a column for every measure.

    Raises:
        InputError: bounds of other models than the selected ones.
    """
    table = selection.merge(bounds[[*AXES, *MEASURES]], on=list(AXES), how="left", indicator="found")
    missing = table[(table["found"] == "left_only") & table["temperature"].notna()]
    if len(missing):
        cell = Cell.of(missing.iloc[0])
        raise InputError(
            f"the group {cell.group} has no bounds of its selected model {cell}, expected some in its bounds.csv;"
            " remove the group's folder to make it again"
        )
    return table.drop(columns="found")


def _distinct(temperatures: pd.Series) -> str:
    return " ".join(str(temperature) for temperature in sorted(temperatures.dropna().unique()))


def to_markdown(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the table out in Markdown, one column a perturbation, the best of each row in bold."""
    wide = _wide(table, bold="**{}**", marks={mark: mark for mark in (EDGE, LATE, DIVERGED)}, plus_minus="±")
    return (
        wide.to_markdown(index=False, disable_numparse=True) + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    )


def to_latex(table: pd.DataFrame, notes: Iterable[str]) -> str:
    """Lay the table out in LaTeX, no wider than the text: one column a perturbation, the best of each row in bold."""
    marks = {EDGE: r"$^\dagger$", LATE: r"$^\S$", DIVERGED: r"$^\ddagger$"}
    wide = _wide(table, bold=r"\textbf{{{}}}", marks=marks, plus_minus=r"$\pm$")
    wide = wide.rename(columns=_escape).assign(dataset=wide["dataset"].map(_escape))
    text = _escape("\n".join(notes))
    for mark, command in {**marks, "±": r"$\pm$", "||": r"$\Vert$", "\n": "\\\\\n"}.items():
        text = text.replace(mark, command)
    return "\n".join(
        [
            r"% needs \usepackage{booktabs, graphicx}",
            r"\begin{table}",
            r"\centering",
            r"\caption{Test losses of the selected models, in nats per image; lower is better.}",
            r"\label{tab:test-losses}",
            r"\smallskip",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{lll{'r' * (wide.shape[1] - 3)}}}",
            r"\toprule",
            rf"{' & '.join(wide.columns)} \\",
            *_latex_rows(wide),
            r"\bottomrule",
            r"\end{tabular}}",
            "",
            r"\smallskip",
            rf"\parbox{{\linewidth}}{{\footnotesize {text}}}",
            r"\end{table}",
            "",
        ]
    )


def _latex_rows(wide: pd.DataFrame) -> Iterator[str]:
    """Yield the rows with a rule before each dataset and K, which are named once."""
    for (dataset, K), block in wide.groupby(["dataset", "K"], sort=False):
        yield r"\midrule"
        names = [dataset, str(K)]
        for entries in block.drop(columns=["dataset", "K"]).itertuples(index=False):
            yield rf"{' & '.join([*names, *entries])} \\"
            names = ["", ""]


def notes(table: pd.DataFrame, runs: pd.DataFrame, *, left_out: Sequence[str] = ()) -> list[str]:
    """Return what must be known to read the table: measure, spread, epochs, sources of the data, marks.

    Args:
        table: what `summarize_test_losses` returns.
        runs: summaries of runs, see `selection.gather_summaries`.
        left_out: groups that are not finished.
    """
    seeds = table.loc[table["seeds"] > 0, "seeds"]
    lines = [
        "nats per image on the test set, at the temperature and epoch with the lowest validation loss; lower is better,"
        " the lowest mean of a row is bold, whether or not the difference is established (see the claims)",
        "paper loss: reconstruction of discrete codes plus KL(softmax || uniform), which is the KL of these codes for"
        " Gumbel noise only; negative ELBO: with the KL of the codes for every noise law, and so a bound on the"
        " negative log-likelihood; IWAE bound: importance-weighted, tighter and still loose, by amounts that vary with"
        " the model, so that its differences need not be those of the likelihood",
        f"mean ± standard deviation over {extent(seeds)} seeds, which share initial weights and minibatches across"
        " perturbations"
        if seeds.max() > 1
        else "one seed: no spread can be given, and no difference here is established",
        *notes_on_runs(runs, left_out=left_out),
    ]
    if table["edge_selections"].any():
        lines.append(
            f"{EDGE} selected at the edge of the temperatures that were run, or the only one, for at least one seed"
        )
    if table["late_selections"].any():
        lines.append(
            f"{LATE} the lowest validation loss is among the last tenth of the epochs for at least one seed: more"
            " epochs may lower it"
        )
    errors = table["image_se"].dropna()
    if len(errors):
        lines.append(
            f"the standard error over the test images is {errors.min():.2f} to {errors.max():.2f} nats; that of the"
            " differences between laws, which share the images, is among the claims"
        )
    is_bound = table["measure"] != MEASURES["paper_loss"]
    unbounded = table[is_bound & table["mean"].isna() & (table["temperatures"] != "")]
    if len(unbounded):
        laws = ", ".join(unbounded["perturbation"].unique())
        lines.append(f"none: no bound is computed for {laws}, whose distribution function or tails allow no quadrature")
    if table["diverged_runs"].any():
        lines.append(f"{DIVERGED} some runs diverged and were skipped: see diverged.csv")
    return lines


def _wide(table: pd.DataFrame, *, bold: str, marks: Mapping[str, str], plus_minus: str) -> pd.DataFrame:
    def entry(row: Mapping[str, Any]) -> str:
        if pd.isna(row["mean"]):
            return "none" if row["temperatures"] else f"diverged{marks[DIVERGED]}"
        text = f"{row['mean']:.2f}"
        if not pd.isna(row["sd"]):
            text += f" {plus_minus} {row['sd']:.2f}"
        text = bold.format(text) if row["best"] else text
        counts = {EDGE: "edge_selections", LATE: "late_selections", DIVERGED: "diverged_runs"}
        return text + "".join(marks[mark] for mark, count in counts.items() if row[count])

    entries = table.assign(entry=[entry(row) for row in table.to_dict("records")])
    index = ["dataset", "K", "measure"]
    wide = entries.pivot(index=index, columns="perturbation", values="entry")
    order = entries[index].drop_duplicates().itertuples(index=False, name=None)
    return wide.loc[list(order), list(table["perturbation"].unique())].fillna("").reset_index()


def _escape(text: str) -> str:
    return text.translate(LATEX)


def summarize_fits(fits: pd.DataFrame) -> pd.DataFrame:
    """Summarize the errors of fits after the last step: mean, lowest and highest over seeds.

    Args:
        fits: what `fitting.fit` returns for some targets and noise laws, with columns ``target`` and ``perturbation``.
    """
    last = fits[fits["step"] == fits["step"].max()]
    columns = {
        f"{error}_{name}": (error, function)
        for error in FIT_ERRORS
        for name, function in (("mean", "mean"), ("lowest", "min"), ("highest", "max"))
    }
    groups = last.groupby(["target", "perturbation", "temperature"], sort=False)
    table = groups.agg(step=("step", "max"), seeds=("seed", "nunique"), **columns).reset_index()
    return table.round(dict.fromkeys(columns, 6))
