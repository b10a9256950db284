"""Figures show what they say, and equal data give equal bits."""

import itertools

import numpy as np
import pandas as pd
import pytest
from discrete_vae.grid.cells import AXES
from discrete_vae.grid.paper import PAPER_IMAGES, PAPER_TEMPERATURES
from discrete_vae.report.curves import draw_convergence, draw_temperatures, draw_validation, without_control_laws
from discrete_vae.report.style import looks, save
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from planted import definition

LAWS = ["gumbel", "normal", "logistic"]


def runs_of(histories: pd.DataFrame, **columns) -> pd.DataFrame:
    """Make the summaries of the runs of some histories, with the loss of the last epoch for all of their losses."""
    last = histories.groupby(list(AXES), sort=False).tail(1)
    losses = {f"validation_{part}": last["training_loss"] for part in ("loss", "reconstruction", "kl")}
    constants = {
        "diverged": False,
        "stopped_early": False,
        "best_epoch": 40,
        "epochs_run": 40,
        "data_origin": "here",
    } | {"training": "{}", "law": last["perturbation"].map(definition)}
    return last.assign(**losses, **{**constants, **columns})


def best_epochs(losses: dict[tuple[str, float, int], float], **columns) -> pd.DataFrame:
    """Make summaries from validation losses by (perturbation, temperature, seed); a missing one diverged."""
    runs = pd.DataFrame([(*key, loss) for key, loss in losses.items()], columns=[*AXES[2:], "validation_loss"])
    constants = {"dataset": "d", "K": 10, "data_origin": "here", "training": "{}"}
    return runs.assign(diverged=runs["validation_loss"].isna(), **{**constants, **columns})


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def convergence(histories: pd.DataFrame, temperature: float, **columns):
    return draw_convergence(histories, runs_of(histories, **columns), temperature=temperature, laws=LAWS)


@pytest.fixture
def histories():
    epochs = np.arange(1, 41)
    return pd.concat(
        pd.DataFrame(
            {
                "dataset": "d",
                "K": K,
                "perturbation": law,
                "temperature": temperature,
                "seed": seed,
                "epoch": epochs,
                "training_loss": 100 / epochs + K + seed + temperature,
            }
        )
        for K in (10, 30)
        for law in ("gumbel", "normal")
        for temperature in (0.5, 0.85)
        for seed in (1, 3)
    )


def test_convergence_has_a_column_per_K_and_a_curve_per_law_with_the_mean_and_range_over_seeds(histories):
    figure = convergence(histories, temperature=1.0)
    assert [ax.get_title() for ax in figure.axes] == ["$K$ = 10", "$K$ = 30"]
    assert "temperature 0.85" in figure.get_suptitle(), "the nearest temperature of the grid is drawn, and named"
    assert "range over 2 seeds" in figure.get_suptitle()
    for ax, K in zip(figure.axes, (10, 30), strict=True):
        *curves, goal = [line for line in ax.lines if len(line.get_xdata())]
        assert set(goal.get_ydata()) == {curves[0].get_ydata()[-1]}, "the loss that claim 2 asks for"
        assert [to_rgb(curve.get_color()) for curve in curves] == [
            look.colour for look in looks(LAWS[:2], LAWS).values()
        ]
        assert curves[0].get_ydata()[-1] == pytest.approx(100 / 40 + K + 2 + 0.85)
        band = ax.collections[0].get_paths()[0].vertices
        at_the_end = band[band[:, 0] == 40][:, 1]
        assert (at_the_end.min(), at_the_end.max()) == pytest.approx((100 / 40 + K + 1.85, 100 / 40 + K + 3.85))


