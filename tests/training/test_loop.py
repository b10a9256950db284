"""Training against a plain loop, its determinism, and what a run keeps."""

import itertools
import math
import re
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, TYPED_LAWS, before_evaluations
from discrete_vae.analysis.selection import LOSSES
from discrete_vae.config.definitions import Digits, law_of
from discrete_vae.config.options import Annealing, Evaluation, Model, Training
from discrete_vae.data.binarization import binarize
from discrete_vae.data.dataset import BinarizedDataset
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.paper import PAPER_LAWS
from discrete_vae.model.code_probabilities import argmax_probabilities
from discrete_vae.model.network import Architecture, DiscreteVAE, initial_weights, model_of
from discrete_vae.model.noise import NUMBERS_AT_ONCE, NoiseSource, distribution
from discrete_vae.model.random_streams import generator
from discrete_vae.training import clock, loop
from discrete_vae.training.loop import train
from discrete_vae.training.stack import StackTrainer, annealed_temperature

MODEL = Model(variables=3, hidden=16)
TRAINING = Training(epochs=4, batch_size=10, learning_rate=0.01)
EVALUATION = Evaluation(validation_samples=5, selection_samples=20)
K = 4


def cell(perturbation="gumbel", temperature=0.7, seed=1) -> Cell:
    return Cell("tiny", K, perturbation, temperature, seed)


