"""Every misuse gives one line that names the key, the value, what was expected and what to do."""

import copy
import datetime
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from conftest import ROOT
from discrete_vae.config.options import RESULT_SECTIONS, Model, Training, completed
from discrete_vae.config.reading import read
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import asked_cells
from discrete_vae.grid.paper import PAPER_LAWS, PAPER_OPTIONS

PAPER = yaml.safe_load((ROOT / "config.yaml").read_text())


def paper_with(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(PAPER)
    *parents, last = path.split("/")
    section = config
    for key in parents:
        section = section[key]
    section[last] = value
    return config


def message_for(config: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        read(config)
    return str(caught.value)


def test_the_default_configuration_is_the_paper():
    config = copy.deepcopy(PAPER)
    assert read(config).plain() == PAPER
    assert config["grid"]["temperature"] == [0.01, 0.03, 0.07, 0.1, 0.25, 0.4, 0.5, 0.67, 0.85, 1.0]
    assert (config["grid"]["K"], config["grid"]["seed"][0]) == ([10, 30, 50], 775)
    assert config["model"] == PAPER_OPTIONS["model"]
    different = {name for name, value in PAPER_OPTIONS["training"].items() if config["training"][name] != value}
    assert different == {"matmul_precision"}, "the only departure, on a GPU"
    samples = {"validation_samples": 10, "selection_samples": 100, "importance_samples": 1000}
    assert config["evaluation"] == {**samples, "keep_models": False}
    assert {name: config["perturbations"][name] for name in PAPER_LAWS} == PAPER_LAWS
    assert config["datasets"]["omniglot-resized"] == {"source": "omniglot"}


def test_every_option_that_determines_a_result_is_compared_with_the_paper():
    """An option that the paper does not have must be given the value that does as the paper did."""
    recorded = {name: set(section().result_options()) for name, section in RESULT_SECTIONS.items()}
    recorded["evaluation"].add("importance_samples")  # bounds.csv records it
    assert recorded == {name: set(options) for name, options in PAPER_OPTIONS.items()}


def test_options_are_compared_as_json_has_them(monkeypatch):
    @dataclass(frozen=True)
    class WithPair(Model):
        pair: tuple[float, float] = (0.9, 0.999)

    monkeypatch.setitem(RESULT_SECTIONS, "model", WithPair)
    assert completed("model", {})["pair"] == [0.9, 0.999]


def test_whole_and_decimal_numbers_are_one_law_and_one_temperature():
    config = paper_with("perturbations/normal", {"distribution": "Normal", "loc": 0, "scale": 1})
    config["grid"]["temperature"] = [1]
    config = read(config).plain()
    assert str(config["perturbations"]["normal"]) == "{'distribution': 'Normal', 'loc': 0.0, 'scale': 1.0}"
    assert str(config["grid"]["temperature"]) == "[1.0]"


def test_the_defaults_of_the_schema_are_those_of_the_default_configuration():
    config = {"grid": {"dataset": PAPER["grid"]["dataset"]}}
    assert read(config).plain() == PAPER


def test_values_may_be_texts_as_snakemake_passes_them():
    config = paper_with("grid/K", ["20"])
    config["training"] |= {"learning_rate": "1e-3", "annealing": "null"}
    config["perturbations"]["laplace"] = {"distribution": "Laplace", "loc": "0", "scale": "0.5"}
    config |= {"mirror": "null", "draw_only": "False"}
    config["fitting"]["enabled"] = "true"
    config["fitting"]["targets"]["mine"] = {"family": "table", "probabilities": ["0.5", "0.2", "0.3"]}
    config["fitting"]["targets"]["few"] = {"family": "binomial", "n": "4", "p": "0.5", "K": "5"}
    config = read(config).plain()
    assert config["grid"]["K"] == [20]
    assert config["training"]["learning_rate"] == 0.001
    assert config["training"]["annealing"] is None
    assert config["perturbations"]["laplace"]["scale"] == 0.5
    assert (config["mirror"], config["draw_only"]) == (None, False)
    assert config["fitting"]["enabled"] is True
    assert config["fitting"]["targets"]["mine"]["probabilities"] == [0.5, 0.2, 0.3]
    assert config["fitting"]["targets"]["few"] == {"family": "binomial", "n": 4, "p": 0.5, "K": 5}


def test_a_dataset_may_have_its_own_epochs():
    training = read(paper_with("training/epochs", {"mnist": "50", "fashion-mnist": 60, "omniglot": 300})).training
    assert training.of_dataset("mnist").epochs == 50
    assert read(PAPER).training.of_dataset("mnist").epochs == 300


@pytest.mark.parametrize("kept", [["mnist", "omniglot"], ["mnist"]])
def test_parts_of_the_grid_inherit_the_axes_that_they_leave_out(kept):
    parts = {
        "mnist": {"dataset": ["mnist"], "K": ["10"], "temperature": [1, "0.5"]},
        "omniglot": {"dataset": ["omniglot"], "seed": ["775"]},
    }
    configuration = read(paper_with("grid/blocks", [parts[name] for name in kept]))
    assert str(configuration.grid.parts()[0]["temperature"]) == "(1.0, 0.5)"
    assert read(configuration.plain()) == configuration
    assert configuration.asked_datasets == kept
    of_mnist = [cell for cell in asked_cells(configuration) if cell.dataset == "mnist"]
    assert len(of_mnist) == 1 * 3 * 2 * 6
    assert len(asked_cells(configuration)) - len(of_mnist) == (90 if "omniglot" in kept else 0)


def test_parts_of_the_grid_are_taken_back_by_null():
    """As an overlay can neither remove a key nor empty a list on the command line."""
    assert asked_cells(read(paper_with("grid/blocks", None))) == asked_cells(read(PAPER))


def test_a_study_that_only_draws_asks_for_no_cells_and_no_files():
    config = paper_with("datasets/mnist", {"source": "npz", "path": "none.npz"})
    assert "existing" in message_for(copy.deepcopy(config))
    config["draw_only"] = True
    config["control"]["datasets"] = ["mnist"]
    configuration = read(config)
    assert asked_cells(configuration) == configuration.asked_datasets == []


def test_a_stored_configuration_is_read_where_its_files_are_gone():
    config = paper_with("datasets/mnist", {"source": "npz", "path": "none.npz"})
    config["mirror"] = "/no/such/folder"
    read(config, check_files=False)


def test_the_options_that_decide_a_result():
    training = read(PAPER).training.of_dataset("mnist")
    assert training.result_options().keys() == PAPER["training"].keys() - {
        "device",
        "stack",
        "cuda_graph",
        "fused_kernels",
    }
    assert training.how_to_train().keys() == {"device", "stack", "cuda_graph", "fused_kernels"}
    assert read(PAPER).evaluation.result_options() == {"validation_samples": 10, "selection_samples": 100}


def test_options_that_are_missing_in_an_older_result_are_their_defaults():
    expected = {**PAPER["training"], "epochs": 50, "kl": "codes"}
    older = Training.of({"epochs": 50, "kl": "codes"})
    assert older == read(paper_with("training", expected)).training
    annealed = read(paper_with("training/annealing", {"rate": 0.1})).training
    assert Training.of(annealed.result_options()) == annealed


def test_a_file_that_the_pipeline_makes_is_nobodys_source(tmp_path, monkeypatch):
    """Snakemake would remove it before the job that reads it."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "data" / "mine.npz"
    own.parent.mkdir()
    own.touch()
    for path in ("data/mine.npz", "./data/../data/mine.npz", str(own)):
        config = paper_with("datasets/mine", {"source": "npz", "path": path})
        config["grid"]["dataset"] = ["mine"]
        assert "would overwrite" in message_for(config)


@pytest.mark.parametrize("axis", ["temperature", "seed", "perturbation"])
def test_parts_that_differ_in_a_stacked_axis_are_told_in_one_line(axis):
    value = PAPER["grid"][axis][0]
    config = paper_with("grid/blocks", [{"dataset": ["omniglot"]}, {"dataset": ["mnist"], axis: [value]}])
    config["training"]["stack"] = [axis]
    message = message_for(copy.deepcopy(config))
    assert message.startswith(f"grid.blocks[1].{axis} is [{value!r}], expected [")
    assert f"training.stack has '{axis}'; leave {axis} out of the stack" in message
    assert "\n" not in message
    for block in config["grid"]["blocks"]:
        block[axis] = [value]
    assert read(config)


def test_annealing_is_completed_from_one_key():
    config = paper_with("training/annealing", {"rate": 0.001})
    config = read(config).plain()
    assert config["training"]["annealing"] == {"rate": 0.001, "minimum": 0.1, "interval": 1000}


def test_definitions_are_added_to_those_of_the_schema():
    config = {
        "grid": {"dataset": ["digits"]},
        "perturbations": {"wide": {"distribution": "Normal", "loc": 0, "scale": 2}},
    }
    config = read(config).plain()
    assert list(config["perturbations"]) == ["gumbel", "normal", "logistic", "wide"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("grid", None, ["grid is null", "a mapping"]),
        ("grid/dataset", ["mnits"], ["grid.dataset has 'mnits'", "defined under datasets", "did you mean mnist?"]),
        ("grid/dataset", ["mnist", "mnist"], ["grid.dataset is ['mnist', 'mnist']", "every value once"]),
        ("grid/dataset", "mnist", ["grid.dataset is 'mnist'", "a list"]),
        ("grid/K", [1], ["grid.K[0] is 1", "at least 2"]),
        ("grid/K", [10.0], ["grid.K[0] is 10.0", "a whole number"]),
        ("grid/K", ["ten"], ["grid.K[0] is 'ten'", "a whole number"]),
        ("grid/perturbation", ["laplace"], ["grid.perturbation has 'laplace'", "defined under perturbations"]),
        ("grid/temperature", [0], ["grid.temperature[0] is 0", "at least 1e-06"]),
        ("grid/temperature", [0.5, -1], ["grid.temperature[1] is -1", "at least 1e-06"]),
        ("grid/temperature", [1, 1.0], ["grid.temperature is [1.0, 1.0]", "every value once"]),
        ("grid/temperature", [float("nan")], ["grid.temperature[0] is nan", "a finite number"]),
        ("grid/temperature", [float("inf")], ["grid.temperature[0] is inf", "a finite number"]),
        ("grid/seed", [True], ["grid.seed[0] is True", "a whole number"]),
        ("grid/seed", [-1], ["grid.seed[0] is -1", "at least 0"]),
        ("grid/temperature", [1e16], ["grid.temperature[0] is 1e+16", "at most 1000000"]),
        ("datasets", {3: {"source": "sklearn"}}, ["datasets has the name '3'", "begins with a letter", "rename it"]),
        ("training/epochs", {"mnits": 9}, ["training.epochs has 'mnits'", "did you mean mnist?"]),
        ("mirror", "", ["mirror is ''", "an existing directory"]),
        ("grid/blocks", [{"dataset": ["mnits"]}], ["grid.blocks[0].dataset has 'mnits'", "did you mean mnist?"]),
        ("grid/blocks", [{}, {"perturbation": ["laplace"]}], ["blocks[1].perturbation has 'laplace'", "defined under"]),
        ("grid/blocks", [{"K": [1]}], ["grid.blocks[0].K[0] is 1", "at least 2"]),
        ("grid/blocks", [{"K": []}], ["grid.blocks[0].K is []", "at least one value"]),
        ("grid/blocks", [{"seeds": [1]}], ["grid.blocks[0].seeds", "did you mean seed?"]),
        ("grid/blocks", [10], ["grid.blocks[0] is 10", "expected a mapping (a list of parts"]),
        ("grid/blocks", {"K": [10]}, ["grid.blocks is {'K': [10]}", "a list or null", "a list of parts such as"]),
        ("grid/only", {"mnist": {}}, ["grid.only is {'mnist': {}}", "no such key"]),
        ("study", "a/b", ["study is 'a/b'", "expected a name of at most 80 letters, digits and dashes"]),
        ("study", "-x", ["study is '-x'", "begins with a letter"]),
        ("study", "..", ["study is '..'", "letters, digits and dashes"]),
        ("draw_only", 1, ["draw_only is 1", "true or false"]),
        ("control/datasets", ["digits"], ["control.datasets has 'digits'", "datasets of the grid (mnist,"]),
        ("grid/tempature", [1], ["grid.tempature", "no such key", "did you mean temperature?"]),
        ("datasets/mnist", {"source": "torchvision"}, ["datasets.mnist.class is missing", "add it"]),
        ("datasets/mnist", {"class": "MNIST"}, ["datasets.mnist.source is missing", "add it"]),
        ("datasets/mnist", {"source": "web"}, ["datasets.mnist.source is 'web'", "one of torchvision, iwae"]),
        ("datasets/mnist/class", "CIFAR10", ["datasets.mnist.class is 'CIFAR10'", "MNIST, FashionMNIST, KMNIST"]),
        ("datasets/digits/path", "x.npz", ["datasets.digits.path", "no such key"]),
        ("datasets/omniglot/sha256", {"chardata.mat": "zz"}, ["sha256.chardata.mat is 'zz'", "hexadecimal"]),
        ("datasets/a b", {"source": "sklearn"}, ["datasets has the name 'a b'", "letters, digits", "rename it"]),
        ("datasets/2024", {"source": "sklearn"}, ["datasets has the name '2024'", "begins with a letter", "rename it"]),
        ("datasets/NaN", {"source": "sklearn"}, ["datasets has the name 'NaN'", "no word such as nan", "rename it"]),
        ("datasets/mnist", {"source": "npz", "path": "none.npz"}, ["datasets.mnist.path is 'none.npz'", "existing"]),
        (
            "perturbations/gumbel/distribution",
            "Gumbl",
            ["gumbel.distribution is 'Gumbl'", "one of Beta", "did you mean Gumbel?"],
        ),
        ("perturbations/gumbel/distribution", "Poisson", ["distribution is 'Poisson'", "one of"]),
        ("perturbations/gumbel/scale", 0, ["perturbations.gumbel.scale is 0", "at least 1e-06"]),
        ("perturbations/gumbel/scale", 1e-60, ["perturbations.gumbel.scale is 1e-60", "at least 1e-06"]),
        ("perturbations/gumbel/scale", 1e60, ["perturbations.gumbel.scale is 1e+60", "at most 1000000"]),
        ("perturbations/gumbel/loc", -1e60, ["perturbations.gumbel.loc is -1e+60", "at least -1000000"]),
        ("grid/temperature", [1e-40], ["grid.temperature[0] is 1e-40", "at least 1e-06"]),
        ("perturbations/gumbel/scale", "wide", ["perturbations.gumbel.scale is 'wide'", "a finite number"]),
        ("perturbations/gumbel/df", 3, ["perturbations.gumbel.df is 3", "distribution, loc, scale"]),
        ("perturbations/gumbel", {"distribution": "Gumbel", "loc": 0}, ["perturbations.gumbel.scale is missing"]),
        ("perturbations/gumbel", {"loc": 0}, ["perturbations.gumbel.distribution is missing"]),
        ("perturbations/gumbel", {"distribution": "Uniform", "low": 1, "high": 1}, ["high is 1", "above low, 1"]),
        (
            "perturbations/gumbel",
            {"distribution": "Uniform", "low": 1, "high": 1 + 1e-11},
            ["above low, 1", "a millionth"],
        ),
        ("model/hidden", 0, ["model.hidden is 0", "at least 1"]),
        ("model/layers", 3, ["model.layers is 3", "no such key", "variables, hidden"]),
        ("training", 3, ["training is 3", "a mapping"]),
        ("training/epochs", 0, ["training.epochs is 0", "a number from 1 to 1,000,000,000"]),
        ("training/epochs", 1.5, ["training.epochs is 1.5", "a whole number"]),
        ("training/epochs", {"mnist": 10**15}, ["training.epochs.mnist is 1000000000000000", "1 to 1,000,000,000"]),
        ("training/epochs", {"mnist": 9}, ["training.epochs is {'mnist': 9}", "every dataset", "add 'fashion-mnist'"]),
        ("training/epoch", 3, ["training.epoch is 3", "did you mean epochs?"]),
        ("training/learning_rate", -0.1, ["training.learning_rate is -0.1", "above 0"]),
        ("training/annealing", {"rat": 1}, ["training.annealing.rat is 1", "did you mean rate?"]),
        ("training/annealing", 5, ["training.annealing is 5", "a mapping or null"]),
        ("training/device", "gpu", ["training.device is 'gpu'", "one of auto, cpu, cuda"]),
        ("training/stack", "temperature", ["training.stack is 'temperature', expected auto or a list"]),
        ("training/stack", ["K"], ["training.stack[0] is 'K'", "temperature, perturbation, seed"]),
        ("training/kl", "code", ["training.kl is 'code'", "one of softmax, codes"]),
        ("training/patience", 0, ["training.patience is 0", "at least 1"]),
        ("training/matmul_precision", "low", ["training.matmul_precision is 'low'", "one of highest, high"]),
        ("evaluation/selection_samples", 0, ["evaluation.selection_samples is 0", "at least 1"]),
        ("evaluation/test_samples", 9, ["evaluation.test_samples is 9", "no such key"]),
        ("fitting/enabled", "yes", ["fitting.enabled is 'yes'", "true or false"]),
        ("fitting/enable", True, ["fitting.enable is True", "did you mean enabled?"]),
        ("fitting/samples", 1, ["fitting.samples is 1", "at least 2"]),
        ("fitting/targets/x", {"K": 3}, ["fitting.targets.x.family is missing", "add it"]),
        ("fitting/targets/x", {"family": "poison"}, ["targets.x.family is 'poison'", "one of binomial, poisson"]),
        ("fitting/targets/poisson/K", 1, ["fitting.targets.poisson.K is 1", "at least 2"]),
        ("fitting/targets/poisson/K", 10**12, ["fitting.targets.poisson.K is 1000000000000", "at most 1000000000"]),
        ("fitting/targets/poisson/K", "ten", ["fitting.targets.poisson.K is 'ten'", "a whole number"]),
        ("fitting/targets/poisson/rate", 0, ["fitting.targets.poisson.rate is 0", "above 0"]),
        ("fitting/targets/poisson/mean", 3, ["fitting.targets.poisson.mean is 3", "no such key"]),
        ("fitting/targets/poisson/p", 0.5, ["targets.poisson.p is 0.5", "one of family, rate, K"]),
        (
            "fitting/targets/x",
            {"family": "poisson", "K": 3},
            ["fitting.targets.x.rate is missing", "mean before truncation"],
        ),
        ("fitting/targets/binomial/n", 1.5, ["fitting.targets.binomial.n is 1.5", "a whole number"]),
        ("fitting/targets/binomial/p", 1, ["fitting.targets.binomial.p is 1", "a number below 1"]),
        ("fitting/targets/discrete/probabilities", [1], ["probabilities is [1]", "at least 2 values"]),
        ("fitting/targets/discrete/probabilities", [0.5, 0.4], ["discrete.probabilities sums to 0.9", "expected 1"]),
        ("fitting/targets/discrete/probabilities", [0.5, 0.500002], ["sums to 1.000002, expected 1;"]),
        ("fitting/targets/discrete/probabilities", [1.1, -0.1], ["discrete.probabilities[1] is -0.1", "at least 0"]),
        ("mirror", "/no/such/folder", ["mirror is '/no/such/folder'", "an existing directory or a base URL"]),
        ("mirror", "ftp://me:hunter2@host/x", ["mirror is 'ftp://***@host/x'", "a base URL (http or https)"]),
        ("mirror", "http://me:hun ter2@host/", ["mirror is a URL with ' ', expected a base URL"]),
        ("mirror", "http://host/x?token=hunter2", ["mirror is a URL with '?', expected a base URL"]),
        ("perturbations/wide", {"distribution": "Normal", "loc": 0, "scale": -1}, ["at least 1e-06; correct it"]),
        ("study", "a" * 81, ["expected a name of at most 80 letters, digits and dashes that begins with a letter"]),
        ("study", 7, ["study is 7, expected a text"]),  # what Snakemake makes of 007
        ("study", "007", ["study is '007'", "begins with a letter"]),
        ("study", "nan", ["study is 'nan'", "no word such as nan"]),
        ("datasets/item", {"source": "sklearn"}, ["datasets has the name 'item'", "no word such as nan or item"]),
        (
            "perturbations/measure",
            {"distribution": "Normal", "loc": 0, "scale": 1},
            ["perturbations has the name 'measure'", "rename it"],
        ),
        ("study", "lines\n", ["study is 'lines\\n'", "letters, digits and dashes"]),
        ("datasets/mine\n", {"source": "npz", "path": "my.npz"}, ["datasets has the name 'mine\\n'"]),
        ("mirror", "file:///data", ["mirror is 'file:///data'", "a base URL (http or https)"]),
        ("mirror", 3, ["mirror is 3", "a text in quotes or null"]),
        (
            "datasets/mnist",
            {"source": "npz", "class": "MNIST", "path": "my.npz"},
            ["datasets.mnist.class is 'MNIST'", "expected no such key", "or choose another name: an overlay adds"],
        ),
        (
            "fitting/targets/poisson/family",
            "table",
            ["targets.poisson.rate is 50", "or choose another name: an overlay adds"],
        ),
        ("sede", 1, ["sede is 1", "no such key", "correct or remove it"]),
    ],
)
def test_misuse_is_told_in_one_line(path, value, expected):
    message = message_for(paper_with(path, value))
    assert "\n" not in message
    assert "ter2" not in message
    for part in expected:
        assert part in message


def test_a_configuration_without_a_grid_is_told():
    assert "grid is missing" in message_for({})


def circular() -> list:
    blocks: list = []
    blocks.append({"dataset": blocks})
    return blocks


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ([1], "the configuration is [1], expected a mapping"),
        ({"grid": {datetime.date(2020, 1, 1): 3}}, "the configuration cannot be read"),
        ({"grid": {"dataset": circular()}}, "the configuration cannot be read (Circular reference"),
        ({"study": "\ud800", "grid": {"dataset": []}}, "the configuration cannot be read"),
        ({"study": True, "grid": {"dataset": []}}, "study is True, expected a text"),
        ({"grid": {"dataset": ["a"]}, "datasets": {"a": {"source": "npz", "path": "a\0"}}}, "an existing .npz file"),
        ({"grid": {"dataset": ["a"]}, "datasets": {"a": {"source": "npz", "path": "{x}.npz"}}}, "without braces"),
        ({"grid": {"dataset": []}, "mirror": "/a" * 9999}, "expected an existing directory or a base URL"),
        ({"grid": {"dataset": []}, "model": {"hidden": 10**30}}, "model.hidden is 1000000000000000000000000000000"),
    ],
)
def test_what_no_file_should_hold_is_told_in_one_line(config, expected):
    message = message_for(config)
    assert expected in message
    assert "\n" not in message
