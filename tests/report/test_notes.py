"""The notes say what was run, and what departs from the study."""

import pandas as pd
import pytest
import yaml
from conftest import ROOT
from discrete_vae.config.definitions import source_of
from discrete_vae.data.binarization import origin_of
from discrete_vae.grid.paper import PAPER_TEMPERATURES, STUDIED_IMAGES
from discrete_vae.report.notes import describe_runs, notes_on_runs, temperatures_in_words
from planted import runs_of

EVERY_TEMPERATURE = {("normal", t, 1): 1.0 for t in PAPER_TEMPERATURES}


def notes_of(runs: pd.DataFrame, samples: int = 100, **left_out: list[str]) -> list[str]:
    return notes_on_runs(runs, runs[["dataset"]].assign(samples=samples), **left_out)


def test_seeds_that_were_not_run_at_every_temperature_are_named():
    everywhere = {(law, t, s): 1.0 for law in ("gumbel", "normal") for t in (0.1, 0.5, 1.0) for s in (1, 2)}
    assert temperatures_in_words(runs_of(everywhere)) == "0.1, 0.5, 1.0"
    runs = runs_of(everywhere | {(law, t, 3): 1.0 for law in ("gumbel", "normal") for t in (0.1, 0.5)})
    in_words = "temperatures 0.1, 0.5, 1.0 (seed 1, 2) and 0.1, 0.5 (seed 3); seeds 1, 2, 3"
    assert any(note.endswith(in_words) for note in notes_of(runs))
    runs = runs_of({**everywhere, ("normal", 0.1, 3): 1.0})
    assert temperatures_in_words(runs) == "0.1, 0.5, 1.0 (seed 1, 2) and 0.1 (perturbation normal; seed 3)"


def test_a_dataset_that_stands_for_another_is_named_where_that_was_not_run():
    """As in the verdicts, at each K, and only where they count for the paper's claims."""
    run = runs_of({("normal", 0.5, 1): 1.0}).assign(
        dataset="omniglot-resized", data_origin=STUDIED_IMAGES["omniglot-resized"]
    )
    resized = pd.concat([run, run.assign(K=20), run.assign(K=30)])
    note = "omniglot-resized: stands for omniglot at K"
    assert f"{note} 10, 30, where that was not run" in notes_of(resized)
    assert f"{note} 30, where that was not run" in notes_of(pd.concat([resized, run.assign(dataset="omniglot")]))
    annealed = resized.assign(training='{"annealing": {"rate": 1e-5, "minimum": 0.1, "interval": 1000}}')
    for without in (annealed, pd.concat([resized, resized.assign(dataset="omniglot")])):
        assert note not in " ".join(notes_of(without))


def test_other_temperatures_than_the_studys_are_named():
    runs = runs_of({("normal", t, 1): 1.0 for t in (0.1, 0.5, 1.5, 0.6)})
    expected = "digits: not as in the paper: 2 of its 10 temperatures; further temperatures 0.6, 1.5"
    assert expected in notes_of(runs)
    assert not any("not as in the paper" in note for note in notes_of(runs_of(EVERY_TEMPERATURE)))


def test_options_other_than_the_studys_are_named_below_the_table():
    runs = runs_of(EVERY_TEMPERATURE)
    assert not any("not as in the paper" in note for note in notes_of(runs))
    runs["training"] = '{"batch_size": 100, "learning_rate": 0.001, "kl": "codes", "annealing": null}'
    assert "digits: not as in the paper: training.kl codes (paper: softmax)" in notes_of(runs)
    runs["law"] = '{"distribution": "Normal", "loc": 0, "scale": 3}'
    assert "(paper: softmax); normal noise, Normal(loc 0, scale 3)" in " ".join(notes_of(runs))
    runs["law"] = '{"distribution": "Gumbel", "loc": 0, "scale": 1}'
    assert "(paper: softmax); normal noise, Gumbel(loc 0, scale 1)" in " ".join(notes_of(runs)), "another paper's law"


def test_noise_beyond_the_study_is_defined_below_the_table():
    runs = runs_of({("wide", temperature, 1): 1.0 for _, temperature, _ in EVERY_TEMPERATURE})
    runs["law"] = '{"distribution": "Laplace", "loc": 0, "scale": 0.5}'
    assert "digits: not as in the paper: wide noise, Laplace(loc 0, scale 0.5)" in notes_of(runs)


def test_other_numbers_of_samples_than_the_studys_are_named():
    runs = runs_of(EVERY_TEMPERATURE).assign(evaluation='{"validation_samples": 10, "selection_samples": 100}')
    departures = "evaluation.validation_samples 10 (paper: 100); evaluation.importance_samples 5 (paper: 100)"
    assert f"digits: not as in the paper: {departures}" in notes_of(runs, samples=5)


