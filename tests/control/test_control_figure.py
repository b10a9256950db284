"""The control's figure shows every measure and the gradients, also where there are few or none."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.control.figure import draw_control
from discrete_vae.report.style import save


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
    figure = draw_control(losses, gradients, dataset="d")
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
    by_variance = draw_control(losses, gradients, dataset="d").axes[4]
    assert by_variance.get_xlabel() == "noise law, at temperature 0.5"
    assert [line.get_xydata().tolist() for line in by_variance.lines] == [[[0, 3]], [[1, 5]]]
    assert by_variance.collections[0].get_segments()[0].tolist() == [[0, 2], [0, 4]]


def test_a_control_without_a_measured_gradient_is_drawn(tmp_path):
    losses = pd.DataFrame({"K": [10], "perturbation": "t5", "seed": 1, "paper_loss": 100.0, "training_loss": 90.0})
    losses = losses.assign(negative_elbo=np.nan, importance_weighted_bound=np.nan)
    gradients = pd.DataFrame({"perturbation": ["t5"], "temperature": 0.5, "seed": 1, "noise_variance": 5 / 3})
    gradients = gradients.assign(relative_bias=np.nan, relative_variance=np.nan)
    save(draw_control(losses, gradients, dataset="d"), [str(tmp_path / "control.png")])
    assert (tmp_path / "control.png").exists()