def test_each_k_is_drawn_at_its_nearest_temperature_of_two_laws(histories):
    """As where the parts of a grid have temperatures of their own: what was not run did not diverge."""
    half = histories["temperature"] == 0.5
    apart = convergence(histories[(histories["K"] == 10) == half], temperature=0.5)
    assert apart.get_suptitle().startswith("d, at temperature 0.5 and 0.85 · ")
    one_law = convergence(histories[~(half & (histories["perturbation"] == "normal"))], temperature=0.5)
    assert one_law.get_suptitle().startswith("d, at temperature 0.85 · ")
    alone = histories[half & (histories["perturbation"] == "gumbel") & (histories["K"] == 10)]
    assert convergence(alone, temperature=0.85).get_suptitle().startswith("d, at temperature 0.5, $K$ = 10 · ")
    assert legend_of(convergence(alone, temperature=0.85)) == ["Gumbel noise"], "without Normal noise there is no goal"


def test_a_goal_is_shown_only_where_no_run_stopped_early(histories):
    stopped = histories.groupby(list(AXES), sort=False).tail(1)["K"] == 30
    figure = convergence(histories, temperature=0.5, stopped_early=stopped)
    assert [len([line for line in ax.lines if len(line.get_xdata())]) for ax in figure.axes] == [3, 2]
    assert legend_of(figure) == ["Gumbel noise", "Normal noise", "Gumbel's final loss"]


def test_a_curve_of_one_epoch_is_a_marker(histories):
    (line, *_) = convergence(histories[histories["epoch"] == 1], temperature=0.5).axes[0].lines
    assert (line.get_marker(), line.get_xdata().tolist()) == ("o", [1])
    (line, *_) = convergence(histories, temperature=0.5).axes[0].lines
    assert line.get_marker() == "None"


def test_a_dollar_in_the_name_of_the_images_is_no_formula(histories, tmp_path):
    figure = convergence(histories, temperature=0.5, data_origin="cost_$5_vs_$10.npz")
    assert figure.get_suptitle().endswith(r"cost_\$5_vs_\$10.npz")
    figure.savefig(tmp_path / "figure.png")


def test_one_seed_claims_no_range(histories):
    figure = convergence(histories[histories["seed"] == 1], temperature=0.5)
    assert "one seed" in figure.get_suptitle()


def test_a_seed_that_was_not_run_at_every_temperature_is_not_counted_everywhere(histories):
    runs = runs_of(histories)
    partial = runs[(runs["seed"] == 1) | (runs["temperature"] == 0.5)]
    for shown, seeds in ((runs, "range over 2 seeds"), (partial, "range over 1 to 2 seeds")):
        figure = draw_temperatures(shown, laws=LAWS)
        assert seeds in figure.get_suptitle()


def test_each_K_has_its_own_number_of_seeds(histories):
    figure = convergence(histories[(histories["seed"] == 1) | (histories["K"] == 10)], temperature=0.5)
    assert "range over 2 and 1 seeds" in figure.get_suptitle()


def test_validation_is_drawn_at_each_seeds_selected_temperature(histories):
    curves = histories.rename(columns={"training_loss": "validation_loss"}).reset_index(drop=True)
    runs = runs_of(histories.reset_index(drop=True))
    # Of normal noise only, the higher temperature is selected with seed 3.
    higher = (runs["perturbation"] == "normal") & (runs["seed"] == 3) & (runs["temperature"] == 0.85)
    runs.loc[higher, "validation_loss"] -= 10
    figure = draw_validation(curves, runs, laws=LAWS)
    gumbel, normal = (line for line in figure.axes[0].lines if len(line.get_xdata()))
    assert gumbel.get_ydata()[-1] == pytest.approx(100 / 40 + 10 + (1.5 + 3.5) / 2)
    assert normal.get_ydata()[-1] == pytest.approx(100 / 40 + 10 + (1.5 + 3.85) / 2)
    assert "selected temperatures" in figure.get_suptitle()
    dots = figure.axes[0].collections[-1].get_offsets().tolist()
    assert [epoch for epoch, _ in dots] == [40] * 4, "the best epoch of each law and seed"
    assert legend_of(figure) == ["Gumbel noise", "Normal noise", "best epoch of a seed"]
    assert {ax.get_xscale() for ax in figure.axes} == {"log"}
    assert figure.axes[0].get_ylim() != figure.axes[1].get_ylim(), "late losses differ with K"

    one = (runs["perturbation"] == "gumbel") & (runs["seed"] == 1) & (runs["K"] == 10)
    ended = runs.assign(stopped_early=one, epochs_run=runs["epochs_run"].mask(one, 20))
    ax = draw_validation(curves, ended, laws=LAWS).axes[0]
    assert ax.lines[0].get_xdata()[-1] == 20
    assert [epoch for epoch, _ in ax.collections[-1].get_offsets()] == [40] * 4, "also beyond the end of a curve"
    assert ax.get_xlim()[1] == 40


