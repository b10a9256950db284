"""Selection on the validation set, and the results table."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import yaml
from conftest import ROOT
from discrete_vae.analysis.selection import (
    at_nearest_temperature,
    diverged_runs,
    gather_histories,
    gather_summaries,
    law_definitions,
    read_bounds,
    select_temperatures,
    selected_cells,
    selected_models,
)
from discrete_vae.data.binarization import origin_of
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.measures import BOUNDS
from discrete_vae.grid.paper import PAPER_IMAGES
from discrete_vae.report.notes import describe_runs, notes_on_runs, temperatures_in_words
from discrete_vae.report.tables import notes, summarize_test_losses, to_latex, to_markdown

PARTS = ("loss", "reconstruction", "kl")


def runs_of(validation: dict, diverged=()) -> pd.DataFrame:
    """Make runs from losses by (perturbation, temperature, seed)."""
    rows = []
    for (perturbation, temperature, seed), loss in validation.items():
        key = (perturbation, temperature, seed)
        broken = key in diverged
        rows.append(
            {
                "dataset": "digits",
                "K": 10,
                "perturbation": perturbation,
                "temperature": temperature,
                "seed": seed,
                "diverged": broken,
                "diverged_epoch": 3 if broken else np.nan,
                "stopped_early": False,
                "device": "cpu",
                "epochs_run": 3 if broken else 9,
                "best_epoch": 5,
                "data_origin": "a_test & more",
                "model": '{"variables": 10, "hidden": 300}',
                "training": '{"batch_size": 100, "learning_rate": 0.001, "annealing": null}',
                "law": f'{{"distribution": "{perturbation.capitalize()}", "loc": 0.0, "scale": 1.0}}',
                **{f"validation_{part}": np.nan if broken else loss for part in PARTS},
            }
        )
    return pd.DataFrame(rows)


def bounds_of(selection: pd.DataFrame) -> pd.DataFrame:
    """Make paper losses equal to the validation losses and bounds 1 and 2 nats below, and none for logistic noise."""
    bounds = selection.dropna(subset="temperature").copy()
    bounds["paper_loss"] = bounds["validation_loss"]
    bounds["negative_elbo"] = (bounds["paper_loss"] - 1).where(bounds["perturbation"] != "logistic")
    bounds["importance_weighted_bound"] = bounds["negative_elbo"] - 1
    return bounds


def summarized(runs: pd.DataFrame) -> pd.DataFrame:
    selection = select_temperatures(runs)
    return summarize_test_losses(selection, bounds_of(selection), {})


def test_the_lowest_validation_loss_is_selected():
    runs = runs_of({("normal", 0.1, 1): 3.0, ("normal", 0.5, 1): 1.0, ("normal", 1.0, 1): 2.0})
    runs["stopped_early"] = runs["temperature"] == 0.5
    (row,) = select_temperatures(runs).to_dict("records")
    assert (row["temperature"], row["validation_loss"], row["stopped_early"]) == (0.5, 1.0, True)
    assert not row["at_grid_edge"]


@pytest.mark.parametrize("best", [0.1, 1.0])
def test_a_selection_at_either_edge_of_the_grid_is_flagged(best):
    runs = runs_of({("normal", t, 1): 1.0 if t == best else 2.0 for t in (0.1, 0.5, 1.0)})
    assert select_temperatures(runs)["at_grid_edge"].tolist() == [True]


def test_diverged_runs_are_skipped_and_named():
    losses = {("normal", 0.1, 1): 0.0, ("normal", 0.5, 1): 2.0, ("normal", 1.0, 1): 1.0, ("gumbel", 0.1, 1): 0.0}
    runs = runs_of(losses, diverged=[("normal", 0.1, 1), ("gumbel", 0.1, 1)])
    selection = select_temperatures(runs)
    assert selection["temperature"].tolist()[0] == 1.0
    assert selection["diverged_runs"].tolist() == [1, 1]
    assert np.isnan(selection["temperature"][1])
    assert selected_cells(selection) == [Cell("digits", 10, "normal", 1.0, 1)]
    named = diverged_runs(runs)
    assert named[["perturbation", "temperature", "diverged_epoch"]].values.tolist() == [
        ["normal", 0.1, 3],
        ["gumbel", 0.1, 3],
    ]


def test_each_seed_selects_for_itself():
    losses = {("normal", 0.1, 1): 1.0, ("normal", 1.0, 1): 2.0, ("normal", 0.1, 2): 2.0, ("normal", 1.0, 2): 1.0}
    assert select_temperatures(runs_of(losses))["temperature"].tolist() == [0.1, 1.0]


def test_the_nearest_temperature_is_each_datasets_own_and_one_where_two_are_equally_near():
    table = pd.DataFrame({"dataset": ["a", "b", "a", "a", "b"], "temperature": [0.1, 0.1, 0.75, 1.25, 0.1]})
    table["epoch"] = range(5)
    assert at_nearest_temperature(table, 1.0)["epoch"].tolist() == [1, 2, 4]


def test_seeds_that_were_not_run_at_every_temperature_are_named():
    everywhere = {(law, t, s): 1.0 for law in ("gumbel", "normal") for t in (0.1, 0.5, 1.0) for s in (1, 2)}
    assert temperatures_in_words(runs_of(everywhere)) == "0.1, 0.5, 1.0"
    runs = runs_of(everywhere | {(law, t, 3): 1.0 for law in ("gumbel", "normal") for t in (0.1, 0.5)})
    in_words = "temperatures 0.1, 0.5, 1.0 (seed 1, 2) and 0.1, 0.5 (seed 3); seeds 1, 2, 3"
    assert any(note.endswith(in_words) for note in notes(summarized(runs), runs))
    runs = runs_of({**everywhere, ("normal", 0.1, 3): 1.0})
    assert temperatures_in_words(runs) == "0.1, 0.5, 1.0 (seed 1, 2) and 0.1 (perturbation normal; seed 3)"


@pytest.fixture
def table_and_notes():
    losses = {
        **{("gumbel", t, s): 20.0 + s + t for t in (0.1, 0.5, 1.0) for s in (1, 2)},
        **{("normal", t, s): 10.0 + 2 * s + abs(t - 0.5) for t in (0.1, 0.5, 1.0) for s in (1, 2)},
    }
    runs = runs_of(losses)
    table = summarized(runs)
    return table, notes(table, runs)


def test_the_table_has_mean_and_spread_over_seeds_and_marks_the_best(table_and_notes):
    table, _ = table_and_notes
    assert table["measure"].unique().tolist() == ["paper loss", "negative ELBO", "IWAE bound"]
    assert table.loc[table["perturbation"] == "normal", "mean"].tolist() == pytest.approx([13, 12, 11])
    gumbel, normal = table[table["measure"] == "paper loss"].to_dict("records")
    assert (gumbel["mean"], normal["mean"]) == pytest.approx((21.6, 13.0))
    assert (gumbel["sd"], normal["sd"]) == pytest.approx((np.sqrt(0.5), np.sqrt(2)))
    assert (gumbel["best"], normal["best"]) == (False, True)
    assert (gumbel["edge_selections"], normal["edge_selections"]) == (2, 0)
    assert (gumbel["late_selections"], normal["late_selections"]) == (0, 0)
    assert normal["seeds"] == 2


def test_markdown_and_latex_show_the_same_numbers(table_and_notes):
    table, table_notes = table_and_notes
    markdown, latex = to_markdown(table, table_notes), to_latex(table, table_notes)
    assert "**13.00 ± 1.41**" in markdown
    assert "21.60 ± 0.71†" in markdown
    assert r"\textbf{13.00 $\pm$ 1.41}" in latex
    assert r"21.60 $\pm$ 0.71$^\dagger$" in latex
    assert r"a\_test \& more" in latex
    assert "a_test & more" in markdown


def test_latex_escapes_what_notes_and_names_may_hold(table_and_notes):
    table, _ = table_and_notes
    latex = to_latex(table, ["training.annealing {'rate': 0.1}", "100% of my_$x^2~y.npz"])
    assert r"\footnotesize training.annealing \{'rate': 0.1\}\\" in latex
    assert r"100\% of my\_\$x\textasciicircum{}2\textasciitilde{}y.npz" in latex


def test_a_best_epoch_among_the_last_is_marked():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0})
    runs["epochs_run"] = 100
    runs["best_epoch"] = runs["perturbation"].map({"gumbel": 91, "normal": 90})
    table = summarized(runs)
    markdown, latex = (layout(table, notes(table, runs)) for layout in (to_markdown, to_latex))
    assert "2.00†§ " in markdown
    assert "**1.00**† " in markdown
    assert "more epochs may lower it" in markdown
    assert r"2.00$^\dagger$$^\S$" in latex
    assert r"$^\S$ the lowest" in latex


def test_a_best_epoch_among_the_last_is_not_marked_where_the_run_stopped_early():
    """It had its chance. A law of which every run diverged has neither."""
    runs = runs_of({("normal", 0.5, 1): 1.0, ("normal", 0.5, 2): 1.0, ("gumbel", 0.5, 1): 2.0}, [("gumbel", 0.5, 1)])
    table = summarized(runs.assign(epochs_run=100, best_epoch=99, stopped_early=runs["seed"] == 1))
    of_loss = table[table["measure"] == "paper loss"].set_index("perturbation")["late_selections"]
    assert of_loss.to_dict() == {"normal": 1, "gumbel": 0}


def test_one_seed_has_no_spread_and_the_notes_say_so():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0})
    table = summarized(runs)
    markdown = to_markdown(table, notes(table, runs))
    assert "±" not in markdown
    assert "no difference here is established" in markdown


def test_the_error_over_images_is_that_of_the_mean_over_seeds_of_the_selected_models():
    runs = runs_of({(law, t, s): t for law in ("gumbel", "normal") for t in (0.5, 1.0) for s in (1, 2)})
    selection = select_temperatures(runs)
    rng = np.random.default_rng(0)
    losses = {law: {s: rng.normal(size=(3, 50)) for s in (1, 2)} for law in ("gumbel", "normal")}
    per_image = {
        f"digits-K10-{law}-tau0.5-seed{s}": values for law, seeds in losses.items() for s, values in seeds.items()
    }
    table = summarize_test_losses(selection, bounds_of(selection), per_image)
    for row in table.to_dict("records"):
        measure = ["paper loss", "negative ELBO", "IWAE bound"].index(row["measure"])
        mean = sum(losses[row["perturbation"]].values())[measure] / 2
        assert row["image_se"] == pytest.approx(scipy.stats.sem(mean))


def test_bounds_of_another_model_are_not_taken_for_those_of_the_selected_one():
    selection = select_temperatures(runs_of({("normal", 0.5, 1): 1.0, ("normal", 1.0, 1): 2.0}))
    stale = bounds_of(selection).assign(temperature=1.0)
    with pytest.raises(InputError, match=r"K10/seed1 has no bounds of its selected model .*tau0.5-seed1.*remove"):
        summarize_test_losses(selection, stale, {})


def test_options_other_than_the_studys_are_named_below_the_table():
    runs = runs_of({("normal", 0.5, 1): 1.0})
    assert not any("not as in the study" in note for note in notes(summarized(runs), runs))
    runs["training"] = '{"batch_size": 100, "learning_rate": 0.001, "kl": "codes", "annealing": null}'
    assert "digits: not as in the study: training.kl codes (there softmax)" in notes(summarized(runs), runs)
    runs["law"] = '{"distribution": "Normal", "loc": 0, "scale": 3}'
    assert "(there softmax), normal noise {" in " ".join(notes(summarized(runs), runs))


def test_fewer_epochs_and_other_images_than_the_studys_are_named():
    options = '{"epochs": 120, "patience": 30}'
    runs = runs_of({("normal", 0.5, 1): 1.0}).assign(dataset="omniglot", data_origin="other drawings", training=options)
    departures = "images other than chardata.mat of the IWAE repository, 28x28, training.epochs 120 (there 300)"
    departures += ", training.patience 30 (there None)"
    assert f"omniglot: not as in the study: {departures}" in notes_on_runs(runs)
    resized = runs.assign(dataset="omniglot-resized")
    assert f"omniglot-resized: not as in the study: {departures}" in notes_on_runs(resized)


@pytest.mark.parametrize(("devices", "named"), [(["cpu", "cpu"], False), (["cpu", "cuda"], True)])
def test_the_precision_of_matrix_products_departs_from_the_study_where_a_run_was_on_a_gpu(devices, named):
    runs = runs_of({("normal", 0.5, 1): 1.0, ("normal", 0.5, 2): 1.0})
    runs = runs.assign(device=devices, training='{"matmul_precision": "high"}')
    assert ("matmul_precision high (there highest)" in " ".join(notes_on_runs(runs))) == named


def test_groups_that_are_left_out_are_named():
    runs = runs_of({("normal", 0.5, 1): 1.0})
    note = "left out, as they are not finished: digits/K5/seed2, digits/K5/seed3"
    assert note in notes(summarized(runs), runs, left_out=["digits/K5/seed2", "digits/K5/seed3"])
    assert not any("left out" in line for line in notes(summarized(runs), runs))


def test_what_was_run_is_stated_by_dataset():
    runs = runs_of({("normal", 0.5, 2): 1.0, ("normal", 1.0, 1): 1.0})
    runs = runs.assign(data_sha256="abc", evaluation="{}", torch="2", hardware="a CPU", git_revision=[None, "x"])
    runs = pd.concat(
        [runs.assign(epochs_run=[7, 9], python=["3.13", "3.12"]), runs.assign(dataset="mnist", python="3")]
    )
    table = describe_runs(runs).set_index("item")
    expected = {"runs": 2, "seeds": "1 / 2", "epochs": "7 to 9", "sum of the images": "abc", "Python": "3.12 / 3.13"}
    expected |= {"temperatures": "0.5 (seed 2) and 1.0 (seed 1)", "source revision": "x"}
    assert {item: table.loc[item, "digits"] for item in expected} == expected
    assert (table.loc["epochs", "mnist"], table.loc["Python", "mnist"]) == ("9", "3")


def test_the_studys_images_are_those_of_the_default_configuration():
    definitions = yaml.safe_load((ROOT / "config.yaml").read_text())["datasets"]
    origins = {name: origin_of(definitions[name]) for name in PAPER_IMAGES}
    assert origins == PAPER_IMAGES


def test_a_group_that_diverged_entirely_is_shown_as_such():
    runs = runs_of({("normal", 0.5, 1): 1.0, ("gumbel", 0.5, 1): 2.0}, diverged=[("gumbel", 0.5, 1)])
    table = summarized(runs)
    assert "diverged‡" in to_markdown(table, notes(table, runs))


def test_a_law_without_bounds_is_shown_as_such():
    table = summarized(runs := runs_of({("normal", 0.5, 1): 1.0, ("logistic", 0.5, 1): 2.0}))
    markdown = to_markdown(table, notes(table, runs))
    assert "none: no bound is computed for logistic" in markdown
    assert markdown.count("| none") == 2


def test_a_law_without_bounds_of_which_a_run_diverged_is_not_taken_for_diverged():
    losses = {("normal", t, s): 1.0 for t in (0.5, 1.0) for s in (1, 2)} | {
        ("logistic", t, s): 2.0 + t for t in (0.5, 1.0) for s in (1, 2)
    }
    runs = runs_of(losses, diverged=[("logistic", 0.5, 1)])
    table = summarized(runs)
    markdown = to_markdown(table, notes(table, runs))
    assert "| diverged" not in markdown
    assert markdown.count("| none") == 2
    assert "none: no bound is computed for logistic" in markdown
    assert "standard deviation over 2 seeds" in markdown, "whatever the measures that a law lacks"


def test_gathering_reads_every_run_back(tmp_path):
    paths = {}
    for i, temperature in enumerate((0.5, 1.0)):
        for kind in ("csv", "json"):
            paths.setdefault(kind, []).append(tmp_path / f"{i}.{kind}")
        history = pd.DataFrame({"epoch": [1, 2], "training_loss": [2.0, 1.0 + i], "temperature": [0.5, 0.4]})
        history.to_csv(paths["csv"][-1], index=False)
        nested = {key: {"x": 1} for key in ("law", "model", "training", "evaluation")}
        cell = Cell("d", 2, "normal", temperature, 1)
        paths["json"][-1].write_text(json.dumps({**cell.coordinates(), "diverged": False, **nested}))
    summaries = gather_summaries(paths["json"])
    assert summaries["temperature"].tolist() == [0.5, 1.0]
    assert summaries["law"].tolist() == ['{"x": 1}'] * 2
    histories = gather_histories(paths["csv"], summaries)
    assert histories["temperature"].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert histories["training_loss"].tolist() == [2.0, 1.0, 2.0, 2.0]


def test_bounds_of_several_groups_are_read_though_one_has_none(tmp_path):
    row = {"dataset": "d", "K": 2, "perturbation": "normal", "temperature": 0.5, "seed": 1}
    for name, rows in {"some": [row], "none": []}.items():
        pd.DataFrame(rows, columns=BOUNDS).to_csv(tmp_path / f"{name}.csv", index=False)
    bounds = read_bounds([str(tmp_path / "none.csv"), str(tmp_path / "some.csv")])
    assert Cell.of(bounds.iloc[0]) == Cell.of(row)
    assert (bounds["K"].dtype, bounds["paper_loss"].dtype) == (int, float)


def test_the_selected_models_are_those_of_the_runs_and_of_the_same_images():
    losses = {("normal", 0.5, 1): 2.0, ("normal", 1.0, 1): 1.0, ("gumbel", 0.5, 1): 1.0, ("logistic", 0.5, 1): 1.0}
    runs = runs_of(losses, diverged=[("logistic", 0.5, 1)]).assign(data_sha256="a")
    selection, files = select_temperatures(runs), ["n0.pt", "n1.pt", "g0.pt", "l0.pt"]
    models = selected_models(runs, selection, files, data_sha256="a")
    assert [(model.cell.temperature, model.law, model.variables, model.path) for model in models] == [
        (1.0, law_definitions(runs)["normal"], 10, "n1.pt"),
        (0.5, {"distribution": "Gumbel", "loc": 0.0, "scale": 1.0}, 10, "g0.pt"),
    ]
    with pytest.raises(InputError, match=r"digits.npz has the sum b, expected a as the images of the runs"):
        selected_models(runs, selection, files, data_sha256="b")
