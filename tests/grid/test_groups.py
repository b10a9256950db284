"""Which groups are whole, and what of the others is there: on folders whose files are small, or empty."""

import gzip
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from discrete_vae.config.configuration import Configuration
from discrete_vae.config.options import RESULT_SECTIONS
from discrete_vae.config.reading import read
from discrete_vae.errors import InputError
from discrete_vae.grid.alike import check_alike
from discrete_vae.grid.cells import AXES, CELL_FILES, Cell, Group, asked_cells, stack_coordinates
from discrete_vae.grid.groups import (
    WHOLE_GROUP_FILES,
    FoundGroups,
    find_groups,
    finished_cells,
    finished_runs,
    is_whole,
    recorded_rows,
)
from discrete_vae.grid.planning import (
    asked_fits,
    asked_gradients,
    cells_to_group,
    find_tables,
    is_outdated,
    missing_files,
    stacked_axes,
)

GROUP = Group("mnist", 10, 1)


def config_of(**sections: Any) -> Configuration:
    """Make a configuration that asks for one group of two noise laws at two temperatures."""
    grid = {
        "dataset": ["mnist"],
        "K": [10],
        "perturbation": ["gumbel", "normal"],
        "temperature": [0.5, 1.0],
        "seed": [1],
    }
    return read({**sections, "grid": {**grid, **sections.get("grid", {})}})


def row_of(cell: Cell, configuration: Configuration, **columns: str) -> dict[str, Any]:
    """Make a row of summaries.csv."""
    law = configuration.perturbations.get(cell.perturbation)
    options = {"law": asdict(law) if law else {}, **configuration.result_options(cell.dataset)}
    texts = {section: json.dumps(values) for section, values in options.items()}
    return {**cell.coordinates(), "data_sha256": "a", **texts, **columns}


def write_runs(study: Path, cells: list[Cell], files=CELL_FILES, **columns: str) -> None:
    for cell in cells:
        (study / cell.directory).mkdir(parents=True, exist_ok=True)
        row = row_of(cell, config_of(), cells_in_job=1)
        nested = {key: json.loads(row[key]) for key in ("law", *RESULT_SECTIONS)}
        for name in files:
            (study / cell.directory / name).write_text(json.dumps(row | nested | columns))


def write_groups(study: Path, config: Configuration, *, without: str = "", **columns: str) -> None:
    """Write the groups of a grid, less the files that may be missing and one more."""
    for group in {cell.group for cell in asked_cells(config)}:
        folder = study / "groups" / str(group)
        folder.mkdir(parents=True, exist_ok=True)
        for name in WHOLE_GROUP_FILES:
            (folder / name).write_text("x\n")
        rows = [row_of(cell, config, **columns) for cell in asked_cells(config) if cell.group == group]
        pd.DataFrame(rows).to_csv(folder / "summaries.csv", index=False)
        pd.DataFrame(rows)[list(AXES)].to_csv(folder / "bounds.csv", index=False)
        if without:
            (folder / without).unlink()


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"model": {"variables": 10, "hidden": 12}}, r"mnist have model.hidden 12 \(mnist/K10/seed1\) and 300 "),
        ({"data_sha256": "b"}, r"mnist have data_sha256 b .* and a .*; use another study for one of them"),
    ],
)
def test_runs_of_other_options_or_images_are_refused_before_anything_is_trained(tmp_path, columns, complaint):
    """As of another study, copied without its config.yaml. Their group is not finished."""
    first, second, *_ = asked_cells(config_of())
    write_runs(tmp_path, [first], **columns)
    write_runs(tmp_path, [second])
    with pytest.raises(InputError, match=complaint):
        find_groups(tmp_path, config_of())


def test_rows_are_read_as_texts_and_none_where_there_is_no_file(tmp_path):
    text = "seed,temperature\n1,1e-05\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.csv", "a.csv.gz"):
        assert recorded_rows(tmp_path / name) == [{"seed": "1", "temperature": "1e-05"}]
    assert recorded_rows(tmp_path / "b.csv") == []
    (tmp_path / "cut.csv").write_text(f"{text}2\n")
    (tmp_path / "long.csv").write_text(f"{text}2,1.0,3\n")
    for name in ("cut.csv", "long.csv"):
        with pytest.raises(InputError, match=rf"{name} is not readable \(rows of different lengths\)"):
            recorded_rows(tmp_path / name)
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode())[:20])
    for name in ("a.csv", "a.csv.gz"):
        with pytest.raises(InputError, match=f"{name} is not readable .*, expected a table as it was written; restore"):
            recorded_rows(tmp_path / name)
    with pytest.raises(InputError, match=r"is not readable \(Is a directory\)"):
        recorded_rows(tmp_path)