def test_a_diverged_run_is_left_out_of_the_convergence(histories):
    """Also before it diverged: a mean would jump there."""
    diverged = (histories["perturbation"] == "gumbel") & (histories["seed"] == 3)
    histories.loc[diverged & (histories["epoch"] > 20), "training_loss"] = np.nan
    of_runs = diverged[histories["epoch"] == 40]
    figure = convergence(histories, temperature=0.5, diverged=of_runs)
    gumbel, *_ = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata())]
    of_seed_1 = histories.query("K == 10 and perturbation == 'gumbel' and temperature == 0.5 and seed == 1")
    assert gumbel == pytest.approx(of_seed_1["training_loss"].to_numpy())
    assert "over 1 to 2 seeds" in figure.get_suptitle()


def test_where_every_run_diverged_the_figures_say_so(histories):
    diverged = histories[histories["epoch"] == 1].assign(training_loss=np.nan)
    figure = convergence(diverged, temperature=0.5, diverged=True)
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["diverged", "diverged"]


def test_loss_against_temperature_leaves_diverged_runs_out():
    runs = best_epochs({("normal", 0.1, 1): 3.0, ("normal", 0.5, 1): 2.0, ("normal", 1.0, 1): np.nan})
    figure = draw_temperatures(runs, laws=LAWS)
    curve, ring = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert curve.get_xydata().tolist() == [[0, 3.0], [1, 2.0]]
    assert ring.get_xydata().tolist() == [[1, 2.0]]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.1", "0.5", "1"]
    assert ring.get_fillstyle() == "none"
    assert legend_of(figure) == ["Normal noise", "selected by a seed"]


def test_against_temperature_the_laws_stand_beside_each_other_with_the_range_over_seeds(histories):
    ax = draw_temperatures(runs_of(histories), laws=LAWS).axes[0]
    gumbel, normal = (line.get_xydata() for line in ax.lines[:2])
    assert gumbel.tolist() == [[-0.075, pytest.approx(15)], [0.925, pytest.approx(15.35)]]
    assert normal[:, 0].tolist() == [0.075, 1.075]
    assert [line.get_marker() for line in ax.lines[:2]] == ["o", "s"]
    assert ax.collections[0].get_segments()[0].tolist() == [[-0.075, pytest.approx(14)], [-0.075, pytest.approx(16)]]


def test_at_a_single_temperature_the_laws_stand_side_by_side():
    losses = {("gumbel", 0.5, 1): 3.0, ("gumbel", 0.5, 2): 5.0, ("normal", 0.5, 1): 2.0, ("normal", 0.5, 2): 2.0}
    (ax,) = draw_temperatures(best_epochs(losses), laws=LAWS).axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Gumbel", "Normal"]
    assert ax.get_xlabel() == "noise law, at temperature 0.5"
    assert [line.get_marker() for line in ax.lines] == ["o", "s"]
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0, 4]], [[1, 2]]]
    spread = ax.collections[0].get_segments()[0]
    assert spread.tolist() == [[0, 3], [0, 5]]


