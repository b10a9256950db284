"""The test losses of the selected models under each measure, and their summary over seeds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from discrete_vae.analysis.selection import NEGATIVE_ELBO, VALIDATION_LOSS, selected_cells
from discrete_vae.analysis.statistics import mean_of_images, standard_errors, t_interval
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import AXES, Cell
from discrete_vae.grid.measures import MEASURES, SELECTED_BY_ELBO

LATE_PART = 0.9  # of the epochs run; a best epoch beyond it leaves open whether more epochs would be better
SUMMARIZED = ["dataset", "K", "measure", "perturbation"]


def summarize_test_losses(
    selections: Mapping[str, pd.DataFrame], bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Summarize the test losses of the selected models over seeds.

    Args:
        selections: the models selected by the validation loss and by the negative ELBO, under these names.
        bounds, per_image: of the groups.

    Returns:
        One row for each dataset, K, measure and perturbation. The measures are MEASURES, and the negative ELBO of the
        models that it selects. Columns:

        - ``mean``, ``sd``, ``low``, ``high``, ``seeds``: mean over seeds in nats per image, sample standard deviation,
          95% t interval and number of seeds;
        - ``image_se``: standard error of the mean over the test images;
        - ``temperatures``: those that the seeds selected;
        - ``edge_selections``, ``late_selections``: how many seeds selected the lowest or highest temperature, or an
          epoch among the last tenth;
        - ``diverged_runs``: how many there are;
        - ``best``: whether the mean is the lowest of its dataset, K and measure.
    """
    tables = [
        _summary(selections[VALIDATION_LOSS], bounds, per_image, MEASURES),
        _summary(selections[NEGATIVE_ELBO], bounds, per_image, {"negative_elbo": SELECTED_BY_ELBO}),
    ]
    places = selections[VALIDATION_LOSS][["dataset", "K"]].drop_duplicates()
    table = places.merge(pd.concat(tables), on=["dataset", "K"])
    lowest = table.groupby(["dataset", "K", "measure"])["mean"].transform("min")
    return table.assign(best=table["mean"] == lowest)


def _summary(
    selection: pd.DataFrame, bounds: pd.DataFrame, per_image: Mapping[str, np.ndarray], measures: Mapping[str, str]
) -> pd.DataFrame:
    # A run that stopped early is not late: more epochs were tried.
    stopped_early = selection["stopped_early"].eq(True)
    late = (selection["best_epoch"] > LATE_PART * selection["epochs_run"]) & ~stopped_early
    long = with_bounds(selection.assign(late=late), bounds).melt(
        id_vars=[*AXES, "at_grid_edge", "late", "diverged_runs"],
        value_vars=list(measures),
        var_name="measure",
        value_name="nats",
    )
    table = long.groupby(SUMMARIZED, sort=False).agg(
        mean=("nats", "mean"),
        sd=("nats", "std"),
        low=("nats", lambda nats: t_interval(nats)[0]),
        high=("nats", lambda nats: t_interval(nats)[1]),
        seeds=("nats", "count"),
        temperatures=("temperature", lambda selected: " ".join(map(str, sorted(selected.dropna().unique())))),
        edge_selections=("at_grid_edge", "sum"),
        late_selections=("late", "sum"),
        diverged_runs=("diverged_runs", "sum"),
    )
    table.insert(table.columns.get_loc("temperatures"), "image_se", _errors_of_mean(selection, per_image))
    table = table.reset_index()
    return table.assign(measure=table["measure"].map(measures))


def _errors_of_mean(selection: pd.DataFrame, per_image: Mapping[str, np.ndarray]) -> pd.Series:
    errors = {}
    for (dataset, K, law), group in selection.groupby(["dataset", "K", "perturbation"]):
        for measure, error in standard_errors(mean_of_images(selected_cells(group), per_image)).items():
            errors[dataset, K, measure, law] = error
    return pd.Series(errors)


def with_bounds(selection: pd.DataFrame, bounds: pd.DataFrame) -> pd.DataFrame:
    """Add the columns BOUNDS to the selected models. They are missing where every run diverged.

    Raises:
        InputError: the bounds are of other models than the selected ones.
    """
    table = selection.merge(bounds, on=list(AXES), how="left", indicator="found")
    missing = table[(table["found"] == "left_only") & table["temperature"].notna()]
    if len(missing):
        cell = Cell.of(missing.iloc[0])
        raise InputError(
            f"the group {cell.group} has no bounds of its selected model {cell}, expected some in its bounds.csv;"
            " remove the group's folder to make it again"
        )
    return table.drop(columns="found")