def test_what_is_asked_for_and_is_not_there_is_to_be_made(tmp_path):
    assert find_groups(tmp_path, config_of()) == FoundGroups(whole=[], to_make=[GROUP], unfinished=[])


@pytest.mark.parametrize("with_runs", [True, False])
def test_a_group_is_whole_with_its_files_and_cells_with_or_without_runs(tmp_path, with_runs):
    """There are no pictures."""
    config = config_of()
    write_groups(tmp_path, config)
    if with_runs:
        write_runs(tmp_path, asked_cells(config))
    assert find_groups(tmp_path, config) == FoundGroups(whole=[GROUP], to_make=[], unfinished=[])


@pytest.mark.parametrize("to", ["mnist/K10/seed7", "mnist/K5/seed1"])
def test_a_group_under_the_name_of_another_is_refused(tmp_path, to):
    """It would count twice."""
    write_groups(tmp_path, config_of())
    shutil.copytree(tmp_path / "groups" / str(GROUP), tmp_path / "groups" / to)
    with pytest.raises(InputError, match=rf"groups/{to} holds mnist-K10-.*-seed1, expected cells of {to}; move"):
        find_groups(tmp_path, config_of(draw_only=True))
    with pytest.raises(InputError, match="expected cells of"):
        is_whole(tmp_path, Group.of(to), set())


@pytest.mark.parametrize("empty", WHOLE_GROUP_FILES)
def test_an_empty_file_of_a_group_is_told_if_the_group_is_asked_for(tmp_path, empty):
    """Snakemake would neither make it again nor anything from it."""
    write_groups(tmp_path, config_of())
    write_runs(tmp_path, asked_cells(config_of()))
    (tmp_path / "groups" / str(GROUP) / empty).write_bytes(b"")
    with pytest.raises(InputError, match=rf"groups/{GROUP}/{empty} is empty, expected .*; remove it to make it again"):
        find_groups(tmp_path, config_of())
    assert find_groups(tmp_path, config_of(draw_only=True)).whole == []
    shutil.rmtree(tmp_path / "runs")
    for _ in ("it is empty", "it is gone"):
        with pytest.raises(
            InputError, match=rf"lacks {empty}, and \d of its runs are gone.* restore its missing files"
        ):
            find_groups(tmp_path, config_of())
        (tmp_path / "groups" / str(GROUP) / empty).unlink(missing_ok=True)


@pytest.mark.parametrize("missing", WHOLE_GROUP_FILES)
def test_a_group_that_lacks_a_file_is_made_again_if_asked_for_and_left_out_if_not(tmp_path, missing):
    config = config_of()
    write_groups(tmp_path, config, without=missing)
    write_runs(tmp_path, asked_cells(config))
    assert find_groups(tmp_path, config) == FoundGroups(whole=[], to_make=[GROUP], unfinished=[])
    # Without summaries it is nothing at all.
    unfinished = [] if missing == "summaries.csv" else [GROUP]
    assert find_groups(tmp_path, config_of(draw_only=True)) == FoundGroups([], [], unfinished)


@pytest.mark.parametrize("grid", [{"temperature": [0.5]}, {"perturbation": ["normal"]}, {"dataset": []}])
def test_a_narrower_grid_leaves_a_group_whole(tmp_path, grid):
    write_groups(tmp_path, config_of())
    assert find_groups(tmp_path, config_of(grid=grid)).whole == [GROUP]


@pytest.mark.parametrize(
    "more", [{"temperature": [0.25, 0.5, 1.0]}, {"perturbation": ["gumbel", "normal", "logistic"]}]
)
def test_a_group_that_lacks_a_cell_is_made_again_while_its_runs_are_there(tmp_path, more):
    config = config_of(grid=more)
    write_groups(tmp_path, config_of())
    write_runs(tmp_path, asked_cells(config_of()))
    assert find_groups(tmp_path, config) == FoundGroups(whole=[], to_make=[GROUP], unfinished=[])