def test_laws_whose_names_do_not_fit_below_the_axis_have_markers_of_their_own_as_in_the_legend():
    laws = [*LAWS, "laplace"]
    runs = best_epochs({(law, 0.5, 1): 1.0 for law in laws})
    fewer = runs[runs["perturbation"] != "normal"].assign(K=30)
    figure = draw_temperatures(pd.concat([runs, fewer]), laws=laws)
    named = figure.legends[0].get_lines()
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers == [line.get_marker() for line in named] == list("osD^")
    of_fewer = [(line.get_xdata()[0], line.get_marker()) for line in figure.axes[1].lines]
    assert of_fewer == [(0, "o"), (1, "D"), (2, "^")], "no place for a law that was not run there"
    assert {line.get_linestyle() for line in named} == {"None"}


def test_an_annealed_temperature_is_called_so(histories):
    """It is a start: the temperature falls from there."""
    annealed = '{"annealing": {"rate": 1e-5, "minimum": 0.1, "interval": 1000}}'
    figure = convergence(histories, temperature=1.0, training=annealed)
    assert "annealed from temperature 0.85" in figure.get_suptitle()
    runs = runs_of(histories, training=annealed)
    curves = histories.rename(columns={"training_loss": "validation_loss"})
    assert "annealed from selected temp" in draw_validation(curves, runs, laws=LAWS).get_suptitle()
    (ax, _) = draw_temperatures(runs, laws=LAWS).axes
    assert ax.get_xlabel() == "temperature at the start"
    (ax, _) = draw_temperatures(runs[runs["temperature"] == 0.5], laws=LAWS).axes
    assert ax.get_xlabel() == "noise law, annealed from temperature 0.5"


def test_where_every_run_of_a_K_diverged_no_temperature_is_shown():
    diverged, finite = best_epochs({("normal", 0.5, 1): np.nan}), best_epochs({("normal", 0.5, 1): 1.0}, K=30)
    figure = draw_temperatures(pd.concat([diverged, finite]), laws=LAWS)
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [["diverged"], []]


