"""Train a stack of cells on shared minibatches, and keep each cell's best epoch."""

import logging
from collections.abc import Mapping, Sequence

import torch

from discrete_vae.config.definitions import Law
from discrete_vae.config.options import Evaluation, Model, Training
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.evaluation.discrete_loss import mean_kl_of_codes
from discrete_vae.grid.cells import Cell
from discrete_vae.model.network import unstack
from discrete_vae.training.clock import Clock
from discrete_vae.training.resume_point import ResumePoint
from discrete_vae.training.runs import BestWeights, Row, Run
from discrete_vae.training.stack import Parts, StackTrainer

log = logging.getLogger(__name__)


def train(
    cells: Sequence[Cell],
    dataset: BinarizedDataset,
    *,
    laws: Mapping[str, Law],
    model: Model,
    training: Training,
    evaluation: Evaluation,
    device: torch.device,
    resume_point: ResumePoint | None = None,
) -> list[Run]:
    """Train the cells of one job side by side, and return their runs in the same order.

    Args:
        cells: of one dataset and K.
        model, training, evaluation: sections of the configuration; ``training.epochs`` is a number.
        resume_point: where to continue from and to save to. A continued training gives the bits of an undisturbed one.
    """
    trainer = StackTrainer(cells, dataset, laws=laws, model=model, training=training, device=device)
    best = BestWeights(cells, trainer.weights, patience=training.patience)
    clock = Clock(training.epochs)
    stateful = {"trainer": trainer, "best": best, "clock": clock}
    if resume_point and (saved := resume_point.load()):
        for name, part in stateful.items():
            part.restore(saved.pop(name))  # what is saved is as large as the trainer

    def save(*, now: bool = False) -> None:
        if resume_point and (now or resume_point.is_due()):
            resume_point.save({name: part.state() for name, part in stateful.items()})

    while clock.epoch < training.epochs and best.going_on:
        while trainer.step():
            save()
        losses = trainer.evaluate(trainer.weights, evaluation.validation_samples, "validation")
        best.add(_end_epoch(trainer, losses, clock), trainer.weights)
        clock.report([run.history[-1] for run in best.going_on])
        save()
    save(now=True)  # the final validation may take minutes
    _validate_best(trainer, best, samples=evaluation.selection_samples)
    for run in best.runs:
        run.seconds = clock.seconds
        run.stopped_early &= len(run.history) < training.epochs  # its patience may end with the epochs
    return best.runs


def _end_epoch(trainer: StackTrainer, validation: Parts, clock: Clock) -> list[Row]:
    """End an epoch and return its row of each model's history."""
    losses = zip(_named("training", trainer.end_epoch()), _named("validation", validation), strict=True)
    seconds = round(clock.end_epoch(), 4)
    return [
        {"epoch": clock.epoch, **of_training, **of_validation, "temperature": temperature, "seconds": seconds}
        for (of_training, of_validation), temperature in zip(losses, trainer.temperatures, strict=True)
    ]


def _validate_best(trainer: StackTrainer, best: BestWeights, *, samples: int) -> None:
    """Validate the best epoch of each run again, with the samples that select. The run then has its weights."""
    log.info("final validation: the best epoch again, with %d samples", samples)
    final = _named("validation", trainer.evaluate(best.weights, samples, "final validation"))
    variables, laws = trainer.architecture.variables, trainer.code_laws
    of_codes = mean_kl_of_codes(best.weights, trainer.validation_images, variables=variables, code_laws=laws)
    for member, run in enumerate(best.runs):
        run.weights = unstack(best.weights, member)
        run.final = {} if run.diverged_epoch else final[member] | {"validation_kl_of_codes": of_codes[member]}


def _named(split: str, parts: Parts) -> list[Row]:
    return [
        {f"{split}_loss": reconstruction + kl, f"{split}_reconstruction": reconstruction, f"{split}_kl": kl}
        for reconstruction, kl in zip(*parts, strict=True)
    ]