def test_a_group_that_lacks_a_cell_and_whose_runs_are_gone_is_told_in_one_line(tmp_path):
    first, *others = asked_cells(config_of())
    write_groups(tmp_path, config_of())
    write_runs(tmp_path, others)
    write_runs(tmp_path, [first], files=CELL_FILES[:-1])
    with pytest.raises(InputError) as caught:
        find_groups(tmp_path, config_of(grid={"temperature": [0.25, 0.5, 1.0]}))
    folder = tmp_path / "groups" / "mnist" / "K10" / "seed1"
    message = str(caught.value)
    assert message.startswith(f"{folder} lacks cells that are asked for")
    assert f"1 of its runs are gone, such as {first}" in message
    assert message.endswith(f"or remove {folder} to train all its cells again")
    assert "\n" not in message


def test_a_group_that_lacks_a_file_and_whose_runs_are_gone_is_told_which(tmp_path):
    write_groups(tmp_path, config_of(), without="bounds.csv")
    with pytest.raises(InputError, match=r"seed1 lacks bounds\.csv, and 4 of its runs are gone"):
        find_groups(tmp_path, config_of())


def test_a_group_that_is_dated_after_runs_that_it_lacks_is_told(tmp_path):
    """Snakemake, which compares dates, would not gather them."""
    config = config_of(grid={"temperature": [0.25, 0.5, 1.0]})
    write_groups(tmp_path, config_of())
    write_runs(tmp_path, asked_cells(config))
    assert find_groups(tmp_path, config).to_make == [GROUP]
    os.utime(tmp_path / "groups" / str(GROUP) / "summaries.csv", (2e9, 2e9))
    newer = Cell("mnist", 10, "normal", 0.25, 1)
    os.utime(tmp_path / newer.directory / "summary.json", (3e9, 3e9))
    assert find_groups(tmp_path, config).to_make == [GROUP], "one newer run is enough"
    os.utime(tmp_path / newer.directory / "summary.json", (1e9, 1e9))
    with pytest.raises(InputError, match=r"lacks 2 cells whose runs are there, such as .*tau0.25.* remove .* again"):
        find_groups(tmp_path, config)


def test_one_more_seed_leaves_the_others_whole(tmp_path):
    write_groups(tmp_path, config_of())
    found = find_groups(tmp_path, config_of(grid={"seed": [0, 1]}))
    assert found == FoundGroups(whole=[GROUP], to_make=[Group("mnist", 10, 0)], unfinished=[])


def test_groups_are_shown_in_the_order_of_their_datasets_with_unknown_ones_last():
    groups = [Group(dataset, K, seed) for dataset in ("b", "a", "z") for K in (30, 5) for seed in (10, 9)]
    found = FoundGroups(whole=groups[::2], to_make=groups[1:8:2], unfinished=[Group("a", 2, 1)])
    expected = [(name, K, seed) for name in ("b", "a") for K in (5, 30) for seed in (9, 10)]
    shown = [(group.dataset, group.K, group.seed) for group in found.shown(["b", "a"])]
    assert shown == [*expected, ("z", 5, 10), ("z", 30, 10)]


def differing(tmp_path: Path, config: Configuration, **columns: str) -> str:
    """Return the message about a group beside one of the default configuration."""
    write_groups(tmp_path, config_of())
    write_groups(tmp_path, config, **columns)
    with pytest.raises(InputError) as caught:
        find_groups(tmp_path, config_of(draw_only=True))
    message = str(caught.value)
    assert "\n" not in message
    assert "expected the same; use another study for one of them" in message
    return message


