"""Figures show what they say, and equal data give equal bits."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.grid.cells import AXES
from discrete_vae.report import figures
from matplotlib.colors import to_rgb


def runs_of(histories: pd.DataFrame, **columns) -> pd.DataFrame:
    """Make the summaries of the runs of some histories, with the loss of the last epoch for all of their losses."""
    last = histories.groupby(list(AXES), sort=False).tail(1)
    losses = {f"validation_{part}": last["training_loss"] for part in ("loss", "reconstruction", "kl")}
    constants = {"diverged": False, "stopped_early": False, "best_epoch": 40, "epochs_run": 40, "data_origin": "here"}
    return last.assign(**losses, **{**constants, **columns})


def convergence(histories: pd.DataFrame, temperature: float, **columns):
    return figures.draw_convergence(histories, runs_of(histories, **columns), dataset="d", temperature=temperature)


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
        curves = [line for line in ax.lines if len(line.get_xdata())]
        palette = figures.colours(["gumbel", "normal"])
        assert [to_rgb(curve.get_color()) for curve in curves] == list(palette.values())
        assert curves[0].get_ydata()[-1] == pytest.approx(100 / 40 + K + 2 + 0.85)
        band = ax.collections[0].get_paths()[0].vertices
        at_the_end = band[band[:, 0] == 40][:, 1]
        assert (at_the_end.min(), at_the_end.max()) == pytest.approx((100 / 40 + K + 1.85, 100 / 40 + K + 3.85))


def test_convergence_is_drawn_at_the_nearest_temperature_also_below_the_highest(histories):
    figure = convergence(histories, temperature=0.6)
    assert "temperature 0.5" in figure.get_suptitle()


def test_one_seed_claims_no_range(histories):
    figure = convergence(histories[histories["seed"] == 1], temperature=0.5)
    assert "one seed" in figure.get_suptitle()


def test_a_seed_that_was_not_run_at_every_temperature_is_not_counted_everywhere(histories):
    runs = runs_of(histories)
    partial = runs[(runs["seed"] == 1) | (runs["temperature"] == 0.5)]
    for shown, seeds in ((runs, "range over 2 seeds"), (partial, "range over 1 to 2 seeds")):
        figure = figures.draw_temperatures(shown, dataset="d")
        assert seeds in figure.get_suptitle()


def test_validation_is_drawn_at_each_seeds_selected_temperature(histories):
    curves = histories.rename(columns={"training_loss": "validation_loss"}).reset_index(drop=True)
    runs = runs_of(histories.reset_index(drop=True))
    # Of normal noise only, the higher temperature is selected with seed 3.
    higher = (runs["perturbation"] == "normal") & (runs["seed"] == 3) & (runs["temperature"] == 0.85)
    runs.loc[higher, "validation_loss"] -= 10
    figure = figures.draw_validation(curves, runs, dataset="d")
    gumbel, normal = (line for line in figure.axes[0].lines if len(line.get_xdata()))
    assert gumbel.get_ydata()[-1] == pytest.approx(100 / 40 + 10 + (1.5 + 3.5) / 2)
    assert normal.get_ydata()[-1] == pytest.approx(100 / 40 + 10 + (1.5 + 3.85) / 2)
    assert "selected temperatures" in figure.get_suptitle()
    dots = figure.axes[0].collections[-1].get_offsets().tolist()
    assert [epoch for epoch, _ in dots] == [40] * 4, "the best epoch of each law and seed"


def test_where_every_run_diverged_the_figures_say_so(histories):
    diverged = histories[histories["epoch"] == 1].assign(training_loss=np.nan)
    figure = convergence(diverged, temperature=0.5)
    assert [text.get_text() for ax in figure.axes for text in ax.texts] == ["diverged", "diverged"]


def test_loss_against_temperature_leaves_diverged_runs_out():
    runs = pd.DataFrame(
        {
            "K": 10,
            "perturbation": "normal",
            "temperature": [0.1, 0.5, 1.0],
            "seed": 1,
            "validation_loss": [3.0, 2.0, np.nan],
            "diverged": [False, False, True],
            "data_origin": "here",
        }
    )
    figure = figures.draw_temperatures(runs, dataset="d")
    (curve,) = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert curve.get_xydata().tolist() == [[0.1, 3.0], [0.5, 2.0]]


def test_at_a_single_temperature_the_laws_stand_side_by_side():
    losses = {("gumbel", 1): 3.0, ("gumbel", 2): 5.0, ("normal", 1): 2.0, ("normal", 2): 2.0}
    rows = [{"perturbation": law, "seed": seed, "validation_loss": loss} for (law, seed), loss in losses.items()]
    runs = pd.DataFrame(rows).assign(K=10, temperature=0.5, diverged=False, data_origin="here")
    (ax,) = figures.draw_temperatures(runs, dataset="d").axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["gumbel", "normal"]
    assert ax.get_xlabel() == "noise law, at temperature 0.5"
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0, 4]], [[1, 2]]]
    spread = ax.collections[0].get_segments()[0]
    assert spread.tolist() == [[0, 3], [0, 5]]


def test_where_every_run_of_a_K_diverged_no_temperature_is_shown():
    runs = pd.DataFrame({"K": [10, 30], "perturbation": "normal", "temperature": 0.5, "seed": 1})
    runs = runs.assign(validation_loss=[np.nan, 1.0], diverged=[True, False], data_origin="here")
    figure = figures.draw_temperatures(runs, dataset="d")
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [["diverged"], []]


def test_the_control_shows_every_measure_against_the_variance_of_the_noise_and_the_gradients():
    variances = {"normal": 1.0, "narrow": 1.0, "gumbel": 1.645}
    cells = [(K, law, seed) for K in (10, 30) for law in variances for seed in (1, 2)]
    measures = {"paper_loss": 100.0, "negative_elbo": 99.0, "importance_weighted_bound": 90.0, "training_loss": 80.0}
    losses = pd.DataFrame(
        {"K": K, "perturbation": law, "seed": seed, **{m: loss + seed + K for m, loss in measures.items()}}
        for K, law, seed in cells
    )
    gradients = pd.DataFrame(
        {
            "perturbation": law,
            "temperature": temperature,
            "seed": 1,
            "noise_variance": variance,
            "relative_bias": temperature,
            "relative_variance": 1 / temperature,
        }
        for law, variance in variances.items()
        for temperature in (0.1, 1.0)
    )
    figure = figures.draw_control(losses, gradients, dataset="d")
    above, below = figure.axes[:8], figure.axes[8:]
    assert [ax.get_ylabel() for ax in above[::2]] == [
        "paper loss\n(nats)",
        "negative ELBO\n(nats)",
        "IWAE bound\n(nats)",
        "training loss: final\n(nats)",
    ]
    places = [line.get_xydata()[0] for line in above[0].lines if len(line.get_xdata()) == 1]
    assert [y for _, y in places] == [111.5] * 3, "the mean over seeds"
    assert [x for x, _ in places] == pytest.approx([-0.05, 0.05, 1]), "laws of one variance stand beside each other"
    assert [label.get_text() for label in above[-1].get_xticklabels()] == ["1", "1.65"]
    assert len(below) == 3
    assert below[2].lines[0].get_xydata().tolist() == [[10.0, 0.1], [1.0, 1.0]]


def test_gradients_at_a_single_temperature_stand_side_by_side():
    losses = pd.DataFrame({"K": 10, "perturbation": ["normal", "gumbel"], "seed": 1})
    losses = losses.assign(paper_loss=1.0, negative_elbo=1.0, importance_weighted_bound=1.0, training_loss=1.0)
    gradients = pd.DataFrame({"perturbation": ["normal", "normal", "gumbel"], "seed": [1, 2, 1], "temperature": 0.5})
    gradients = gradients.assign(noise_variance=[1.0, 1.0, 1.645], relative_bias=0.8, relative_variance=[2.0, 4.0, 5.0])
    by_variance = figures.draw_control(losses, gradients, dataset="d").axes[4]
    assert by_variance.get_xlabel() == "noise law, at temperature 0.5"
    assert [line.get_xydata().tolist() for line in by_variance.lines] == [[[0, 3]], [[1, 5]]]
    assert by_variance.collections[0].get_segments()[0].tolist() == [[0, 2], [0, 4]]


def test_a_control_without_a_measured_gradient_is_drawn(tmp_path):
    losses = pd.DataFrame({"K": [10], "perturbation": "t5", "seed": 1, "paper_loss": 100.0, "training_loss": 90.0})
    losses = losses.assign(negative_elbo=np.nan, importance_weighted_bound=np.nan)
    gradients = pd.DataFrame({"perturbation": ["t5"], "temperature": 0.5, "seed": 1, "noise_variance": 5 / 3})
    gradients = gradients.assign(relative_bias=np.nan, relative_variance=np.nan)
    figures.save(figures.draw_control(losses, gradients, dataset="d"), [str(tmp_path / "control.png")])
    assert (tmp_path / "control.png").exists()


def test_fits_have_columns_of_steps_and_one_of_temperatures():
    fits = pd.DataFrame(
        {
            "perturbation": law,
            "temperature": temperature,
            "seed": seed,
            "step": [0, 10, 15],
            "discrete_error": [0.5, 0.2, 0.1 * temperature + 0.01 * seed],
            "relaxed_error": [0.5, 0.2, 0.01],
        }
        for law in ("gumbel", "normal")
        for temperature in (0.1, 0.3, 0.5, 1.0)
        for seed in (1, 3)
    ).explode(["step", "discrete_error", "relaxed_error"])
    fits = fits.astype({"step": int, "discrete_error": float, "relaxed_error": float})
    figure = figures.draw_fits(fits, target="t")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["temperature 0.1", "temperature 0.5", "temperature 1", "after 15 steps"]
    curves = [line.get_xydata() for line in figure.axes[-1].lines if len(line.get_xdata())]
    assert len(curves) == 4
    assert curves[0].tolist() == [[t, pytest.approx(0.1 * t + 0.02)] for t in (0.1, 0.3, 0.5, 1.0)]
    assert curves[3][:, 1].tolist() == [0.01] * 4
    assert "range over 2 seeds" in figure.get_suptitle()


def test_images_have_a_labelled_row_per_law():
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (4, 5, 7), dtype=np.uint8)
        for name in ("data", "normal/reconstructions", "normal/samples", "laplace/reconstructions", "laplace/samples")
    }
    figure = figures.draw_images(images, title="t")
    labels = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in figure.axes]
    assert labels == [["data", "normal", "laplace"], ["normal", "laplace"]]
    shown = figure.axes[0].images[0].get_array()
    assert np.array_equal(shown[:5, :7], 255 - images["data"][0])


def test_images_of_which_every_model_diverged_are_still_drawn():
    figure = figures.draw_images({"data": np.zeros((4, 5, 7), dtype=np.uint8)}, title="t")
    assert [text.get_text() for text in figure.axes[1].texts] == ["diverged"]


def test_without_pictures_the_figure_says_that_nothing_was_evaluated():
    figure = figures.draw_images({}, title="t")
    assert [text.get_text() for text in figure.texts] == ["t", "not evaluated"]


def test_a_curve_ends_where_the_first_of_its_seeds_stopped_early(histories):
    """At the temperature that is drawn: the stop of gumbel noise at another one leaves its curve as it is."""

    def stopped(table):
        of_normal = (table["perturbation"] == "normal") & (table["seed"] == 3) & (table["K"] == 10)
        return of_normal | ((table["perturbation"] == "gumbel") & (table["temperature"] == 0.85))

    curves = histories[~stopped(histories) | (histories["epoch"] <= 15)]
    runs = runs_of(curves)
    runs = runs.assign(stopped_early=stopped(runs), epochs_run=runs["epoch"])
    figure = figures.draw_convergence(curves, runs, dataset="d", temperature=0.5)
    lengths = [[len(line.get_xdata()) for line in ax.lines if len(line.get_xdata())] for ax in figure.axes]
    assert lengths == [[40, 15], [40, 40]]


def test_the_same_data_give_the_same_bits(histories, tmp_path):
    for name in ("a", "b"):
        figure = convergence(histories, temperature=0.5)
        figures.save(figure, [str(tmp_path / f"{name}.pdf"), str(tmp_path / f"{name}.png")])
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
