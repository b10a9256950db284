"""The forest plot: every difference of the claims with its interval, one panel a measure, coloured by verdict."""

import textwrap
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path

from discrete_vae.analysis import claims
from discrete_vae.analysis.statistics import MARGIN, spell_range
from discrete_vae.grid.measures import MEASURES, SELECTED_BY_ELBO
from discrete_vae.report import style

# Colour, marker and meaning of each verdict. No noise law has these colours.
VERDICTS = {
    "lower": ("#00506b", "<", "lower for Normal noise"),
    "higher": ("#9e1b32", ">", "higher for Normal noise"),
    "level": ("0", "d", f"level, within {MARGIN:g} nat"),
    "open": ("0.5", "o", "open: not established"),
}
BAND = "0.93"
# A bar at the bound, and an arrow from there.
FROM_HERE = Path(
    [(0, -0.4), (0, 0.4), (0, 0), (1.6, 0), (1.2, 0.3), (1.6, 0), (1.2, -0.3)],
    [*(Path.MOVETO, Path.LINETO) * 2, Path.LINETO, Path.MOVETO, Path.LINETO],
)
ARROW = {"marker": FROM_HERE, "markersize": 16, "markerfacecolor": "none"}
ROOM_FOR_ARROWS = 0.15  # of a panel's width
CASE = ["study", "dataset", "K"]
TEST_LOSSES = (*MEASURES.values(), SELECTED_BY_ELBO)
LINE_HEIGHT = 0.14  # inches
GAP = 0.5  # lines, between cases of several laws
MARGIN_HEIGHT = 0.88  # inches, of the titles and axes of a block of panels
PANELS_IN_A_ROW = len(MEASURES)  # panels of a block, or places for them
TITLE = "Normal noise minus the other law: mean and 95% interval over seeds\nleft of zero, Normal noise is lower"
TITLE_LETTERS = 18  # of a line above a panel