OTHER = {"seed": [2]}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"training": {"batch_size": 50}},
            "mnist have training.batch_size 100 (mnist/K10/seed1) and 50 (mnist/K10/seed2)",
        ),
        (
            {"training": {"epochs": {"mnist": 50}}},
            "mnist have training.epochs 300 (mnist/K10/seed1) and 50 (mnist/K10/seed2)",
        ),
        ({"model": {"hidden": 9}}, "mnist have model.hidden 300 (mnist/K10/seed1) and 9 (mnist/K10/seed2)"),
        (
            {"evaluation": {"selection_samples": 9}},
            "mnist have evaluation.selection_samples 100 (mnist/K10/seed1) and 9 (mnist/K10/seed2)",
        ),
        (
            {"perturbations": {"normal": {"distribution": "Normal", "loc": 0, "scale": 2}}},
            "normal have law.scale 1.0 (mnist/K10/seed1) and 2.0 (mnist/K10/seed2)",
        ),
    ],
)
def test_groups_of_other_options_or_laws_are_not_shown_together(tmp_path, config, expected):
    assert f"groups of {expected}" in differing(tmp_path, config_of(grid=OTHER, **config))


def test_an_unfinished_group_of_other_options_is_not_shown_and_in_nobodys_way(tmp_path):
    write_groups(tmp_path, config_of())
    write_groups(tmp_path, config_of(grid=OTHER, training={"batch_size": 50}), without="bounds.csv")
    assert find_groups(tmp_path, config_of()) == FoundGroups([GROUP], [], [Group("mnist", 10, 2)])


def test_groups_of_other_images_are_not_shown_together(tmp_path):
    message = differing(tmp_path, config_of(grid=OTHER), data_sha256="b")
    assert "mnist have data_sha256 a (mnist/K10/seed1) and b (mnist/K10/seed2)" in message


def test_bounds_of_other_numbers_of_samples_are_not_shown_together(tmp_path):
    config = config_of(grid={"seed": [1, 2]})
    write_groups(tmp_path, config)
    for seed, samples in ((1, 1000), (2, 50)):
        rows = [{**Cell("mnist", 10, "normal", 0.5, seed).coordinates(), "samples": samples}]
        pd.DataFrame(rows).to_csv(tmp_path / f"groups/mnist/K10/seed{seed}/bounds.csv", index=False)
    with pytest.raises(InputError, match=r"mnist have samples 1000 \(mnist/K10/seed1\) and 50 \(mnist/K10/seed2\)"):
        find_groups(tmp_path, config)


def test_bounds_are_not_added_to_with_another_number_of_samples(tmp_path):
    write_groups(tmp_path, config_of())
    row = {**Cell("mnist", 10, "normal", 0.5, 1).coordinates(), "samples": 1000}
    pd.DataFrame([row]).to_csv(tmp_path / GROUP.directory / "bounds.csv", index=False)
    grid = {"seed": [1, 2]}
    assert find_groups(tmp_path, config_of(grid=grid)).whole == [GROUP]
    with pytest.raises(InputError, match=r"mnist have samples 1000 \(mnist/K10/seed1\) and 50 \(mnist/K10/seed2\)"):
        find_groups(tmp_path, config_of(grid=grid, evaluation={"importance_samples": 50}))


def test_groups_are_not_added_to_with_other_options(tmp_path):
    write_groups(tmp_path, config_of())
    changed = config_of(grid={"seed": [1, 2]}, training={"kl": "codes"})
    with pytest.raises(InputError, match=r"training.kl softmax \(mnist/K10/seed1\) and codes"):
        find_groups(tmp_path, changed)


def test_other_datasets_and_laws_may_differ_and_an_option_that_did_not_exist_is_its_default():
    config = config_of(grid={"dataset": ["mnist", "digits"]}, training={"epochs": {"mnist": 9, "digits": 5}})
    rows = [row_of(cell, config, data_sha256=cell.dataset) for cell in asked_cells(config)]
    older = json.loads(rows[0]["training"])
    del older["matmul_precision"], older["patience"]
    check_alike([*rows, {**rows[0], "seed": 2, "training": json.dumps(older)}])
    older["batch_size"] = 9
    with pytest.raises(InputError, match=r"training.batch_size 100 .* and 9"):
        check_alike([*rows, {**rows[0], "seed": 2, "training": json.dumps(older)}])


@pytest.mark.parametrize("text", ['{"optimizer": "sgd"}', '{"epochs": 3'], ids=["of a later version", "cut"])
def test_options_that_cannot_be_read_are_told(tmp_path, text):
    """A later version may have written a group that is copied here."""
    write_groups(tmp_path, config_of())
    write_groups(tmp_path, config_of(grid=OTHER), training=text)
    expected = r"training of mnist/K10/seed1 or mnist/K10/seed2 is not readable .*; update the project, or restore"
    with pytest.raises(InputError, match=expected):
        find_groups(tmp_path, config_of(draw_only=True))


