"""The forest plot: every difference of the claims with its interval, one panel a measure, coloured by verdict."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from discrete_vae.grid.measures import MEASURES
from discrete_vae.report import style

TRAINING = "training loss: "
TITLES = {
    "tests": "test loss at the selected temperatures: Normal-Softmax minus the other noise law",
    "training": "training loss at one temperature: Normal-Softmax minus Gumbel-Softmax",
}
# Colour, marker and meaning of each verdict.
VERDICTS = {
    "lower": ("#0173b2", "o", "lower: Normal-Softmax is better"),
    "higher": ("#d55e00", "s", "higher: it is worse"),
    "level": ("#029e73", "D", "level: within 1 nat"),
    "open": ("0.5", "o", "open"),
}
GROUP = ["study", "dataset", "K"]
LINE_HEIGHT = 0.14  # inches
MARGIN = 0.85  # inches, of a block of panels: its title, those of its panels and their axes


def draw_claims(comparisons: pd.DataFrame) -> Figure:
    """Draw the comparisons of test losses above those of training losses, grouped by dataset and K.

    ``comparisons`` are of `comparisons.judge`. With a column ``study``, each study has its name above its groups.
    """
    table = comparisons.assign(study=comparisons.get("study", ""))
    blocks = {
        "tests": table[table["measure"].isin(MEASURES.values())],
        "training": table[table["measure"].str.startswith(TRAINING)],
    }
    blocks = {name: block for name, block in blocks.items() if len(block)}
    heights = [MARGIN + LINE_HEIGHT * len(_lines(block)[0]) for block in blocks.values()]
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.35 + sum(heights)), layout="constrained")
        if not blocks:
            figure.text(0.5, 0.5, "No comparison", ha="center")
            return figure
        parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, (name, block) in zip(parts, blocks.items(), strict=True):
            part.suptitle(TITLES[name], fontsize=style.TITLE_SIZE)
            _draw_block(part, block)
        handles = [
            Line2D([], [], linestyle="", label=text, **_marker(verdict)) for verdict, (*_, text) in VERDICTS.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _lines(block: pd.DataFrame) -> tuple[list[str], dict[tuple, int]]:
    """Return the labels of the lines of a block from above, and the line of each study, dataset, K and other law."""
    labels: list[str] = []
    places = {}
    several_laws = block["other"].nunique() > 1
    for (study, dataset, K), group in block.groupby(GROUP, sort=False):
        if study and study not in labels:
            labels.append(study)
        place = f"{dataset}, $K$ = {K}"
        if several_laws:
            labels.append(place)
        for law in group["other"].unique():
            places[study, dataset, K, law] = len(labels)
            labels.append(law if several_laws else place)
    return labels, places


def _draw_block(figure: SubFigure, block: pd.DataFrame) -> None:
    labels, places = _lines(block)
    measures = block["measure"].unique()
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for ax, measure in zip(axes, measures, strict=True):
        for row in block[block["measure"] == measure].to_dict("records"):
            _draw_difference(ax, places[*(row[axis] for axis in GROUP), row["other"]], row)
        ax.axvline(0, color="0.3", linewidth=0.8, zorder=0)
        ax.set(title=measure.removeprefix(TRAINING), xlabel="epochs" if "epochs to" in measure else "nats")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
    axes[0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.5, -0.5))
    for line, label in enumerate(axes[0].get_yticklabels()):
        if labels[line] in set(block["study"]):
            label.set_fontweight("bold")


def _draw_difference(ax: Axes, line: int, row: dict[str, Any]) -> None:
    marker = _marker(row["verdict"])
    if row["not_reached"] > 0:
        marker["marker"] = r"$\rightarrow$"  # a lower bound
    ax.plot([row["low"], row["high"]], [line, line], color=marker["color"], linewidth=1.2)
    ax.plot(row["difference"], line, zorder=3, **marker)


def _marker(verdict: str) -> dict[str, Any]:
    colour, shape, _ = VERDICTS[verdict]
    fill = "white" if verdict == "open" else colour
    return {"color": colour, "marker": shape, "markersize": 3.5, "markerfacecolor": fill}


def draw_published(path: str, *tables: str) -> None:
    """Draw the comparisons of several studies into one figure; each claims.csv lies in the tables/ of its study."""
    read = [pd.read_csv(table).assign(study=Path(table).parents[1].name) for table in tables]
    style.save(draw_claims(pd.concat(read)), [path])


if __name__ == "__main__":
    draw_published(*sys.argv[1:])