def test_fewer_epochs_and_other_images_than_the_studys_are_named():
    options = '{"epochs": 120, "patience": 30}'
    runs = runs_of(EVERY_TEMPERATURE).assign(dataset="omniglot", data_origin="other drawings", training=options)
    departures = "images other than chardata.mat of the IWAE repository, 28x28; training.epochs 120 (paper: 300)"
    departures += "; training.patience 30 (paper: none)"
    assert f"omniglot: not as in the paper: {departures}" in notes_of(runs)
    resized = runs.assign(dataset="omniglot-resized")
    assert f"omniglot-resized: not as in the paper: {departures}" in notes_of(resized)


@pytest.mark.parametrize(("devices", "named"), [(["cpu", "cpu"], False), (["cpu", "cuda"], True)])
def test_the_precision_of_matrix_products_departs_from_the_study_where_a_run_was_on_a_gpu(devices, named):
    runs = runs_of({("normal", 0.5, 1): 1.0, ("normal", 0.5, 2): 1.0})
    runs = runs.assign(device=devices, training='{"matmul_precision": "high"}')
    assert ("matmul_precision high (paper: highest)" in " ".join(notes_of(runs))) == named


def test_runs_of_a_cpu_beside_runs_of_a_gpu_are_noted():
    runs = runs_of({(law, 0.5, seed): 1.0 for law in ("gumbel", "normal") for seed in (1, 2)})

    def notes_with(devices):
        devices = [devices[seed, law] for seed, law in zip(runs["seed"], runs["perturbation"], strict=True)]
        return [line for line in notes_of(runs.assign(device=devices)) if "noise" in line]

    alike = {(seed, law): "cuda" for seed in (1, 2) for law in ("gumbel", "normal")}
    assert notes_with(alike) == []
    of_both = "digits: run on a CPU and on a GPU, which draw different noise for the same seed"
    by_seed = {(seed, law): "cuda" if seed == 1 else "cpu" for seed, law in alike}
    assert notes_with(by_seed) == [of_both]
    mixed = "digits: noise laws compared on both, without common noise, at K 10, seed 2"
    assert notes_with({**alike, (2, "normal"): "cpu"}) == [of_both, mixed]


def test_groups_that_are_left_out_are_named():
    runs = runs_of({("normal", 0.5, 1): 1.0})
    note = "left out, as they are not finished: digits/K5/seed2, digits/K5/seed3"
    assert note in notes_of(runs, left_out=["digits/K5/seed2", "digits/K5/seed3"])
    assert not any("left out" in line for line in notes_of(runs))


def test_what_was_run_is_stated_by_dataset():
    runs = runs_of({("normal", 0.5, 2): 1.0, ("normal", 1.0, 1): 1.0})
    runs = runs.assign(data_sha256="abc", evaluation="{}", torch="2", hardware="a CPU", git_revision=[None, "x"])
    runs = pd.concat(
        [runs.assign(epochs_run=[7, 9], python=["3.13", "3.12"]), runs.assign(dataset="mnist", python="3")]
    )
    table = describe_runs(runs).set_index("item")
    expected = {
        "runs": 2,
        "seeds": "1 / 2",
        "epochs": "7 to 9",
        "SHA-256 of the images": "abc",
        "Python": "3.12 / 3.13",
    }
    expected |= {"temperatures": "0.5 (seed 2) and 1.0 (seed 1)", "source revision": "x"}
    assert {item: table.loc[item, "digits"] for item in expected} == expected
    assert (table.loc["epochs", "mnist"], table.loc["Python", "mnist"]) == ("9", "3")


def test_the_studys_images_are_those_of_the_default_configuration():
    definitions = yaml.safe_load((ROOT / "config.yaml").read_text())["datasets"]
    origins = {name: origin_of(source_of(definitions[name])) for name in STUDIED_IMAGES}
    assert origins == STUDIED_IMAGES


def test_files_with_own_checksums_have_another_origin_where_the_official_ones_are_known():
    """So other images are not taken for the paper's."""
    file = "train-images-idx3-ubyte"
    mnist, kmnist = (
        {"source": "torchvision", "class": name, "sha256": {file: "0" * 64}} for name in ("MNIST", "KMNIST")
    )
    assert origin_of(source_of(mnist)) == "torchvision's MNIST files, with own checksums"
    assert origin_of(source_of(kmnist)) == "torchvision's KMNIST files"
    official = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    assert origin_of(source_of(mnist | {"sha256": {file: official}})) == STUDIED_IMAGES["mnist"]
