"""What decides a study's results is fixed when it begins; what does not is free."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from discrete_vae.config.configuration import Configuration
from discrete_vae.config.reading import read
from discrete_vae.errors import InputError
from discrete_vae.grid.study import begin, check_options, has_evidence


def config_of(**sections: Any) -> Configuration:
    return read({"grid": {"dataset": ["mnist"]}, **sections})


@pytest.fixture
def study(tmp_path) -> Path:
    """A study of the default configuration, with a run on MNIST, gradients and a fit."""
    folder = tmp_path / "results" / "own"
    begin(folder, config_of())
    for file in (
        "runs/mnist/K10/normal/tau0.5/seed1/summary.json",
        "gradients/mnist/seed1.csv",
        "fits/poisson/normal.csv.gz",
    ):
        run(folder, file)
    return folder


def run(study: Path, file: str = "runs/mnist/K10/normal/tau0.5/seed1/summary.json") -> None:
    (study / file).parent.mkdir(parents=True, exist_ok=True)
    (study / file).touch()


NO_OVERLAY = Path("none.yaml")


@pytest.mark.parametrize("path", ["runs/mnist/K10", "groups", "gradients", "fits/poisson"])
def test_empty_folders_are_no_evidence(tmp_path, path):
    """Snakemake makes those of a job's outputs before the job starts."""
    (tmp_path / path).mkdir(parents=True)
    (tmp_path / "config.yaml").touch()
    assert not has_evidence(tmp_path)
    (tmp_path / path / "table.csv").touch()
    assert has_evidence(tmp_path)


STUDENT = {"distribution": "StudentT", "df": 5, "loc": 0, "scale": 1}


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"datasets": {"mnist": {"source": "iwae"}}}, ["datasets.mnist is", '"MNIST"', '{"source": "iwae"}']),
        ({"datasets": {"kmnist": {"source": "torchvision", "class": "MNIST"}}}, ["datasets.kmnist is", '"KMNIST"']),
        ({"perturbations": {"normal": STUDENT}}, ["perturbations.normal is", '"Normal"', '"StudentT"']),
        ({"model": {"hidden": 9}}, ["model.hidden is 9, expected 300"]),
        ({"training": {"epochs": 50}}, ["training.epochs.mnist is 50, expected 300"]),
        ({"training": {"epochs": {"mnist": 50}}}, ["training.epochs.mnist is 50, expected 300"]),
        ({"training": {"patience": 30}}, ["training.patience is 30, expected null"]),
        ({"training": {"annealing": {"rate": 0.1}}}, ["training.annealing is {", '"rate": 0.1', "expected null"]),
        ({"training": {"matmul_precision": "highest"}}, ['training.matmul_precision is "highest", expected "high"']),
        ({"evaluation": {"selection_samples": 9}}, ["evaluation.selection_samples is 9, expected 100"]),
        ({"evaluation": {"importance_samples": 9}}, ["evaluation.importance_samples is 9, expected 1000"]),
        ({"control": {"hidden": 9}}, ["control.hidden is 9, expected 50"]),
        ({"fitting": {"steps": 9}}, ["fitting.steps is 9, expected 500"]),
        (
            {"fitting": {"targets": {"poisson": {"family": "poisson", "rate": 9, "K": 20}}}},
            ["fitting.targets.poisson is", '"rate": 50', '"rate": 9'],
        ),
    ],
)
def test_what_decides_results_is_fixed(study, sections, expected):
    begin(study, config_of(datasets={"kmnist": {"source": "torchvision", "class": "KMNIST"}}))
    config = config_of(**sections)
    with pytest.raises(InputError) as caught:
        check_options(study, config, overlay=NO_OVERLAY)
    message = str(caught.value)
    for part in [*expected, f" as in {study};"]:
        assert part in message
    assert message.endswith(f"choose another name with --config study=NAME, or remove {study}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("file", "sections", "difference"),
    [
        ("groups/mnist/K10/seed1/summaries.csv", {"model": {"hidden": 9}}, "model.hidden is 9, expected 300"),
        (
            "groups/mnist/K10/seed1/summaries.csv",
            {"training": {"patience": 9}},
            "training.patience is 9, expected null",
        ),
        ("groups/mnist/K10/seed1/summaries.csv", {"training": {"epochs": 50}}, "epochs.mnist is 50, expected 300"),
        ("gradients/mnist/seed1.csv", {"training": {"learning_rate": 1}}, "learning_rate is 1.0, expected 0.001"),
    ],
)
def test_options_are_fixed_where_a_clone_has_groups_or_gradients_and_no_runs(tmp_path, file, sections, difference):
    begin(tmp_path, config_of())
    run(tmp_path, file)
    with pytest.raises(InputError, match=f"{difference} as in"):
        check_options(tmp_path, config_of(**sections), overlay=NO_OVERLAY)


