"""Whether runs are those that a configuration asks for.

Snakemake knows what its own runs were made with. Of results that came from elsewhere, such as the published ones in a
clone, it knows nothing, and takes them as they are.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from discrete_vae.cells import Cell, grid_cells
from discrete_vae.configuration import fit_definition, run_definition, with_defaults
from discrete_vae.errors import InputError
from discrete_vae.measures import BOUNDS
from discrete_vae.selection import NESTED


def read_runs(path: str, config: Mapping[str, Any]) -> pd.DataFrame:
    """Read the gathered summaries of a dataset's runs; raises InputError where `check_runs` does."""
    runs = pd.read_csv(path)
    check_runs(runs, config, where=path)
    return runs


def read_fits(paths: Sequence[str], config: Mapping[str, Any]) -> pd.DataFrame:
    """Read fits of some targets and noise laws; raises InputError where `check_fits` does."""
    fits = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    check_fits(fits, config, where=str(Path(paths[0]).parents[1]))
    return fits


def read_bounds(paths: Sequence[str], config: Mapping[str, Any]) -> pd.DataFrame:
    """Read the tables of bounds of several selected models; one is empty where every run diverged.

    Raises:
        InputError: bounds of another number of samples than configured.
    """
    samples = config["evaluation"]["importance_samples"]
    types = {"dataset": str, "K": int, "perturbation": str, "temperature": float, "seed": int}
    tables = [pd.read_csv(path).astype({name: types.get(name, float) for name in BOUNDS}) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        others = table.loc[table["samples"] != samples, "samples"]
        if len(others):
            raise InputError(
                f"{path} has bounds with {others.iloc[0]:.0f} samples an image, expected {samples} as configured"
                " (evaluation.importance_samples); use the configuration that it was made with, or remove it"
            )
    return pd.concat(tables, ignore_index=True)


def check_runs(runs: pd.DataFrame, config: Mapping[str, Any], *, where: str) -> None:
    """Check that runs are the cells of a grid, of the options of the configuration, and of the same images.

    Args:
        runs: what `selection.gather_summaries` returns, for one or more datasets of the grid.
        config: the complete configuration.
        where: the folder or file that they come from, for the message.

    Raises:
        InputError: the first run that is missing, left over or other than configured.
    """
    advice = f"use the configuration that {where} was made with, or remove {where} to make it anew"
    summaries = {Cell.of(row): summary_of(row) for row in runs.to_dict("records")}
    for dataset in runs["dataset"].unique():
        cells = grid_cells(config["grid"], dataset=dataset)
        of_dataset = {cell: summary for cell, summary in summaries.items() if cell.dataset == dataset}
        if odd_ones := of_dataset.keys() ^ set(cells):
            odd = min(odd_ones, key=str)
            raise InputError(
                f"{where} has {'a' if odd in of_dataset else 'no'} run {odd}, expected the {len(cells)} runs of the"
                f" configured grid; {advice}"
            )
        data_sha256 = of_dataset[cells[0]]["data_sha256"]
        for cell, summary in of_dataset.items():
            if difference := difference_from_configuration(summary, config, data_sha256=data_sha256):
                raise InputError(f"{where} has a run {cell} with {difference}; {advice}")


def check_fits(fits: pd.DataFrame, config: Mapping[str, Any], *, where: str) -> None:
    """Check that fits are of the configured targets, laws and options, and of the grid's temperatures and seeds.

    Args:
        fits: what rule fit writes, for one or more targets and noise laws.
        config: the complete configuration.
        where: the folder that they come from, for the message.

    Raises:
        InputError: fits of something else.
    """
    advice = f"use the configuration that they were made with, or remove {where} to make them anew"
    for (target, perturbation), group in fits.groupby(["target", "perturbation"]):
        definition = json.loads(group["definition"].iloc[0])
        if difference := _first_difference(definition, fit_definition(config, target, perturbation)):
            raise InputError(f"{where} has fits to {target} under {perturbation} noise with {difference}; {advice}")
        for axis in ("temperature", "seed"):
            found, expected = set(group[axis]), set(config["grid"][axis])
            if found != expected:
                raise InputError(
                    f"{where} has fits of the {axis}s {_listed(found)}, expected {_listed(expected)} as configured;"
                    f" {advice}"
                )


def difference_from_configuration(summary: Mapping[str, Any], config: Mapping[str, Any], *, data_sha256: str) -> str:
    """Say what in a run's summary, of its images, noise law and options, is not as configured, or nothing.

    A run made before an option of training existed counts as one with its default.
    """
    found = {**summary, "training": with_defaults("training", summary["training"])}
    return _first_difference(found, {"data_sha256": data_sha256, **run_definition(config, Cell.of(summary))})


def is_written(path: str, config: Mapping[str, Any], *, data_sha256: str) -> bool:
    """Tell whether there is a summary.json of these images, and of the configured law and options."""
    if not Path(path).exists():
        return False
    summary = json.loads(Path(path).read_text(encoding="utf-8"))
    return not difference_from_configuration(summary, config, data_sha256=data_sha256)


def _first_difference(record: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    found = _flat(record)
    for key, configured in _flat(expected).items():
        if found.get(key) != configured:
            return f"{key} {found.get(key)!r}, expected {configured!r} as configured"
    return ""


def summary_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a run from its row of the gathered table."""
    known = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
    return known | {key: json.loads(known[key]) for key in NESTED}


def _listed(values: set[Any]) -> str:
    return ", ".join(map(str, sorted(values)))


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the options in a record's sections as ``training.epochs``."""
    flat = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{option}": setting for option, setting in value.items()}
        else:
            flat[key] = value
    return flat