def test_a_run_counts_when_all_its_files_are_there(tmp_path):
    cells = asked_cells(config_of())
    write_runs(tmp_path, cells[:2])
    write_runs(tmp_path, cells[2:3], files=("summary.json", "model.pt"))
    write_runs(tmp_path, [Cell("mnist", 10, "normal", 1e-05, seed) for seed in (1, 12)])
    expected = [*cells[:2], Cell("mnist", 10, "normal", 1e-05, 1)]
    assert finished_cells(tmp_path, GROUP) == expected
    assert finished_cells(tmp_path, Group("digits", 10, 1)) == []


@pytest.mark.parametrize("empty", CELL_FILES)
def test_a_run_with_an_empty_file_does_not_count(tmp_path, empty):
    """As after a power cut."""
    cell, *_ = asked_cells(config_of())
    write_runs(tmp_path, [cell])
    (tmp_path / cell.directory / empty).write_bytes(b"")
    assert finished_cells(tmp_path, GROUP) == finished_runs(tmp_path) == []
    with pytest.raises(
        InputError, match=rf"{cell.directory}/{empty} is empty, expected .*; remove it to make it again"
    ):
        find_groups(tmp_path, config_of())


def test_all_finished_runs_are_found_also_beyond_the_grid_and_with_a_summary_of_any_content(tmp_path):
    finished, half = asked_cells(config_of())[:2]
    beyond = Cell("digits", 7, "laplace", 0.25, 12)
    write_runs(tmp_path, [finished, half, beyond])
    (tmp_path / half.directory / "model.pt").unlink()
    (tmp_path / beyond.directory / "summary.json").write_text('{"cells_in')
    assert finished_runs(tmp_path) == [cell.directory.removeprefix("runs/") for cell in (beyond, finished)]


def test_a_group_is_made_of_what_is_asked_for_and_of_all_finished_runs(tmp_path):
    asked = asked_cells(config_of(grid={"perturbation": ["normal", "gumbel"], "temperature": [10.0, 0.5]}))
    more = [Cell("mnist", 10, law, tau, 1) for law, tau in (("normal", 2.0), ("b", 2.0), ("a", 3.0))]
    write_runs(tmp_path, [asked[0], *more])
    write_runs(tmp_path, [Cell("mnist", 10, "normal", 3.0, 1)], files=("history.csv", "summary.json"))
    cells = cells_to_group(tmp_path, GROUP, asked, ["gumbel", "normal"])
    assert [(cell.perturbation, cell.temperature) for cell in cells] == [
        *[("gumbel", 0.5), ("gumbel", 10.0)],
        *[("normal", 0.5), ("normal", 2.0), ("normal", 10.0)],
        *[("a", 3.0), ("b", 2.0)],
    ]


def test_a_group_of_no_cells_is_told(tmp_path):
    with pytest.raises(InputError, match=r"groups/mnist/K10/seed1 is asked for, expected a group of the grid"):
        cells_to_group(tmp_path, GROUP, [], ["gumbel"])