def test_the_overlay_of_a_study_is_named_where_there_is_one(study, tmp_path):
    overlay = tmp_path / "own.yaml"
    overlay.touch()
    with pytest.raises(InputError, match=rf"or remove {study}; its own options: --configfile configs/own.yaml$"):
        check_options(study, config_of(model={"hidden": 9}), overlay=overlay)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"grid": {"dataset": ["digits"], "K": [5], "temperature": [0.2], "seed": [9], "perturbation": ["normal"]}},
        {"grid": {"dataset": ["mnist"], "blocks": [{"K": [5]}]}},
        {"perturbations": {"student": STUDENT}, "grid": {"dataset": ["mnist"], "perturbation": ["student"]}},
        {"datasets": {"kmnist": {"source": "torchvision", "class": "KMNIST"}}, "grid": {"dataset": ["kmnist"]}},
        {"training": {"device": "cuda", "stack": ["temperature"]}},
        {"training": {"cuda_graph": False, "fused_kernels": True}},
        {"training": {"epochs": {"mnist": 300, "digits": 50}}},
        {"grid": {"dataset": ["digits"]}, "training": {"epochs": {"digits": 50}}},
        {"mirror": "https://example.org/"},
        {"figures": {"convergence_temperature": 0.5}},
        {"control": {"enabled": True, "datasets": ["mnist"]}},
        {"fitting": {"enabled": True, "targets": {"few": {"family": "binomial", "n": 2, "p": 0.5, "K": 3}}}},
        {"draw_only": True},
    ],
)
def test_the_grid_and_what_decides_no_result_are_free(study, sections):
    check_options(study, config_of(**sections), overlay=NO_OVERLAY)


def test_an_option_that_did_not_exist_when_the_study_began_is_its_default(study):
    stored = yaml.safe_load((study / "config.yaml").read_text())
    del stored["training"]["patience"], stored["control"]
    (study / "config.yaml").write_text(yaml.safe_dump(stored))
    check_options(study, config_of(), overlay=NO_OVERLAY)
    for sections, key in (({"training": {"patience": 9}}, "training.patience"), ({"control": {"K": 2}}, "control.K")):
        with pytest.raises(InputError, match=key):
            check_options(study, config_of(**sections), overlay=NO_OVERLAY)


def test_a_study_whose_files_are_gone_is_still_compared(study):
    """A published one may name a file that only its machine has."""
    stored = yaml.safe_load((study / "config.yaml").read_text())
    stored["datasets"]["mine"] = {"source": "npz", "path": "none.npz"}
    stored["grid"]["dataset"], stored["training"]["epochs"] = ["mine"], {"mine": 300}
    (study / "config.yaml").write_text(yaml.safe_dump(stored))
    check_options(study, config_of(), overlay=NO_OVERLAY)


def test_a_study_without_results_begins_again(tmp_path):
    begin(tmp_path, config_of())
    (tmp_path / "runs" / "mnist").mkdir(parents=True)
    changed = config_of(model={"hidden": 9})
    check_options(tmp_path, changed, overlay=NO_OVERLAY)
    begin(tmp_path, changed)
    run(tmp_path)
    with pytest.raises(InputError, match=r"model.hidden is 300, expected 9"):
        check_options(tmp_path, config_of(), overlay=NO_OVERLAY)


