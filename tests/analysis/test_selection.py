"""Selection on the validation set."""

import numpy as np
import pandas as pd
import pytest
from discrete_vae.analysis.selection import (
    NEGATIVE_ELBO,
    at_nearest_temperature,
    diverged_runs,
    read_bounds,
    select_temperatures,
    selected_cells,
)
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import BOUNDS
from planted import runs_of


def test_the_lowest_validation_loss_is_selected():
    runs = runs_of({("normal", 0.1, 1): 3.0, ("normal", 0.5, 1): 1.0, ("normal", 1.0, 1): 2.0})
    runs["stopped_early"] = runs["temperature"] == 0.5
    (row,) = select_temperatures(runs).to_dict("records")
    assert (row["temperature"], row["validation_loss"], row["stopped_early"]) == (0.5, 1.0, True)
    assert not row["at_grid_edge"]


@pytest.mark.parametrize("best", [0.1, 1.0])
def test_a_selection_at_either_edge_of_the_grid_is_flagged(best):
    runs = runs_of({("normal", t, 1): 1.0 if t == best else 2.0 for t in (0.1, 0.5, 1.0)})
    assert select_temperatures(runs)["at_grid_edge"].tolist() == [True]


def test_diverged_runs_are_skipped_and_named():
    """Their losses were lower before. Their temperatures still count as edges of the grid."""
    losses = {("normal", 0.1, 1): 0.0, ("normal", 0.5, 1): 1.0, ("normal", 1.0, 1): 2.0, ("gumbel", 0.1, 1): 0.0}
    runs = runs_of(losses, diverged=[("normal", 0.1, 1), ("gumbel", 0.1, 1)])
    runs["validation_loss"] = list(losses.values())
    selection = select_temperatures(runs)
    assert selection["temperature"].tolist()[0] == 0.5
    assert selection["at_grid_edge"].tolist() == [False, False]
    assert selection["diverged_runs"].tolist() == [1, 1]
    assert np.isnan(selection["temperature"][1])
    assert selected_cells(selection) == [Cell("digits", 10, "normal", 0.5, 1)]
    named = diverged_runs(runs)
    assert named[["perturbation", "temperature", "diverged_epoch"]].values.tolist() == [
        ["normal", 0.1, 3],
        ["gumbel", 0.1, 3],
    ]


def test_every_diverged_run_of_a_law_is_counted():
    runs = runs_of({("normal", t, 1): t for t in (0.1, 0.5, 1.0)}, diverged=[("normal", 0.1, 1), ("normal", 0.5, 1)])
    assert select_temperatures(runs)[["runs", "diverged_runs"]].to_numpy().tolist() == [[3, 2]]


def test_the_negative_elbo_selects_by_reconstruction_and_the_kl_of_the_codes():
    runs = runs_of({("normal", temperature, 1): 1 + temperature for temperature in (0.1, 0.5, 1.0)})
    runs["validation_reconstruction"] = [0.5, 1.0, 1.5]
    runs["validation_kl_of_codes"] = [5.0, 3.0, 2.8]
    assert select_temperatures(runs)["temperature"].tolist() == [0.1]
    assert select_temperatures(runs, by=NEGATIVE_ELBO)["temperature"].tolist() == [0.5], "5.5, 4 and 4.3 nats"
    older = runs.drop(columns="validation_kl_of_codes")
    one_is_older = runs.assign(validation_kl_of_codes=[5.0, 3.0, np.nan])
    for unknown in (older, one_is_older):
        assert np.isnan(select_temperatures(unknown, by=NEGATIVE_ELBO)["temperature"].item())


def test_each_seed_selects_for_itself():
    losses = {("normal", 0.1, 1): 1.0, ("normal", 1.0, 1): 2.0, ("normal", 0.1, 2): 2.0, ("normal", 1.0, 2): 1.0}
    assert select_temperatures(runs_of(losses))["temperature"].tolist() == [0.1, 1.0]


def table_at(*rows: tuple[str, int, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["dataset", "K", "perturbation", "temperature"])


def test_the_nearest_temperature_is_each_datasets_and_ks_own_and_one_where_two_are_equally_near():
    places = [("a", 3, 0.1), ("b", 3, 0.1), ("a", 3, 0.75), ("a", 3, 1.25), ("b", 3, 0.1), ("a", 4, 0.1)]
    table = table_at(*((dataset, K, "normal", temperature) for dataset, K, temperature in places))
    assert at_nearest_temperature(table.assign(row=range(6)), 1.0)["row"].tolist() == [1, 2, 4, 5]


def test_the_nearest_temperature_is_one_where_laws_can_be_compared():
    """Not the one of a single cell, asked for by name. More laws than two count no more."""
    one = table_at(("a", 3, "normal", 1.0), *(("a", 3, law, 0.4) for law in ("normal", "gumbel")))
    assert at_nearest_temperature(one, 1.0)["temperature"].unique().tolist() == [0.4]
    three = table_at(
        *(("a", 3, law, tau) for law in ("normal", "gumbel") for tau in (0.4, 1.0)), ("a", 3, "other", 0.4)
    )
    assert at_nearest_temperature(three, 1.0)["temperature"].unique().tolist() == [1.0]


def test_bounds_of_several_groups_are_read_though_one_has_none(tmp_path):
    row = {"dataset": "d", "K": 2, "perturbation": "normal", "temperature": 0.5, "seed": 1}
    for name, rows in {"some": [row], "none": []}.items():
        pd.DataFrame(rows, columns=BOUNDS).to_csv(tmp_path / f"{name}.csv", index=False)
    bounds = read_bounds([str(tmp_path / "none.csv"), str(tmp_path / "some.csv")])
    assert Cell.of(bounds.iloc[0]) == Cell.of(row)
    assert (bounds["K"].dtype, bounds["paper_loss"].dtype) == (int, float)


def test_what_older_bounds_lack_is_missing(tmp_path):
    older = {"paper_loss": 2.0, "seed": 1, "dataset": "d", "K": 2, "perturbation": "normal", "temperature": 0.5}
    pd.DataFrame([older]).to_csv(tmp_path / "bounds.csv", index=False)
    bounds = read_bounds([str(tmp_path / "bounds.csv")])
    assert bounds.columns.tolist() == BOUNDS
    assert bounds["paper_loss"].tolist() == [2.0]
    assert bounds[bounds.columns.difference(older)].isna().to_numpy().all()
