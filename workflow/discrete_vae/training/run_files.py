"""The files of a cell: history.csv, summary.json and model.pt."""

import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from discrete_vae.errors import InputError
from discrete_vae.files import write_bytes, write_csv, write_json
from discrete_vae.grid.groups import groups_on_disk, reading_summary, recorded_rows
from discrete_vae.training.runs import Run


def write_runs(
    runs: Sequence[Run],
    study: Path,
    *,
    laws: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> None:
    """Write the three files of each cell, each whole, and the summaries last, which finish a cell.

    So a full disk leaves no stack finished in part, which could not continue from its resume point.

    Args:
        study: the folder of a study.
        laws: definitions of the noise laws, by name.
        options: which determine the result with the law.
        provenance: the `device.environment` and what else is known of the job.
    """
    for run in runs:
        write_csv(study / run.cell.directory / "history.csv", pd.DataFrame(run.history))
        write_weights(study / run.cell.directory / "model.pt", run.weights)
    for run in runs:
        definition = {"law": laws[run.cell.perturbation], **options}
        write_json(study / run.cell.directory / "summary.json", {**summarize(run), **definition, **provenance})


def write_weights(path: Path, weights: Mapping[str, Any]) -> None:
    """Write weights whole; equal ones give equal files."""
    buffer = io.BytesIO()  # torch.save writes the name of a file into it
    torch.save(weights, buffer)
    write_bytes(path, buffer.getvalue())


def summarize(run: Run) -> dict[str, Any]:
    """Return a run's coordinates, its outcome and its validation losses in nats per image, null where not known."""
    losses = {
        part: run.final.get(f"validation_{part}", math.nan) for part in ("loss", "reconstruction", "kl", "kl_of_codes")
    }
    last = run.history[-1]
    return {
        **run.cell.coordinates(),
        "diverged": run.diverged_epoch is not None,
        "diverged_epoch": run.diverged_epoch,
        "stopped_early": run.stopped_early,
        "epochs_run": len(run.history),
        "best_epoch": run.best_epoch or None,
        "final_training_loss": None if run.diverged_epoch else last["training_loss"],
        **{f"validation_{part}": loss if math.isfinite(loss) else None for part, loss in losses.items()},
    }


def check_images(study: Path, dataset: str, data_sha256: str) -> None:
    """Check that what a study has of a dataset, its groups, runs and gradients, is of the images that are there now.

    Of the runs one is looked at: each was compared with those before it.

    Raises:
        InputError: it is of other images.
    """
    for folder, expected in _sha256_of_images(study, dataset):
        if expected != data_sha256:
            raise InputError(
                f"data/{dataset}.npz has the SHA-256 {data_sha256}, expected {expected} as the images of {folder}; put"
                " those images back, or choose another name with --config study=NAME"
            )


def _sha256_of_images(study: Path, dataset: str) -> Iterator[tuple[Path, str]]:
    for path in itertools.islice(study.glob(f"runs/{dataset}/K*/*/tau*/seed*/summary.json"), 1):
        with reading_summary(path.parent) as summary:
            yield path.parent, summary["data_sha256"]
    for group in groups_on_disk(study):
        if group.dataset == dataset:
            folder = study / group.directory
            yield from ((folder, row["data_sha256"]) for row in recorded_rows(folder / "summaries.csv")[:1])
    for table in study.glob(f"gradients/{dataset}/seed*.csv"):
        yield from ((table, row["data_sha256"]) for row in recorded_rows(table)[:1] if "data_sha256" in row)  # or older