def test_a_job_stacks_the_values_of_the_cells_that_are_yet_to_be_trained(tmp_path):
    asked = asked_cells(config_of(grid={"temperature": [0.1, 0.5, 1.0], "seed": [1, 2]}))
    stack = ["temperature", "perturbation"]
    groups = [Group("mnist", 10, 1), Group("mnist", 10, 2)]

    def stacked(to_make=groups) -> dict[str, list]:
        return stacked_axes(tmp_path, to_make, asked, stack)

    everything = {"temperature": [0.1, 0.5, 1.0], "perturbation": ["gumbel", "normal"]}
    assert stacked() == everything
    write_runs(tmp_path, [cell for cell in asked if cell.temperature == 0.5 and cell.seed == 1])
    assert stacked() == everything, "0.5 is missing with another seed"
    assert stacked(groups[:1]) == {**everything, "temperature": [0.1, 1.0]}, "the other seed's group is whole"
    write_runs(tmp_path, [cell for cell in asked if cell.temperature == 0.5 or cell.perturbation == "gumbel"])
    assert stacked() == {"temperature": [0.1, 1.0], "perturbation": ["normal"]}
    write_runs(tmp_path, asked)
    assert stacked() == everything, "a rule needs some values, though nothing is left to train"
    assert stacked_axes(tmp_path, groups, asked, []) == stacked_axes(tmp_path, [], [], stack) == {}


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"temperature": [0.5, 1.0, 2.0]}, {"temperature": [2.0], "perturbation": ["gumbel", "normal"]}),
        ({"seed": [1, 2]}, {"temperature": [0.5, 1.0], "perturbation": ["gumbel", "normal"]}),
        ({"temperature": [0.5, 2.0], "seed": [1, 2]}, {"perturbation": ["gumbel", "normal"]}),
        ({"perturbation": ["normal", "logistic"], "seed": [1, 2]}, {"temperature": [0.5, 1.0]}),
        ({"temperature": [0.5, 2.0], "perturbation": ["normal", "logistic"]}, {}),
    ],
    ids=["temperature", "seed", "temperature and seed", "law and seed", "temperature and law"],
)
def test_no_job_trains_runs_again_that_a_group_is_made_of(tmp_path, new, expected):
    """Snakemake would delete them before the job starts."""
    before = asked_cells(config_of())
    write_groups(tmp_path, config_of())
    write_runs(tmp_path, before)
    asked = asked_cells(config_of(grid=new))
    groups = [GROUP, Group("mnist", 10, 2)]
    axes = stacked_axes(tmp_path, groups, asked, ["temperature", "perturbation"])
    assert axes == expected
    for cell in set(asked) - set(before):
        trained = {Cell.of(coordinates) for coordinates in stack_coordinates(cell.coordinates(), axes)}
        assert cell in trained
        assert trained.isdisjoint(before)


def test_no_job_trains_a_whole_group_again_whose_runs_are_gone(tmp_path):
    """The seeds that K = 30 lacks are not all lacking at K = 10."""
    write_groups(tmp_path, config_of())
    asked = asked_cells(config_of(grid={"K": [10, 30], "seed": [1, 2]}))
    to_make = [group for group in dict.fromkeys(cell.group for cell in asked) if group != GROUP]
    assert stacked_axes(tmp_path, to_make, asked, ["seed"]) == {}
    of_both = {"temperature": [0.5, 1.0]}
    assert stacked_axes(tmp_path, to_make, asked, ["temperature", "seed"]) == of_both


def test_gradients_are_asked_for_at_every_law_and_temperature_of_a_dataset_and_seed():
    """Whatever its K."""
    grid = {"dataset": ["mnist", "digits"], "K": [10, 30], "seed": [1, 2]}

    def points_of(**control: Any) -> dict[str, Any]:
        config = config_of(grid=grid, control=control)
        return asked_gradients(config, asked_cells(config))

    expected = [{"perturbation": law, "temperature": t} for law in ("gumbel", "normal") for t in (0.5, 1.0)]
    assert points_of(enabled=True, datasets=["digits"]) == {"digits/seed1": expected, "digits/seed2": expected}
    assert list(points_of(enabled=True)) == [f"{name}/seed{seed}" for name in ("mnist", "digits") for seed in (1, 2)]
    assert points_of() == {}


