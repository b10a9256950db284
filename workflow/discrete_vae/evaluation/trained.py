"""Trained models to work with: `load_run` and `load_selected` read one, which encodes, decodes and samples."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from discrete_vae.config.definitions import Law, law_of
from discrete_vae.errors import InputError, reading
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.groups import recorded_rows
from discrete_vae.model.network import DiscreteVAE, Weights, model_of
from discrete_vae.model.noise import NoiseSource, distribution
from discrete_vae.model.random_streams import generator


@dataclass(frozen=True)
class TrainedModel:
    """A trained model.

    Attributes:
        cell: its coordinates.
        law: the law of its noise.
        network: its encoder and decoder, a torch module.
        image_shape: height and width of an image in pixels.
    """

    cell: Cell
    law: Law
    network: DiscreteVAE
    image_shape: tuple[int, int]

    @torch.inference_mode()
    def encode(self, images: Tensor | np.ndarray) -> Tensor:
        """Map images of 0 and 1, images x height x width, to logits theta, images x N x K.

        Raises:
            InputError: images of other values, or of another shape.
        """
        images = torch.as_tensor(images)
        if images.shape[1:] != self.image_shape:
            raise InputError(
                f"the images have the shape {tuple(images.shape)}, expected images x {self.image_shape[0]} x"
                f" {self.image_shape[1]}; give one image as an array of one"
            )
        pixels = images.flatten(1).float()
        others = pixels[(pixels != 0) & (pixels != 1)]
        if len(others):
            raise InputError(f"the images have the value {others[0]:g}, expected only 0 and 1; binarize them first")
        return self.network.encode(pixels)

    def draw_codes(self, logits: Tensor, *, seed: int = 0) -> Tensor:
        """Draw one code for each image: the category of each variable, argmax(theta + noise), images x N."""
        noise = NoiseSource(distribution(self.law), generator(seed, "codes"))
        return (logits + noise.draw(logits.shape)).argmax(-1)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Map codes, the category of each variable (images x N), to probabilities of ink, images x height x width."""
        one_hot = F.one_hot(codes, self.network.architecture.categories).float()
        return self.network.decode(one_hot).sigmoid().unflatten(-1, self.image_shape)

    def sample(self, count: int, *, seed: int = 0) -> Tensor:
        """Draw codes from the uniform prior and decode them, to probabilities of ink, count x height x width."""
        sizes = self.network.architecture
        shape = (count, sizes.variables)
        return self.decode(torch.randint(sizes.categories, shape, generator=generator(seed, "prior samples")))


def load_run(folder: Path | str) -> TrainedModel:
    """Read the model of a run, such as results/quickstart/runs/digits/K10/normal/tau0.4/seed775.

    Raises:
        InputError: no such run, one that diverged, a damaged file, or weights of other sizes than the summary says.
    """
    folder = Path(folder)
    with reading(folder / "summary.json", "the summary of a finished run", "name the folder of a run"):
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        diverged_epoch = summary["diverged_epoch"]
    if diverged_epoch:
        raise InputError(f"{folder} diverged in epoch {diverged_epoch}, expected a trained model; name another run")
    return _trained_model(summary, folder / "model.pt", _read_weights(folder / "model.pt"))


def load_cell(study: Path, run: Mapping[str, Any], image_shape: tuple[int, int]) -> TrainedModel:
    """Read the model of a run, given its row of summaries.csv. Raises what `load_run` raises of its weights."""
    path = study / Cell.of(run).directory / "model.pt"
    nested = {key: json.loads(run[key]) for key in ("law", "model")}
    return _trained_model({**run, **nested, "image_shape": image_shape}, path, _read_weights(path))


def load_selected(folder: Path | str, perturbation: str) -> TrainedModel:
    """Read the selected model of a noise law from the folder of a group, of a study with `keep_models`.

    Raises:
        InputError: the group keeps no models, or none of this law.
    """
    folder = Path(folder)
    models = _read_weights(folder / "models.pt", "restore it; a group has it if evaluation.keep_models is true")
    with reading(folder, "a group with its tables", "restore its files"):
        rows = recorded_rows(folder / "selection.csv")
        selected = {row["perturbation"]: Cell.of(row) for row in rows if row["temperature"]}
    if not selected:
        raise InputError(f"{folder} has no selected model, as all its runs diverged, expected one; name another group")
    if perturbation not in selected:
        raise InputError(f"{folder} has no model of {perturbation!r}, expected one of {', '.join(selected)}; name one")
    cell = selected[perturbation]
    if str(cell) not in models:
        raise InputError(
            f"{folder / 'models.pt'} has {', '.join(models)}, expected {cell} as in selection.csv; put the files of one"
            " evaluation together"
        )
    with reading(folder, "a group with its tables", "restore its files"):
        (summary,) = (row for row in recorded_rows(folder / "summaries.csv") if Cell.of(row) == cell)
        nested = {key: json.loads(summary[key]) for key in ("law", "model", "image_shape")}
    return _trained_model({**summary, **nested}, folder / "models.pt", models[str(cell)])


def _read_weights(path: Path, advice: str = "remove its folder, and train the cell") -> dict[str, Any]:
    with reading(path, "the weights of trained models", advice):
        weights = torch.load(path, weights_only=True, map_location="cpu")
        return {name: weights[name] for name in weights}  # raises if it is no mapping


def _trained_model(summary: Mapping[str, Any], path: Path, weights: Weights) -> TrainedModel:
    with reading(path, "the weights of the model that its summary describes", "name the folder of a finished run"):
        cell, variables = Cell.of(summary), summary["model"]["variables"]
        outputs, pixels = len(weights["encoder.2.bias"]), weights["encoder.0.weight"].shape[1]
        shape = tuple(summary["image_shape"])
        if outputs != variables * cell.K or math.prod(shape) != pixels:
            raise InputError(
                f"{path} has {outputs} logits and {pixels} pixels, expected {variables} x {cell.K} logits and an image"
                f" of {shape} as its summary says; put the two files of one run together"
            )
        return TrainedModel(cell, law_of(summary["law"]), model_of(weights, variables=variables), shape)
