"""The control's figure shows every measure and the gradients, also where there are few or none."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.control.comparison import CONTROL_MEASURES
from discrete_vae.control.figure import draw_control
from discrete_vae.report.style import save
from test_control import CORNERS, LAWS, planted

VARIANCES = {"normal": 1.0, "narrow": 1.0, "gumbel": 1.645, "wide": 1.645, "logistic": 3.29}
ON = {"laws": list(VARIANCES)}


def gradients_of(laws, *, temperatures=(0.1, 1.0), seeds=(1,)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "perturbation": law,
            "temperature": temperature,
            "seed": seed,
            "noise_variance": VARIANCES[law],
            "relative_bias": temperature,
            "relative_variance": seed / temperature,
        }
        for law in laws
        for temperature in temperatures
        for seed in seeds
    )


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_the_control_shows_every_measure_against_the_variance_of_the_noise_and_the_gradients():
    """Only at the K with all four laws; and the seeds of a point that has fewer than others."""
    losses = pd.concat([planted(0, 0, 0), planted(0, 0, 0, K=30).query("perturbation == 'normal'")])
    losses.loc[(losses["perturbation"] == "wide") & (losses["seed"] > 1), "paper_loss"] = np.nan
    figure = draw_control(losses, gradients_of(VARIANCES), LAWS, **ON)
    above, below = figure.axes[:4], figure.axes[4:]
    titles = ["paper loss", "negative ELBO", "IWAE bound", "final training loss,\nat temperature 1"]
    assert [ax.get_title() for ax in above] == titles
    assert above[0].get_ylabel() == "nats, $K$ = 10"
    shared = above[0].get_shared_y_axes()
    assert [shared.joined(above[0], ax) for ax in above] == [True, True, True, False], "the test losses"
    assert [shared.joined(below[1], ax) for ax in below] == [False, True, True], "the biases"
    places = [line.get_xydata()[0] for line in above[0].lines if len(line.get_xdata()) == 1]
    assert [x for x, _ in places] == pytest.approx([-0.1, 0.1, 0.9, 1.1, 2]), "laws of one variance stand together"
    assert next(y for _, y in places) == pytest.approx(
        losses.query("K == 10 and perturbation == 'normal'")["paper_loss"].mean()
    )
    assert texts(above[0]) == ["2"]
    assert [label.get_text() for label in above[-1].get_xticklabels()] == ["1", "1.65", "3.29"]
    assert len(below) == 3
    assert below[2].lines[0].get_xydata().tolist() == [[10.0, 0.1], [1.0, 1.0]]


def test_the_training_losses_of_each_k_are_at_a_temperature_of_its_own():
    losses = pd.concat([planted(0, 0, 0).assign(training_temperature=0.5), planted(0, 0, 0, K=30)])
    figure = draw_control(losses, gradients_of(VARIANCES), LAWS, **ON)
    assert figure.axes[3].get_title() == "final training loss,\nat temperature 0.5 and 1"


def test_each_panel_shows_its_own_measure():
    losses = planted(0, 0, 0)
    losses[list(CONTROL_MEASURES)] += 10 * np.arange(len(CONTROL_MEASURES))
    figure = draw_control(losses, gradients_of(VARIANCES), LAWS, **ON)
    for ax, column in zip(figure.axes[: len(CONTROL_MEASURES)], CONTROL_MEASURES, strict=True):
        shown = [line.get_ydata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
        assert sorted(shown) == pytest.approx(sorted(losses.groupby("perturbation")[column].mean()))


def test_a_law_without_gradients_is_shown_last():
    """As in groups that were finished before the control was asked for."""
    losses = planted(0, 0, 0)
    figure = draw_control(losses, gradients_of([law for law in VARIANCES if law != "logistic"]), LAWS, **ON)
    points = [line.get_xydata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert len(points) == len(VARIANCES)
    mean = losses.query("perturbation == 'logistic'")["paper_loss"].mean()
    assert points[-1].tolist() == pytest.approx([2, mean])
    assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == ["1", "1.65", "unknown"]
    assert len(figure.axes[4].lines) == len(VARIANCES) - 1
    assert "Logistic noise" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_without_the_design_every_K_is_shown():
    losses = pd.concat([planted(0, 0, 0, K=K).query("perturbation != 'wide'") for K in (10, 30)])
    figure = draw_control(losses, gradients_of([law for law in VARIANCES if law != "wide"]), LAWS, **ON)
    assert [ax.get_ylabel() for ax in figure.axes[:8:4]] == ["nats, $K$ = 10", "nats, $K$ = 30"]


def test_gradients_at_a_single_temperature_stand_side_by_side_and_tell_which_have_fewer_seeds():
    gradients = gradients_of(CORNERS.values(), temperatures=(0.5,), seeds=(1, 2))
    lacking = (gradients["perturbation"] == "gumbel") & (gradients["seed"] == 2)
    gradients.loc[lacking, ["relative_bias", "relative_variance"]] = np.nan
    figure = draw_control(planted(0, 0, 0).query("perturbation != 'logistic'"), gradients, LAWS, **ON)
    by_variance = figure.axes[4]
    assert by_variance.get_xlabel() == "noise law, at temperature 0.5"
    assert next(line.get_xydata().tolist() for line in by_variance.lines) == [[0, 3]]
    assert by_variance.collections[0].get_segments()[0].tolist() == [[0, 2], [0, 4]]
    assert texts(by_variance) == ["1"]
    assert "1 to 2 seeds" in figure.subfigs[1].get_suptitle()


def test_a_control_without_a_measured_gradient_is_drawn(tmp_path):
    losses = pd.DataFrame({"dataset": ["d"], "K": 10, "perturbation": "t5", "seed": 1, "paper_loss": 100.0})
    losses = losses.assign(negative_elbo=np.nan, importance_weighted_bound=np.nan, final_training_loss=90.0)
    losses["training_temperature"] = 1.0
    gradients = pd.DataFrame({"perturbation": ["t5"], "temperature": 0.5, "seed": 1, "noise_variance": 5 / 3})
    gradients = gradients.assign(relative_bias=np.nan, relative_variance=np.nan)
    laws = {"t5": {"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}}
    figure = draw_control(losses, gradients, laws, **ON)
    save(figure, [str(tmp_path / "control.png")])
    assert (tmp_path / "control.png").exists()
    assert texts(figure.axes[0]) == []