def test_fits_are_asked_for_at_every_temperature_and_seed_of_a_target_and_law():
    config = config_of(grid={"dataset": [], "seed": [1, 2]})
    points = asked_fits(config)
    targets = ("binomial", "poisson", "negative-binomial", "discrete")
    assert list(points) == [f"{target}/{law}" for target in targets for law in ("gumbel", "normal")]
    assert points["poisson/gumbel"] == [{"temperature": t, "seed": seed} for t in (0.5, 1.0) for seed in (1, 2)]
    assert asked_fits(config_of(draw_only=True)) == {}
    parts = [{"seed": [3], "perturbation": ["normal"]}, {"seed": [4], "perturbation": ["normal"], "temperature": [2.0]}]
    points = asked_fits(config_of(grid={"blocks": parts}))
    assert {label.partition("/")[2] for label in points} == {"normal"}, "of all parts of the grid"
    assert {(point["temperature"], point["seed"]) for point in points["poisson/normal"]} == {
        *((0.5, 3), (1.0, 3), (2.0, 3), (0.5, 4), (1.0, 4), (2.0, 4)),
    }


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_tables_that_hold_what_is_asked_for_are_found(tmp_path, suffix):
    table = pd.DataFrame({"temperature": [0.5, 1e-05], "seed": [1, 1], "error": 0.1})
    path = tmp_path / "poisson" / f"normal{suffix}"
    path.parent.mkdir()
    table.to_csv(path, index=False)
    (path.parent / f".gumbel.part-0a1b{suffix}").touch()  # a killed job leaves such a file
    points = [{"temperature": 1e-05, "seed": 1}, {"temperature": 0.5, "seed": 1}]
    for asked in ({}, {"poisson/normal": points}, {"poisson/normal": points[:1], "poisson/gumbel": points}):
        assert find_tables(tmp_path, suffix, asked) == ["poisson/normal"]
    missing = {"poisson/normal": [*points, {"temperature": 0.5, "seed": 2}]}
    expected = rf"{path} has no values at temperature 0.5, seed 2, expected all .* or remove {tmp_path}"
    with pytest.raises(InputError, match=expected):
        find_tables(tmp_path, suffix, missing)
    pd.DataFrame({"version https://git-lfs.github.com/spec/v1": ["size 9"]}).to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"{path} is not readable .*, expected a table as it was written; restore it"):
        find_tables(tmp_path, suffix, missing)
    shutil.rmtree(path.parent)
    assert find_tables(tmp_path, suffix, missing) == []


def test_a_copy_beside_a_table_of_gradients_is_left_alone(tmp_path):
    (tmp_path / "mnist").mkdir()
    for name in ("seed775", "seed775-old", "seed775.bak", "copy of seed775"):
        (tmp_path / "mnist" / f"{name}.csv").touch()
    assert find_tables(tmp_path, ".csv", {}, name=r"seed\d+") == ["mnist/seed775"]


def test_what_is_missing_of_a_group_is_its_files_and_if_there_are_bounds_its_unfinished_cells(tmp_path):
    asked = asked_cells(config_of())
    write_runs(tmp_path, asked[:-1])
    (tmp_path / asked[0].directory / "model.pt").unlink()
    group = asked[0].group
    bounds = tmp_path / group.directory / "bounds.csv"
    of_group = [f"groups/{group}/{name}" for name in WHOLE_GROUP_FILES]
    assert missing_files(tmp_path, [group], asked) == of_group
    assert missing_files(tmp_path, [], asked) == []
    bounds.parent.mkdir(parents=True)
    bounds.write_text("x\n")
    assert missing_files(tmp_path, [group], asked) == [
        f"{asked[0].directory}/model.pt",
        *(f"{asked[-1].directory}/{name}" for name in CELL_FILES),
        *(file for file in of_group if not file.endswith("bounds.csv")),
    ]


@pytest.mark.parametrize(
    ("name", "outdated"),
    [
        ("tables/results.md", True),
        ("tables/fitting.csv", False),
        ("figures/images/mnist-K10.png", True),
        ("figures/claims.pdf", True),
        ("figures/convergence/mnist.pdf", True),
        ("figures/images/mnist-K30.png", False),
        ("figures/convergence/mnist-mine.pdf", False),
        ("figures/convergence/mnist.small.pdf", False),
        ("figures/fitting/mnist.png", False),
        ("groups/mnist/K10/seed1/bounds.csv", False),
        ("gradients/mnist.csv", False),
    ],
)
def test_tables_and_figures_of_groups_to_be_made_are_outdated(tmp_path, name, outdated):
    assert is_outdated(tmp_path, tmp_path / name, [Group("mnist", 10, 1)]) == outdated
    assert not is_outdated(tmp_path, tmp_path / name, [])


def test_copies_beside_groups_and_runs_are_left_alone(tmp_path):
    config = config_of()
    write_groups(tmp_path, config)
    write_runs(tmp_path, asked_cells(config))
    found = find_groups(tmp_path, config)
    for path in (*tmp_path.glob("groups/*/K*/seed*"), *tmp_path.glob("runs/*/K*/*/tau*")):
        shutil.copytree(path, path.with_name(f"{path.name}.bak"))
    assert find_groups(tmp_path, config) == found
    assert finished_cells(tmp_path, found.whole[0]) == sorted(asked_cells(config), key=str)
