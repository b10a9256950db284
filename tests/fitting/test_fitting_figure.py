"""The table and the figure of the fits, and a target in words."""

import pandas as pd
import pytest
from discrete_vae.fitting.figure import describe, draw_fits
from discrete_vae.fitting.table import summarize_fits


def test_targets_are_described():
    assert describe("poisson", {"family": "poisson", "rate": 50, "K": 100}) == "poisson: rate = 50, K = 100"
    assert describe("mine", {"family": "table", "probabilities": [0.5, 0.2, 0.3]}) == "mine: table, K = 3"


def test_the_table_has_the_last_step_over_seeds():
    errors = {"discrete_error": [0.9, 0.1, 0.9, 0.3], "relaxed_error": [0.9, 0.01, 0.9, 0.02]}
    fits = pd.DataFrame({"target": "t", "perturbation": "normal", "temperature": 0.5, "seed": [1, 1, 2, 2], **errors})
    (row,) = summarize_fits(fits.assign(step=[0, 20, 0, 20])).to_dict("records")
    assert (row["step"], row["seeds"]) == (20, 2)
    assert [row[f"discrete_error_{name}"] for name in ("mean", "lowest", "highest")] == [0.2, 0.1, 0.3]
    assert row["relaxed_error_mean"] == 0.015


def test_fits_have_columns_of_steps_and_one_of_temperatures_and_a_row_for_each_error():
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
    figure = draw_fits(fits, target="t", laws=["gumbel", "normal"])
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["temperature 0.1", "temperature 0.5", "temperature 1", "after 15 steps", *[""] * 4]
    assert [figure.axes[first].get_ylabel() for first in (0, 4)] == ["codes", "mean relaxed sample"]
    ends = [[line.get_ydata()[-1] for line in figure.axes[i].lines if len(line.get_xdata())] for i in range(3)]
    assert ends == [[pytest.approx(0.1 * temperature + 0.02)] * 2 for temperature in (0.1, 0.5, 1.0)]
    last = [[line.get_xydata() for line in figure.axes[i].lines if len(line.get_xdata())] for i in (3, 7)]
    assert [len(curves) for curves in last] == [2, 2]
    assert last[0][0].tolist() == [
        [pytest.approx(place - 0.075), pytest.approx(0.1 * t + 0.02)] for place, t in enumerate((0.1, 0.3, 0.5, 1.0))
    ]
    assert last[1][1][:, 1].tolist() == [0.01] * 4
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert "range over 2 seeds" in figure.get_suptitle()