def run(dataset, *cells, laws=TYPED_LAWS, **options):
    training, device = replace(TRAINING, **options), torch.device("cpu")
    return train(cells, dataset, laws=laws, model=MODEL, training=training, evaluation=EVALUATION, device=device)


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def plain_training(dataset, cell, kl_part, temperatures):
    """Train as anyone would with nn.Module, autograd and Adam, from the same weights, minibatches and noise.

    Returns the training loss of every epoch, given the temperature of every step.
    """
    temperatures = iter(temperatures)
    images = torch.from_numpy(dataset.splits["train"]).flatten(1).float()
    architecture = Architecture(images.shape[1], MODEL.hidden, MODEL.variables, cell.K)
    model = DiscreteVAE(architecture)
    model.load_state_dict(initial_weights(architecture, generator(cell.seed, "weights")))
    optimizer = torch.optim.Adam(model.parameters(), lr=TRAINING.learning_rate)
    minibatches = generator(cell.seed, "minibatches")
    source = NoiseSource(distribution(TYPED_LAWS[cell.perturbation]), generator(cell.seed, "training noise"))
    noise_shape = (MODEL.variables, cell.K, TRAINING.batch_size)
    noise = iter(source.draw((NUMBERS_AT_ONCE["cpu"] // math.prod(noise_shape), *noise_shape)))
    losses = []
    for _ in range(TRAINING.epochs):
        total = 0.0
        for rows in torch.randperm(len(images), generator=minibatches).split(TRAINING.batch_size):
            x = images[rows]
            gamma = next(noise)[..., : len(rows)].permute(2, 0, 1)
            logits = model.encode(x)
            codes = F.softmax((logits + gamma) / next(temperatures), dim=-1)
            reconstruction = F.binary_cross_entropy_with_logits(model.decode(codes), x, reduction="sum")
            loss = reconstruction + kl_part(logits, cell)
            optimizer.zero_grad()
            (loss / len(rows)).backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(images))
    return losses


def kl_of_the_softmax(logits, cell):
    q = F.softmax(logits, dim=-1)
    return (q * (q * cell.K).log()).sum()


def kl_of_the_codes(logits, cell):
    q = argmax_probabilities(logits, distribution(TYPED_LAWS[cell.perturbation], torch.float64))
    return (q * (q * cell.K).log()).sum()


@pytest.mark.parametrize(("kl", "kl_part"), [("softmax", kl_of_the_softmax), ("codes", kl_of_the_codes)])
@pytest.mark.parametrize("perturbation", PAPER_LAWS)
def test_training_follows_a_plain_loop(tiny_dataset, perturbation, kl, kl_part):
    (trained,) = run(tiny_dataset, cell(perturbation), kl=kl)
    expected = plain_training(tiny_dataset, cell(perturbation), kl_part, itertools.repeat(0.7))
    assert [row["training_loss"] for row in trained.history] == pytest.approx(expected, rel=1e-5)


def test_annealed_training_follows_a_plain_loop(tiny_dataset):
    (trained,) = run(tiny_dataset, cell(), annealing=Annealing(rate=0.1, minimum=0.3, interval=3))  # 4 steps an epoch
    temperatures = [max(0.7 * math.exp(-0.1 * 3 * (step // 3)), 0.3) for step in range(4 * TRAINING.epochs)]
    expected = plain_training(tiny_dataset, cell(), kl_of_the_softmax, temperatures)
    assert [row["training_loss"] for row in trained.history] == pytest.approx(expected, rel=1e-5)
    assert [row["temperature"] for row in trained.history] == pytest.approx(temperatures[3::4])


@pytest.mark.parametrize("law", ["gumbel", "normal", "logistic"])
def test_training_follows_the_published_results(law):
    """With the same random streams: cells that are added to published groups share them."""
    group = ROOT / "results/digits-control/groups/digits/K10/seed775"
    published = pd.read_csv(group / "histories.csv.gz").query("perturbation == @law and temperature == 0.4").head(3)
    trained = train(
        [Cell("digits", 10, law, 0.4, 775)],
        binarize(Digits("sklearn"), []),
        laws=TYPED_LAWS,
        model=Model(hidden=100),
        training=Training(epochs=3, learning_rate=0.002),
        evaluation=Evaluation(),
        device=torch.device("cpu"),
    )
    losses = ["training_loss", "validation_loss"]
    assert pd.DataFrame(trained[0].history)[losses].to_numpy() == pytest.approx(published[losses].to_numpy(), rel=1e-4)


def test_the_best_weights_are_evaluated_again_with_more_samples(tiny_dataset, monkeypatch):
    calls = []
    before_evaluations(monkeypatch, lambda *call: calls.append(call))
    (trained,) = run(tiny_dataset, cell())
    assert calls == [*[(5, "validation")] * TRAINING.epochs, (20, "final validation")]
    assert list(trained.final) == list(LOSSES)


def test_the_noise_of_an_evaluation_is_that_of_its_purpose(tiny_dataset):
    what = {"laws": TYPED_LAWS, "model": MODEL, "training": TRAINING, "device": torch.device("cpu")}
    trainer = StackTrainer([cell()], tiny_dataset, **what)
    purposes = ("validation", "validation", "final validation")
    first, again, final = (trainer.evaluate(trainer.weights, 5, purpose) for purpose in purposes)
    assert first == again
    assert first[0] != final[0]


def test_training_never_sees_the_test_set(tiny_dataset):
    splits = {split: images for split, images in tiny_dataset.splits.items() if split != "test"}
    (trained,), (expected,) = run(BinarizedDataset(splits, {}), cell()), run(tiny_dataset, cell())
    assert trained.final == expected.final


@pytest.mark.parametrize("laws", [("normal",), ("gumbel", "normal")])
def test_the_kl_of_the_codes_is_evaluated_at_the_best_epoch_whatever_the_loss(tiny_dataset, laws):
    for trained in run(tiny_dataset, *map(cell, laws)):
        model = model_of(trained.weights, variables=MODEL.variables)
        images = torch.from_numpy(tiny_dataset.splits["validation"]).flatten(1).float()
        expected = kl_of_the_codes(model.encode(images), trained.cell).item() / len(images)
        assert trained.final["validation_kl_of_codes"] == pytest.approx(expected, rel=1e-5)


def test_training_on_the_codes_selects_on_their_kl(tiny_dataset):
    (trained,) = run(tiny_dataset, cell("normal"), kl="codes")
    model = model_of(trained.weights, variables=MODEL.variables)
    images = torch.from_numpy(tiny_dataset.splits["validation"]).flatten(1).float()
    expected = kl_of_the_codes(model.encode(images), cell("normal")).item() / len(images)
    assert trained.final["validation_kl"] == pytest.approx(expected, rel=1e-5)


def test_denormal_numbers_change_no_bit(tiny_dataset):
    """Relaxed samples have many at a low temperature. Some processors are much faster if they take them for zero."""
    low = cell("logistic", 0.03)
    found = []
    for flush in (False, True):
        try:
            torch.set_flush_denormal(flush)
            (trained,) = run(tiny_dataset, low, epochs=10)
        finally:
            torch.set_flush_denormal(False)
        found.append((without_seconds(trained.history), trained.final, trained.weights))
    (history, final, weights), (of_flushed, final_of_flushed, weights_of_flushed) = found
    assert (history, final) == (of_flushed, final_of_flushed)
    assert all(torch.equal(values, weights_of_flushed[name]) for name, values in weights.items())


def test_another_seed_gives_another_run(tiny_dataset):
    (first,), (second,) = run(tiny_dataset, cell()), run(tiny_dataset, cell(seed=2))
    assert first.history[0]["training_loss"] != second.history[0]["training_loss"]


@pytest.mark.parametrize("kl", ["softmax", "codes"])
def test_a_cell_in_a_stack_agrees_with_the_cell_alone(tiny_dataset, kl):
    cells = [cell(p, t, seed) for p in ("normal", "logistic") for t in (0.1, 1.0) for seed in (1, 2)]
    for stacked in run(tiny_dataset, *cells, kl=kl):
        (alone,) = run(tiny_dataset, stacked.cell, kl=kl)
        assert stacked.best_epoch == alone.best_epoch
        for row, expected in zip(without_seconds(stacked.history), without_seconds(alone.history), strict=True):
            assert row == pytest.approx(expected, rel=1e-4)
        assert stacked.final == pytest.approx(alone.final, rel=1e-4)


def test_a_diverged_cell_is_a_result_and_disturbs_no_other(tiny_dataset):
    laws = TYPED_LAWS | {"broken": law_of({"distribution": "Normal", "loc": math.inf, "scale": 1})}
    broken, sound = run(tiny_dataset, cell("broken"), cell("normal"), laws=laws)
    (alone,) = run(tiny_dataset, cell("normal"))
    assert broken.diverged_epoch == 1
    assert len(broken.history) == 1
    assert broken.final == {}
    assert sound.diverged_epoch is None
    assert [row["validation_loss"] for row in sound.history] == pytest.approx(
        [row["validation_loss"] for row in alone.history], rel=1e-4
    )


def test_a_cell_that_diverges_after_its_best_epoch_is_dropped_all_the_same(tiny_dataset, monkeypatch):
    epochs, plain_evaluate = itertools.count(1), StackTrainer.evaluate

    def evaluate(trainer, parameters, samples, purpose):
        (first, *others), kl = plain_evaluate(trainer, parameters, samples, purpose)
        is_third = purpose == "validation" and next(epochs) == 3
        return [math.nan if is_third else first, *others], kl

    monkeypatch.setattr(StackTrainer, "evaluate", evaluate)
    broken, sound = run(tiny_dataset, cell("normal"), cell("gumbel"))
    assert (len(broken.history), broken.diverged_epoch, broken.final) == (3, 3, {})
    assert broken.best_epoch in (1, 2)
    assert (len(sound.history), sound.diverged_epoch, list(sound.final)) == (4, None, list(LOSSES))


def test_a_cell_that_diverges_on_the_true_bound_is_a_result(tiny_dataset):
    (broken,) = run(tiny_dataset, cell("normal"), kl="codes", learning_rate=1e38)
    assert (broken.diverged_epoch, broken.final) == (1, {})


def test_a_cell_diverges_where_only_its_validation_loss_does(tiny_dataset):
    (broken,) = run(tiny_dataset, cell(), batch_size=37, learning_rate=1e38)  # one step an epoch
    assert math.isfinite(broken.history[0]["training_loss"])
    assert (broken.diverged_epoch, broken.best_epoch) == (1, 0)


def test_the_run_keeps_the_epoch_with_the_lowest_validation_loss(tiny_dataset):
    (trained,) = run(tiny_dataset, cell(), epochs=12, learning_rate=0.1)
    validation = [row["validation_loss"] for row in trained.history]
    assert trained.best_epoch == 1 + validation.index(min(validation))
    assert trained.best_epoch < 12  # so that the last weights would be the wrong ones
    (stopped,) = run(tiny_dataset, cell(), epochs=trained.best_epoch, learning_rate=0.1)
    assert all(torch.equal(values, stopped.weights[name]) for name, values in trained.weights.items())
    assert trained.final == stopped.final


def test_patience_stops_each_cell_of_a_stack_by_itself(tiny_dataset):
    cells = [cell(temperature=temperature) for temperature in (0.1, 1.0)]
    undisturbed = run(tiny_dataset, *cells, epochs=30, learning_rate=0.1)
    impatient = run(tiny_dataset, *cells, epochs=30, learning_rate=0.1, patience=3)
    lengths = []
    for stopped, full in zip(impatient, undisturbed, strict=True):
        losses = [row["validation_loss"] for row in full.history]
        bests = [losses.index(min(losses[:epoch])) + 1 for epoch in range(1, 31)]
        lengths.append(next(epoch for epoch, best in enumerate(bests, start=1) if epoch - best == 3))
        assert without_seconds(stopped.history) == without_seconds(full.history)[: lengths[-1]]
        assert (stopped.best_epoch, stopped.stopped_early, full.stopped_early) == (lengths[-1] - 3, True, False)
    assert lengths[0] != lengths[1]
    shorter = run(tiny_dataset, *cells, epochs=min(lengths), learning_rate=0.1, patience=3)
    assert [trained.stopped_early for trained in shorter] == [False, False], "a patience that ends with the epochs"


def test_a_stack_of_which_every_cell_stopped_early_is_trained_no_more(tiny_dataset, monkeypatch):
    purposes = []
    before_evaluations(monkeypatch, lambda samples, purpose: purposes.append(purpose))
    cells = [cell(temperature=temperature) for temperature in (0.1, 1.0)]
    runs = run(tiny_dataset, *cells, epochs=30, learning_rate=0.1, patience=3)
    assert purposes.count("validation") == max(len(trained.history) for trained in runs) < 30


def test_patience_that_is_never_tried_changes_nothing(tiny_dataset):
    (patient,), (expected,) = run(tiny_dataset, cell(), patience=4), run(tiny_dataset, cell())
    assert without_seconds(patient.history) == without_seconds(expected.history)
    assert (patient.final, patient.stopped_early) == (expected.final, False)


def test_losses_are_means_over_images_and_their_parts_add_up(tiny_dataset):
    (trained,) = run(tiny_dataset, cell())
    for row in trained.history:
        for split in ("training", "validation"):
            parts = row[f"{split}_reconstruction"] + row[f"{split}_kl"]
            assert row[f"{split}_loss"] == pytest.approx(parts)
            assert 0 < row[f"{split}_loss"] < 12 * math.log(2) + 3 * math.log(K)
    assert list(trained.history[0]) == [
        "epoch",
        *(f"{split}_{part}" for split in ("training", "validation") for part in ("loss", "reconstruction", "kl")),
        "temperature",
        "seconds",
    ]


def test_annealing_lowers_the_temperature_in_steps_to_its_minimum():
    schedule = Annealing(rate=1e-5, minimum=0.1, interval=1000)
    assert annealed_temperature(0.7, 123_456, None) == 0.7
    assert annealed_temperature(0.7, 999, schedule) == 0.7
    assert annealed_temperature(0.7, 1000, schedule) == pytest.approx(0.7 * math.exp(-0.01))
    assert annealed_temperature(0.7, 1999, schedule) == annealed_temperature(0.7, 1000, schedule)
    assert annealed_temperature(0.7, 10**6, schedule) == 0.1
    assert annealed_temperature(0.03, 999, schedule) == 0.03, "as in the paper's script"
    assert annealed_temperature(0.03, 1000, schedule) == 0.1


def test_progress_names_epoch_losses_and_time_left(tiny_dataset, caplog):
    with caplog.at_level("INFO", logger=clock.__name__):
        run(tiny_dataset, cell())
    losses = r"training \d+\.\d\d  validation \d+\.\d\d"
    line = rf"epoch 4/4  100%  {losses}  \S+ epochs/s  0:00:00 left"
    assert re.search(line, caplog.text)


def test_the_speed_and_the_time_left_are_of_this_attempt(monkeypatch, caplog):
    """After nine epochs of a hundred seconds, and fifty seconds of the tenth."""
    now = [0.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    rows = [{"training_loss": 1.0, "validation_loss": 2.0}, {"training_loss": 3.0, "validation_loss": 6.0}]
    continued = clock.Clock(21)
    continued.restore({"epoch": 9, "seconds": 900.0, "seconds_of_epoch": 50.0})
    for seconds, of_epoch in ((1, 51), (2, 2), (10, 10), (10, 10), (1, 1)):
        now[0] += seconds
        assert continued.end_epoch() == of_epoch
        with caplog.at_level("INFO", logger=clock.__name__):
            continued.report(rows)
    first, second = caplog.messages  # the first whole epoch, and the one more than 20 seconds after it
    losses = "training 2.00  validation 4.00  (means of 2 cells)"
    assert first == f"epoch 11/21  52%  {losses}  0.5 epochs/s  0:00:20 left"
    assert second == f"epoch 14/21  66%  {losses}  0.174 epochs/s  0:00:40 left"


def test_the_second_evaluation_of_the_best_epoch_is_told(tiny_dataset, caplog):
    with caplog.at_level("INFO", logger=loop.__name__):
        run(tiny_dataset, cell())
    assert re.search(r"final validation: the best epoch again, with \d+ samples", caplog.text)
