"""What was run, in words, and what of it is not as in the paper: the notes below tables and claims."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from discrete_vae.analysis.selection import law_definitions
from discrete_vae.analysis.statistics import spell_range
from discrete_vae.analysis.studied import is_studied
from discrete_vae.config.definitions import spell_law
from discrete_vae.config.options import options_of
from discrete_vae.grid.paper import (
    PAPER_IMAGES,
    PAPER_LAWS,
    PAPER_OPTIONS,
    PAPER_TEMPERATURES,
    STANDS_FOR,
)

# The rows of `describe_runs` that list the values of a column.
ITEMS = {
    "images": "data_origin",
    "SHA-256 of the images": "data_sha256",
    "K": "K",
    "seeds": "seed",
    "epochs": "epochs_run",  # `describe_runs` replaces the values by their range
    "options of the model": "model",
    "options of the training": "training",
    "samples of the validation": "evaluation",
    "torch": "torch",
    "Python": "python",
    "hardware": "hardware",
    "source revision": "git_revision",
}


def notes_on_runs(runs: pd.DataFrame, bounds: pd.DataFrame, *, left_out: Sequence[str] = ()) -> list[str]:
    """Say of each dataset what was run and what is not as in the paper, and name the unfinished groups left out.

    ``bounds``, of the same groups, tell the number of samples on the test set.
    """
    samples = bounds.groupby("dataset")["samples"].first()
    lines = []
    for dataset, group in runs.groupby("dataset", sort=False):
        seeds = ", ".join(map(str, sorted(group["seed"].unique())))
        epochs = spell_range(group["epochs_run"], decimals=0)
        lines.append(
            f"{dataset}: {group['data_origin'].iloc[0]}; {epochs} {'epoch' if epochs == '1' else 'epochs'};"
            f" {_noun('temperature', group)} {temperatures_in_words(group)}; {_noun('seed', group)} {seeds}"
        )
        standing = [K for K in group["K"].unique() if dataset in STANDS_FOR and is_studied(dataset, K, runs)]
        if standing:
            places = ", ".join(map(str, standing))
            lines.append(f"{dataset}: stands for {STANDS_FOR[dataset]} at K {places}, where that was not run")
        if departures := _departures(group, samples.get(dataset)):
            lines.append(f"{dataset}: not as in the paper: {'; '.join(departures)}")
        lines += [f"{dataset}: {note}" for note in _notes_on_devices(group)]
    return [*lines, *([f"left out, as they are not finished: {', '.join(left_out)}"] if left_out else [])]


def describe_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what was run: a column for each dataset, with images, numbers, software and hardware."""
    columns = {}
    for dataset, group in runs.groupby("dataset", sort=False):
        values = {item: " / ".join(map(str, sorted(group[column].dropna().unique()))) for item, column in ITEMS.items()}
        epochs = {"epochs": spell_range(group["epochs_run"], decimals=0)}
        columns[dataset] = {"runs": len(group), "temperatures": temperatures_in_words(group), **values, **epochs}
    return pd.DataFrame(columns).rename_axis("item").reset_index()


def temperatures_in_words(runs: pd.DataFrame) -> str:
    """List the temperatures of one dataset's runs. If models differ in them, each list names its models."""
    axes = ["K", "perturbation", "seed"]
    models = runs.groupby(axes, sort=False)["temperature"].agg(lambda values: tuple(sorted(values))).reset_index()
    parts = []
    for temperatures, group in models.groupby("temperature", sort=False):
        values = {axis: set(group[axis]) for axis in axes}
        narrowed = [
            f"{axis} {', '.join(map(str, group[axis].unique()))}" for axis in axes if values[axis] != set(models[axis])
        ]
        parts.append(", ".join(map(str, temperatures)) + (f" ({'; '.join(narrowed)})" if narrowed else ""))
    return " and ".join(parts)


def _departures(runs: pd.DataFrame, importance_samples: float | None) -> list[str]:
    """Name the images, options and noise laws of one dataset's runs that are not the paper's."""
    first = runs.iloc[0]
    used = options_of(first)
    if importance_samples is not None:  # otherwise every run diverged
        used["evaluation"]["importance_samples"] = int(importance_samples)
    if "cuda" not in set(runs["device"]):  # on a CPU all precisions are one
        used["training"]["matmul_precision"] = PAPER_OPTIONS["training"]["matmul_precision"]
    temperatures = set(runs["temperature"])
    kept, further = temperatures.intersection(PAPER_TEMPERATURES), temperatures.difference(PAPER_TEMPERATURES)
    images = PAPER_IMAGES.get(STANDS_FOR.get(first["dataset"], first["dataset"]), first["data_origin"])
    departures = []
    if first["data_origin"] != images:
        departures.append(f"images other than {images}")
    if len(kept) < len(PAPER_TEMPERATURES):
        departures.append(f"{len(kept)} of its {len(PAPER_TEMPERATURES)} temperatures")
    if further:
        departures.append(f"further temperatures {', '.join(map(str, sorted(further)))}")
    departures += [
        f"{section}.{name} {_spelled(used[section][name])} (paper: {_spelled(value)})"
        for section, defaults in PAPER_OPTIONS.items()
        for name, value in defaults.items()
        if used[section].get(name, value) != value
    ]
    laws = law_definitions(runs)
    return departures + [f"{name} noise, {_spelled_law(law)}" for name, law in laws.items() if _is_departure(name, law)]


def _notes_on_devices(runs: pd.DataFrame) -> list[str]:
    """Say where the runs of one dataset were made on a CPU and on a GPU, and name the groups with runs of both."""
    if runs["device"].nunique() == 1:
        return []
    devices = runs.groupby(["K", "seed"])["device"].nunique()
    mixed = [f"K {K}, seed {seed}" for (K, seed), number in devices.items() if number > 1]
    return [
        "run on a CPU and on a GPU, which draw different noise for the same seed",
        *([f"noise laws compared on both, without common noise, at {'; '.join(mixed)}"] if mixed else []),
    ]


def _is_departure(name: str, law: Mapping[str, Any]) -> bool:
    """Tell whether a law is none of the paper's, or has the name of another one."""
    return law not in PAPER_LAWS.values() or PAPER_LAWS.get(name, law) != law


def _spelled_law(law: Mapping[str, Any]) -> str:
    return spell_law(law["distribution"], {key: value for key, value in law.items() if key != "distribution"})


def _spelled(value: Any) -> str:
    return "none" if value is None else str(value)


def _noun(axis: str, runs: pd.DataFrame) -> str:
    return axis if runs[axis].nunique() == 1 else f"{axis}s"
