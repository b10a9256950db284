"""Results of another configuration are told apart, option by option."""

import copy
import json
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import ROOT
from discrete_vae.cells import Cell, grid_cells
from discrete_vae.configuration import complete, fit_definition, result_options, run_definition
from discrete_vae.consistency import check_fits, check_runs, is_written
from discrete_vae.errors import InputError
from discrete_vae.unpacking import unpack_runs

GRID = {"dataset": ["mnist", "omniglot"], "K": [10], "perturbation": ["normal"], "temperature": [0.5, 1.0], "seed": [1]}


@pytest.fixture
def config() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["grid"] |= copy.deepcopy(GRID)
    complete(config)
    return config


def runs_of(config: dict[str, Any], dataset: str = "mnist", **summary: Any) -> pd.DataFrame:
    """Make the gathered summaries of a configuration's runs of one dataset."""
    sections = {name: json.dumps(options) for name, options in result_options(config, dataset).items()}
    law = json.dumps(config["perturbations"]["normal"])
    cells = grid_cells(config["grid"], dataset=dataset)
    return pd.DataFrame(
        [{**cell.coordinates(), "data_sha256": "abc", "law": law, **sections, **summary} for cell in cells]
    )


def fits_of(config: dict[str, Any]) -> pd.DataFrame:
    """Make the fits of a configuration to one target with one noise law, by their temperature and seed alone."""
    definition = json.dumps(fit_definition(config, "poisson", "normal"))
    fits = pd.DataFrame({"temperature": [0.5, 1.0], "seed": 1})
    return fits.assign(target="poisson", perturbation="normal", definition=definition)


def test_runs_of_the_configuration_are_taken(config):
    check_runs(runs_of(config), config, where="x.csv")
    check_runs(pd.concat([runs_of(config), runs_of(config, "omniglot", data_sha256="def")]), config, where="x.csv")


def test_runs_of_before_an_option_was_introduced_have_its_default(config):
    training = json.loads(runs_of(config)["training"].iloc[0])
    del training["kl"]
    check_runs(runs_of(config, training=json.dumps(training)), config, where="x.csv")
    config["training"]["kl"] = "codes"
    with pytest.raises(InputError, match=r"training\.kl 'softmax', expected 'codes'"):
        check_runs(runs_of(config, training=json.dumps(training)), config, where="x.csv")


@pytest.mark.parametrize(
    ("section", "option", "value", "difference"),
    [
        ("training", "epochs", 60, "training.epochs 300, expected 60"),
        ("training", "annealing", {"rate": 1e-5, "minimum": 0.1, "interval": 9}, "training.annealing None, expected"),
        ("model", "hidden", 7, "model.hidden 300, expected 7"),
        ("evaluation", "test_samples", 7, "evaluation.test_samples 100, expected 7"),
        ("perturbations", "normal", {"distribution": "Normal", "loc": 0, "scale": 2}, "law.scale 1.0, expected 2"),
    ],
)
def test_runs_of_another_option_are_refused(config, section, option, value, difference):
    runs = runs_of(config)
    config[section][option] = value
    with pytest.raises(InputError) as caught:
        check_runs(runs, config, where="x.csv")
    assert f"x.csv has a run mnist-K10-normal-tau0.5-seed1 with {difference}" in str(caught.value)
    assert "remove x.csv to make it anew" in str(caught.value)


def test_runs_of_different_images_are_refused(config):
    runs = runs_of(config)
    runs.loc[1, "data_sha256"] = "def"
    with pytest.raises(InputError, match="with data_sha256 'def', expected 'abc'"):
        check_runs(runs, config, where="x.csv")


@pytest.mark.parametrize(
    ("temperatures", "message"),
    [([0.5], "has a run mnist-K10-normal-tau1.0-seed1"), ([0.5, 1.0, 2.0], "has no run mnist-K10-normal-tau2.0-seed1")],
)
def test_other_cells_than_those_of_the_grid_are_refused(config, temperatures, message):
    runs = runs_of(config)
    config["grid"]["temperature"] = temperatures
    with pytest.raises(InputError, match=f"{message}, expected the {len(temperatures)} runs"):
        check_runs(runs, config, where="x.csv")


def test_a_summary_counts_as_written_if_it_is_of_the_same_training(tmp_path, config):
    path = tmp_path / "summary.json"
    cell = Cell("mnist", 10, "normal", 1.0, 1)
    assert not is_written(str(path), config, data_sha256="abc")
    summary = {**cell.coordinates(), "data_sha256": "abc", **run_definition(config, cell), "test_loss": 1.0}
    path.write_text(json.dumps(summary))
    assert is_written(str(path), config, data_sha256="abc")
    assert not is_written(str(path), config, data_sha256="def")
    config["training"]["epochs"] = 7
    assert not is_written(str(path), config, data_sha256="abc")


def test_runs_of_other_images_are_not_unpacked(tmp_path, config):
    cells = set(grid_cells(config["grid"], dataset="mnist"))
    histories = pd.DataFrame([{**cell.coordinates(), "epoch": 1, "training_loss": 1.0} for cell in cells])
    with pytest.raises(InputError, match="data_sha256 'abc', expected 'def'"):
        unpack_runs(cells, tmp_path, runs_of(config), histories, config=config, data_sha256="def")
    assert list(tmp_path.iterdir()) == []
    assert unpack_runs(cells, tmp_path, runs_of(config), histories, config=config, data_sha256="abc") == len(cells)
    assert unpack_runs(cells, tmp_path, runs_of(config), histories, config=config, data_sha256="abc") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": [0.5, 0.7]}, "temperatures 0.5, 0.7, expected 0.5, 1.0"),
        ({"seed": [2, 2]}, "seeds 2, expected 1"),
    ],
)
def test_fits_of_other_temperatures_or_seeds_are_refused(config, change, message):
    with pytest.raises(InputError, match=message):
        check_fits(fits_of(config).assign(**change), config, where="results/fitting")


@pytest.mark.parametrize(
    ("section", "option", "value", "message"),
    [
        ("fitting", "steps", 400, "options.steps 500, expected 400"),
        ("fitting", "learning_rate", 0.2, "options.learning_rate 0.05, expected 0.2"),
        ("perturbations", "normal", {"distribution": "Normal", "loc": 0, "scale": 2}, "law.scale 1.0, expected 2"),
        ("fitting", "targets", {"poisson": {"family": "poisson", "rate": 40, "K": 100}}, "target.rate 50, expected 40"),
    ],
)
def test_fits_of_another_definition_are_refused(config, section, option, value, message):
    fits = fits_of(config)
    check_fits(fits, config, where="results/fitting")
    config[section][option] = value
    with pytest.raises(InputError, match=f"fits to poisson under normal noise with {message}"):
        check_fits(fits, config, where="results/fitting")