@pytest.mark.parametrize("columns", [1, 3])
def test_each_temperature_that_was_run_has_a_tick_and_no_names_touch(columns):
    losses = {("normal", t, 1): t for t in PAPER_TEMPERATURES}
    figure = draw_temperatures(pd.concat(best_epochs(losses, K=10 + i) for i in range(columns)), laws=LAWS)
    figure.draw_without_rendering()
    for ax in figure.axes:
        named = [label.get_text() for label in ax.get_xticklabels()]
        assert named == [f"{temperature:g}" for temperature in PAPER_TEMPERATURES]
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_of_many_temperatures_only_as_many_are_named_as_there_is_room_for():
    (ax,) = draw_temperatures(best_epochs({("normal", t / 100, 1): t for t in range(1, 101)}), laws=LAWS).axes
    assert len(ax.get_xticks()) == 100
    names = [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
    assert names[0] == "0.01"
    assert names[-1] == "1"
    assert len(names) < 40


def test_images_are_named_unless_they_are_the_papers(histories):
    of_mnist = histories.assign(dataset="mnist")
    for origin, last in (("here", "\nhere"), (PAPER_IMAGES["mnist"], "over 2 seeds")):
        runs = runs_of(of_mnist, data_origin=origin)
        assert draw_temperatures(runs, laws=LAWS).get_suptitle().endswith(last)


def test_a_law_looks_the_same_whatever_laws_a_figure_shows():
    every = looks([*LAWS, "laplace", "uniform"], [*LAWS, "laplace", "uniform"])
    assert len({look.colour for look in every.values()}) == len({look.dash for look in every.values()}) == 5
    for shown in (["uniform"], ["uniform", "normal"], ["logistic", "laplace"]):
        assert looks(shown, list(every)) == {law: every[law] for law in shown}
    assert looks(["normal"], []) == looks(["normal"], ["laplace", "normal"]), "the paper's laws, in every study"


def test_the_control_s_own_laws_are_left_out_of_the_convergence(histories):
    laplace = histories[histories["perturbation"] == "normal"].assign(perturbation="laplace")
    table = pd.concat([histories, laplace], ignore_index=True)
    runs = without_control_laws(runs_of(table))
    figure = draw_convergence(table, runs, temperature=0.5, laws=[*LAWS, "laplace"])
    assert legend_of(figure) == ["Gumbel noise", "Normal noise", "Gumbel's final loss"]
    assert [len([line for line in ax.lines if len(line.get_xdata())]) for ax in figure.axes] == [3, 3]
    alone = runs_of(laplace)
    assert len(without_control_laws(alone)) == len(alone)


@pytest.mark.parametrize(("epochs", "whole"), [(9, True), (10, False)])
def test_fewer_than_ten_epochs_are_shown_whole(histories, epochs, whole):
    shown = histories[histories["epoch"] <= epochs]
    highest = shown["training_loss"].max()
    for ax in convergence(shown, temperature=0.85).axes:
        assert (ax.get_ylim()[1] > highest) == whole


def test_the_columns_share_their_axis_of_plain_numbers(histories, tmp_path):
    far = histories.assign(training_loss=1e6 + histories["training_loss"] / 100)
    figure = convergence(far, temperature=0.5)
    save(figure, [str(tmp_path / "plain.png")])
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert [ax.yaxis.get_offset_text().get_text() for ax in figure.axes] == ["", ""]
    assert all(label.get_text().startswith("100000") for label in figure.axes[0].get_yticklabels())


def test_a_curve_ends_where_the_first_of_its_seeds_stopped_early(histories):
    """At the temperature that is drawn: the stop of gumbel noise at another one leaves its curve as it is."""

    def stopped(table):
        of_normal = (table["perturbation"] == "normal") & (table["seed"] == 3) & (table["K"] == 10)
        return of_normal | ((table["perturbation"] == "gumbel") & (table["temperature"] == 0.85))

    curves = histories[~stopped(histories) | (histories["epoch"] <= 15)]
    runs = runs_of(curves)
    runs = runs.assign(stopped_early=stopped(runs), epochs_run=runs["epoch"])
    figure = draw_convergence(curves, runs, temperature=0.5, laws=LAWS)
    lengths = [[len(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) > 2] for ax in figure.axes]
    assert lengths == [[40, 15], [40, 40]]
    assert "until the first stopped early" in figure.get_suptitle()
    unstopped = draw_convergence(histories, runs_of(histories), temperature=0.5, laws=LAWS)
    assert "stopped early" not in unstopped.get_suptitle()


def test_the_title_speaks_of_the_first_seed_only_where_there_are_several(histories):
    curves = histories[histories["seed"] == 3]
    figure = draw_convergence(curves, runs_of(curves, stopped_early=True), temperature=0.5, laws=LAWS)
    assert "one seed" in figure.get_suptitle()
    assert "stopped early" not in figure.get_suptitle()


@pytest.mark.parametrize("categories", [[10], [10, 30]])
@pytest.mark.parametrize("name", ["fashion-mnist", "d" * 80])
def test_a_title_is_not_wider_than_its_figure(histories, categories, name):
    curves = histories[histories["K"].isin(categories)].assign(dataset=name)
    curves = curves.rename(columns={"training_loss": "validation_loss"})
    runs = runs_of(curves.assign(training_loss=curves["validation_loss"]), stopped_early=True, data_origin="o" * 80)
    figure = draw_validation(curves, runs, laws=LAWS)
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    assert 0 < title.x0 < title.x1 < figure.bbox.width
    assert "until the first stopped early" in figure.get_suptitle()


def test_the_same_data_give_the_same_bits(histories, tmp_path):
    for name in ("a", "b"):
        figure = convergence(histories, temperature=0.5)
        save(figure, [str(tmp_path / f"{name}.pdf"), str(tmp_path / f"{name}.png")])
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