def test_a_study_is_written_once_and_new_definitions_are_added(study):
    path = study / "config.yaml"
    before, written = path.read_text(), path.stat().st_mtime_ns
    begin(study, config_of(grid={"dataset": ["mnist"], "K": [5]}, training={"device": "cpu"}))
    assert (path.read_text(), path.stat().st_mtime_ns) == (before, written)
    few = {"few": {"family": "binomial", "n": 2, "p": 0.5, "K": 3}}
    new = {
        "perturbations": {"student": STUDENT},
        "datasets": {"kmnist": {"source": "iwae"}},
        "fitting": {"targets": few},
    }
    begin(study, config_of(**new, grid={"dataset": ["digits"]}, training={"epochs": {"digits": 50}}))
    begin(study, config_of())
    expected = config_of(**new, training={"epochs": {"mnist": 300, "digits": 50}})
    assert yaml.safe_load(path.read_text()) == expected.plain(), "and none is removed"


def test_the_epochs_of_a_later_dataset_are_fixed_when_it_is_asked_for(study):
    later = config_of(grid={"dataset": ["digits"]}, training={"epochs": {"digits": 50}})
    begin(study, later)
    (study / "runs" / "digits").mkdir()
    check_options(study, later, overlay=NO_OVERLAY)
    with pytest.raises(InputError, match=r"training.epochs.digits is 300, expected 50"):
        check_options(study, config_of(grid={"dataset": ["digits"]}), overlay=NO_OVERLAY)


def test_the_epochs_of_a_dataset_beyond_the_grid_are_fixed_when_it_is_trained(study):
    later = {"grid": {"dataset": ["mnist"]}, "training": {"epochs": {"mnist": 300, "digits": 50}}}
    begin(study, config_of(**later), dataset="digits")
    changed = later | {"training": {"epochs": {"mnist": 300, "digits": 60}}}
    with pytest.raises(InputError, match=r"training.epochs.digits is 60, expected 50"):
        check_options(study, config_of(**changed), overlay=NO_OVERLAY)


def test_runs_behind_a_link_are_evidence(tmp_path):
    (tmp_path / "scratch" / "K10").mkdir(parents=True)
    (tmp_path / "scratch" / "K10" / "summary.json").touch()
    (tmp_path / "own" / "runs").mkdir(parents=True)
    assert not has_evidence(tmp_path / "own")
    (tmp_path / "own" / "runs" / "mnist").symlink_to(tmp_path / "scratch")
    assert has_evidence(tmp_path / "own")


def test_epochs_are_free_where_nothing_was_trained(tmp_path):
    begin(tmp_path, config_of())
    run(tmp_path, "fits/poisson/normal.csv.gz")
    changed = config_of(training={"epochs": 50})
    check_options(tmp_path, changed, overlay=NO_OVERLAY)
    begin(tmp_path, changed)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["training"]["epochs"]["mnist"] == 50


@pytest.mark.parametrize("section", ["control", "fitting"])
def test_options_of_what_was_never_measured_are_free(tmp_path, section):
    begin(tmp_path, config_of())
    run(tmp_path)
    changed = config_of(**{section: {"samples": 9}})
    check_options(tmp_path, changed, overlay=NO_OVERLAY)
    begin(tmp_path, changed)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())[section]["samples"] == 9


def test_the_mirror_of_a_machine_is_not_written(tmp_path):
    config = config_of(mirror="https://example.org/")
    begin(tmp_path, config)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["mirror"] is None


def test_a_study_that_begins_as_a_copy_has_its_own_name(study):
    begin(study, config_of(study="copy"))
    assert yaml.safe_load((study / "config.yaml").read_text())["study"] == "copy"


def test_a_mistake_in_the_options_of_a_study_names_their_file(study):
    options = yaml.safe_load((study / "config.yaml").read_text())
    (study / "config.yaml").write_text(yaml.safe_dump({**options, "modle": {}}))
    with pytest.raises(InputError, match=r"own/config\.yaml: .*modle"):
        check_options(study, config_of(), overlay=NO_OVERLAY)
