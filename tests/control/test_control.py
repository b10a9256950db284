"""The effects of scale and shape against planted ones."""

import math

import numpy as np
import pandas as pd
import pytest
from discrete_vae.analysis.statistics import holm
from discrete_vae.control.comparison import (
    CONTROL_MEASURES,
    control_to_markdown,
    design,
    estimate_effects,
    losses_of_laws,
    notes_on_training_loss,
    with_design,
)

SWAPPED = math.sqrt(math.pi**2 / 6)
LAWS = {
    "gumbel": {"distribution": "Gumbel", "loc": 0, "scale": 1},
    "normal": {"distribution": "Normal", "loc": 0, "scale": 1},
    "narrow": {"distribution": "Gumbel", "loc": 0, "scale": 1 / SWAPPED},
    "wide": {"distribution": "Normal", "loc": 0, "scale": SWAPPED},
    "beta": {"distribution": "Beta", "concentration1": 1, "concentration0": 1},
    "logistic": {"distribution": "Logistic", "loc": 0, "scale": 1},
}
CORNERS = {"N1": "normal", "Nv": "wide", "G1": "narrow", "Gv": "gumbel"}


def planted(shape: float, variance: float, interaction: float, K: int = 10, noise: float = 0.01) -> pd.DataFrame:
    """Make losses of the four laws and another one, with planted effects and levels that the seeds share."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(5):
        level = rng.normal(100, 5)
        for corner, law in {**CORNERS, "other": "logistic"}.items():
            normal, wide = corner.startswith("N"), corner.endswith("v")
            effect = shape * normal + variance * wide + interaction * (normal == wide) / 2
            measures = dict.fromkeys(CONTROL_MEASURES, level + effect + rng.normal(0, noise))
            coordinates = {"dataset": "d", "K": K, "perturbation": law, "seed": seed}
            rows.append({**coordinates, **measures, "training_temperature": 1.0})
    return pd.DataFrame(rows)


def test_the_four_laws_are_known_by_their_definition():
    assert design(LAWS) == CORNERS
    assert design({f"my-{name}": law for name, law in LAWS.items()}) == {k: f"my-{law}" for k, law in CORNERS.items()}
    assert design({name: law for name, law in LAWS.items() if name != "wide"}) == {}
    assert design({**LAWS, "wide": {"distribution": "Normal", "loc": 0, "scale": 1.3}}) == {}


def test_the_four_laws_are_enough():
    losses = planted(-2, 1.5, 0.7)
    assert estimate_effects(losses.query("perturbation != 'logistic'"), LAWS).equals(estimate_effects(losses, LAWS))


def test_a_law_may_have_the_name_of_a_corner():
    another = planted(0, 0, 0).query("perturbation == 'logistic'").assign(perturbation="G1")
    losses = pd.concat([planted(-2, 1.5, 0.7), another])
    assert estimate_effects(losses, LAWS).equals(estimate_effects(planted(-2, 1.5, 0.7), LAWS))


@pytest.mark.parametrize(
    ("effects", "verdicts"),
    [
        ((0.0, 1.5, 0.0), ["open", "higher", "open"]),
        ((-2.0, 0.0, 0.0), ["lower", "open", "open"]),
        ((-2.0, 1.5, 0.7), ["lower", "higher", "higher"]),
    ],
)
def test_planted_effects_are_found(effects, verdicts):
    table = estimate_effects(pd.concat([planted(*effects), planted(*effects, K=30)]), LAWS)
    for _, of_measure in table.groupby(["K", "measure"]):
        assert of_measure["effect"].tolist() == ["shape", "variance", "interaction"]
        assert of_measure["difference"].tolist() == pytest.approx(effects, abs=0.03)
        assert of_measure["verdict"].tolist() == verdicts
        assert of_measure["p_holm"].tolist() == pytest.approx(holm(of_measure["p"]).tolist())
    markdown = control_to_markdown(table, temperature=1.0, notes=["what was run"])
    assert markdown.endswith("- what was run\n")
    assert f"| {table.loc[0, 'difference']:.2f} " in markdown


def test_the_effects_are_those_of_the_analysis_plan():
    """Written out for one seed."""
    losses = planted(1.0, 2.0, 3.0, noise=1.0).query("seed == 0")
    N1, Nv, G1, Gv = (losses.set_index("perturbation").loc[CORNERS[corner], "paper_loss"] for corner in CORNERS)
    shape, variance, interaction = estimate_effects(losses, LAWS)["difference"][:3]
    assert shape == pytest.approx((N1 + Nv - G1 - Gv) / 2)
    assert variance == pytest.approx((Nv + Gv - N1 - G1) / 2)
    assert interaction == pytest.approx((Nv - N1) - (Gv - G1))


def test_a_K_without_all_four_laws_is_left_out():
    losses = pd.concat([planted(1, 1, 1), planted(1, 1, 1, K=30).query("perturbation != 'wide'")])
    assert with_design(losses, LAWS)["K"].unique().tolist() == [10]
    assert estimate_effects(losses, LAWS)["K"].unique().tolist() == [10]


def test_without_the_design_nothing_is_estimated():
    losses = planted(1, 1, 1).query("perturbation != 'wide'")
    for laws in (LAWS, {"gumbel": LAWS["gumbel"]}):
        assert estimate_effects(losses, laws).empty
    assert "No comparison" in control_to_markdown(estimate_effects(losses, LAWS), temperature=1.0, notes=[])


def test_training_losses_are_those_of_the_last_epoch_at_the_temperature_nearest_to_the_wanted_one():
    """A run that diverged has none."""
    cell = {"dataset": "d", "K": 10, "seed": 1}
    losses = {("normal", 0.5): 8.0, ("normal", 0.9): 6.0, ("gumbel", 0.5): 4.0, ("gumbel", 0.9): None}
    runs = pd.DataFrame(
        {**cell, "perturbation": law, "temperature": temperature, "final_training_loss": loss}
        for (law, temperature), loss in losses.items()
    ).assign(stopped_early=lambda run: run["temperature"] == 0.5)
    selection = pd.DataFrame({**cell, "perturbation": law, "temperature": 0.5} for law in ("normal", "gumbel"))
    bounds = selection.assign(paper_loss=3.0, negative_elbo=1.0, importance_weighted_bound=2.0)
    losses = losses_of_laws(selection, bounds, runs, temperature=1.0)
    by_law = losses.set_index("perturbation")[list(CONTROL_MEASURES)]
    assert by_law.loc["normal"].tolist() == [3, 1, 2, 6]
    assert by_law.loc["gumbel"].tolist()[:3] == [3, 1, 2]
    assert np.isnan(by_law.loc["gumbel", "final_training_loss"])
    assert set(losses["training_temperature"]) == {0.9}
    assert notes_on_training_loss(runs, temperature=1.0) == []
    stopped = runs.assign(stopped_early=True)
    assert losses_of_laws(selection, bounds, stopped, temperature=1.0)["final_training_loss"].isna().all()
    (note,) = notes_on_training_loss(stopped, temperature=1.0)
    assert note.startswith("the training loss is not judged on d at K = 10: a run stopped early")