def draw_claims(comparisons: pd.DataFrame) -> Figure:
    """Draw a block of panels for each claim, one panel a measure, with a line for each dataset, K and other law.

    ``comparisons`` are of `comparisons.judge`. With a column ``study``, studies that share a dataset and K are named.
    """
    loss = comparisons["measure"].str.extract("^(.*): ", expand=False).fillna("")  # none for test losses
    table = comparisons.assign(study=comparisons.get("study", ""), loss=loss)
    blocks = list(table.groupby(["claim", "loss"], sort=False))
    heights = [_height(block) for _, block in blocks]
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.5 + sum(heights)), layout="constrained")
        if not blocks:
            figure.text(0.5, 0.5, "No comparison", ha="center")
            return figure
        interim = f" · interim: fewer than {claims.PLANNED_SEEDS} seeds"
        style.set_title(figure, TITLE + (interim if (table["n"] < claims.PLANNED_SEEDS).any() else ""))
        parts = figure.subfigures(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, ((claim, loss), block) in zip(parts, blocks, strict=True):
            name = claim if claim == claims.FURTHER_LAW.name else f"claim {claim}"
            title = name if loss and loss in name else f"{name}: {loss or 'test loss'}"
            style.set_title(part, title, fontweight="bold")
            _draw_block(part, block)
        _add_legend(figure, table)
    return figure


def _height(block: pd.DataFrame) -> float:
    """Return the height of a block of panels in inches."""
    lines_of_titles = max(_panel_title(measure).count("\n") for measure in block["measure"])
    return MARGIN_HEIGHT + style.TITLE_HEIGHT * lines_of_titles + LINE_HEIGHT * (max(_lines(block)[0]) + 1)


def _panel_title(measure: str) -> str:
    return textwrap.fill(measure.rpartition(": ")[2], TITLE_LETTERS)


def _add_legend(figure: Figure, table: pd.DataFrame) -> None:
    """Explain the verdicts in one row, and what else is drawn in the next."""
    verdicts = [_sign(text, **_marker(verdict)) for verdict, (*_, text) in VERDICTS.items()]
    rows = [verdicts]
    if others := _other_signs(table):
        rows.append([*others, *[_sign("")] * (len(verdicts) - len(others))])
        figure.set_figheight(figure.get_figheight() + style.LEGEND_HEIGHT)
    handles = [sign for column in zip(*rows, strict=True) for sign in column]  # a legend fills columns
    narrow = {"handlelength": 1.5, "columnspacing": 1.2}
    figure.legend(handles=handles, loc="outside lower center", ncols=len(verdicts), frameon=False, **narrow)


def _other_signs(table: pd.DataFrame) -> list[Artist]:
    drawn = {
        Patch(color=BAND, label=f"within {MARGIN:g} nat of zero"): table["measure"].isin(TEST_LOSSES),
        _sign("no interval: one seed", **_marker("open")): table["n"] == 1,
        _sign("lower bound: not reached", color="0.5", **ARROW): table["not_reached"] > 0,
    }
    return [sign for sign, rows in drawn.items() if rows.any()]


def _sign(text: str, **marker: Any) -> Line2D:
    return Line2D([], [], linestyle="", label=text, **marker)


def _lines(block: pd.DataFrame) -> tuple[dict[float, str], dict[tuple, float]]:
    """Return the label of each line of a block, counted from above, and the line of each study, dataset, K and law."""
    labels: dict[float, str] = {}
    places = {}
    next_line = 0.0
    studies_share = (block.groupby(["dataset", "K"])["study"].nunique() > 1).any()
    for (study, dataset, K), case in block.groupby(CASE, sort=False):
        name = f"{study}: " if studies_share else ""
        name += f"{dataset}, $K$ = {K}, {_seeds(case['n'])}: "
        others = case["other"].unique()
        for law in others:
            places[study, dataset, K, law] = next_line
            labels[next_line] = name + style.name_of(law)
            name = ""
            next_line += 1
        next_line += GAP if len(others) > 1 else 0
    return labels, places


def _seeds(seeds: pd.Series) -> str:
    return "1 seed" if seeds.max() == 1 else f"{spell_range(seeds, decimals=0)} seeds"


def _draw_block(figure: SubFigure, block: pd.DataFrame) -> None:
    labels, places = _lines(block)
    measures = block["measure"].unique()
    of_tests = set(measures) <= set(TEST_LOSSES)
    axes = figure.subplots(1, max(len(measures), PANELS_IN_A_ROW), sharex=of_tests, sharey=True, squeeze=False)[0]
    for ax in axes[len(measures) :]:
        ax.set_axis_off()
    for ax, measure in zip(axes, measures, strict=False):
        for row in block[block["measure"] == measure].to_dict("records"):
            _draw_difference(ax, places[*(row[axis] for axis in CASE), row["other"]], row)
        ax.axvline(0, color="0.3", linewidth=0.8, zorder=0)
        if block.loc[block["measure"] == measure, "not_reached"].any():
            low, high = ax.get_xlim()
            ax.set_xlim(right=high + ROOM_FOR_ARROWS * (high - low))
        if of_tests:
            ax.axvspan(-MARGIN, MARGIN, color=BAND, linewidth=0, zorder=-1)
        ax.set(title=_panel_title(measure), xlabel="epochs" if "epochs to" in measure else "nats")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
    axes[0].set(yticks=list(labels), yticklabels=labels.values(), ylim=(max(labels) + 0.5, -0.5))


def _draw_difference(ax: Axes, line: float, row: dict[str, Any]) -> None:
    marker = _marker(row["verdict"])
    if row["not_reached"] > 0:
        marker |= ARROW  # a lower bound
    ax.plot([row["low"], row["high"]], [line, line], color=marker["color"], linewidth=1.2)
    ax.plot(row["difference"], line, zorder=3, **marker)


def _marker(verdict: str) -> dict[str, Any]:
    colour, shape, _ = VERDICTS[verdict]
    fill = "white" if verdict == "open" else colour
    return {"color": colour, "marker": shape, "markersize": 3.5, "markerfacecolor": fill}
