"""Which runs count for the paper's claims."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from discrete_vae.config.options import options_of
from discrete_vae.grid import paper


def is_studied(dataset: str, K: int, runs: pd.DataFrame) -> bool:
    """Tell whether the paper reports these images and K, with this model and training, at constant temperatures.

    A dataset may stand for another one, at the K where that one was not run.
    """
    of_dataset = runs[runs["dataset"] == dataset]
    if set(of_dataset["data_origin"]) != {paper.STUDIED_IMAGES.get(dataset)}:
        return False
    used, studied = options_of(of_dataset.iloc[0]), paper.PAPER_OPTIONS
    if used["model"] != studied["model"] or _training_of(used) != _training_of(studied):
        return False
    stands_for = paper.STANDS_FOR.get(dataset, dataset)
    replaced = ((runs["dataset"] == stands_for) & (runs["K"] == K)).any() and stands_for != dataset
    return K in paper.PAPER_CATEGORIES and not replaced


def _training_of(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of a training that decide whether it counts."""
    return {key: value for key, value in options["training"].items() if key not in paper.NOTED_TRAINING}


def laws_at_all_temperatures(runs: pd.DataFrame) -> set[str]:
    """Name the noise laws of one dataset and K whose every seed was run at all temperatures of the paper."""
    of_the_paper = runs["temperature"].where(runs["temperature"].isin(paper.PAPER_TEMPERATURES))
    fewest = of_the_paper.groupby([runs["perturbation"], runs["seed"]]).nunique().groupby("perturbation").min()
    return set(fewest.index[fewest == len(paper.PAPER_TEMPERATURES)])
