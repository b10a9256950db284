"""The forest plot shows every difference with its interval, in the colour of its verdict."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from discrete_vae.report.forest import FROM_HERE, VERDICTS, draw_claims
from discrete_vae.report.style import PAGE_WIDTH, looks, save
from matplotlib.colors import to_rgb
from planted import curves, judged, judged_curves, selected

LAWS = {"gumbel": 1.0, "normal": 0.0, "logistic": 2.0}


def labels(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def points(ax) -> list[tuple[float, float, str]]:
    """Return place, line and colour of each marker."""
    lines = [line for line in ax.lines if line.get_marker() != "None" and len(line.get_xdata()) == 1]
    return [(*line.get_xydata()[0], line.get_color()) for line in lines]


def test_every_difference_has_its_place_interval_and_colour():
    tests = judged(*selected(LAWS))
    figure = draw_claims(pd.concat([tests, judged_curves(curves(2.0))]))
    titles = ["paper loss", "negative ELBO", "IWAE bound", "final", "mean over epochs", "epochs to Gumbel's\nfinal"]
    assert [ax.get_title() for ax in figure.axes] == [*titles, *titles[3:5], "epochs to Gumbel's\nlowest"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["nats"] * 5 + ["epochs"] + ["nats"] * 2 + ["epochs"]
    names = ["claim 1: test loss", "claim 2: training loss", "claim 2 of the validation loss"]
    assert [part.get_suptitle() for part in figure.subfigs] == names
    for ax, (_, compared) in zip(figure.axes, tests.groupby("measure", sort=False), strict=False):
        assert [place for place, _, _ in points(ax)] == compared["difference"].tolist()
        assert [line for _, line, _ in points(ax)] == [0, 1]
        assert [colour for *_, colour in points(ax)] == [VERDICTS[verdict][0] for verdict in compared["verdict"]]
        intervals = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"]
        assert set(zip(compared["low"], compared["high"], strict=True)) <= set(intervals)
    assert labels(figure.axes[0]) == ["mnist, $K$ = 10, 5 seeds: Gumbel", "Logistic"]
    assert labels(figure.axes[3]) == ["omniglot, $K$ = 10, 5 seeds: Gumbel"]


def test_cases_of_several_laws_stand_apart():
    figure = draw_claims(pd.concat([judged(*selected(LAWS, K=K)) for K in (10, 30)]))
    cases = [f"mnist, $K$ = {K}, 5 seeds: Gumbel" for K in (10, 30)]
    assert labels(figure.axes[0]) == [cases[0], "Logistic", cases[1], "Logistic"]
    assert figure.axes[0].get_yticks().tolist() == [0, 1, 2.5, 3.5]
    assert [line for _, line, _ in points(figure.axes[0])] == [0, 1, 2.5, 3.5]


def test_studies_are_named_only_where_they_share_a_dataset_and_k():
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0}))
    shared = draw_claims(pd.concat([table.assign(study="one"), table.assign(study="two", difference=5.0)]))
    assert labels(shared.axes[0]) == [f"{study}: mnist, $K$ = 10, 5 seeds: Gumbel" for study in ("one", "two")]
    assert [place for place, *_ in points(shared.axes[0])] == [table["difference"].iloc[0], 5.0]
    assert labels(draw_claims(table.assign(study="one")).axes[0]) == ["mnist, $K$ = 10, 5 seeds: Gumbel"]


def test_a_goal_that_is_not_reached_is_an_arrow():
    table = judged_curves(curves(0.5).query("epoch <= 40"))
    table.loc[table["measure"] == "training loss: final", "not_reached"] = 1.0
    final = draw_claims(table).axes[0]
    arrows = [line.get_xdata()[0] for line in final.lines if line.get_marker() is FROM_HERE]
    low, high = final.get_xlim()
    assert arrows
    assert low < 0 < high
    assert max(arrows) < high - 0.1 * (high - low), "with room for their heads"


def test_the_legend_explains_what_is_drawn_and_nothing_else():
    def others(table):
        texts = [text.get_text() for text in draw_claims(table).legends[0].get_texts()]
        explained = {text for *_, text in VERDICTS.values()}
        assert len(texts) == len(VERDICTS) * (1 if set(texts) == explained else 2)
        return set(texts) - explained - {""}

    assert others(judged(*selected(LAWS))) == {"within 1 nat of zero"}
    assert others(judged(*selected(LAWS, seeds=(1,)))) == {"within 1 nat of zero", "no interval: one seed"}
    assert others(judged_curves(curves(2.0)).assign(not_reached=0)) == set()
    assert others(judged_curves(curves(2.0)).assign(not_reached=1)) == {"lower bound: not reached"}


@pytest.mark.parametrize("seeds", [(), (1,)])
def test_without_intervals_or_comparisons_the_figure_is_drawn(tmp_path, seeds):
    table = judged(*selected({"gumbel": 1.0, "normal": 0.0} if seeds else {"gumbel": 1.0}, seeds=seeds or (1,)))
    figure = draw_claims(table)
    save(figure, [str(tmp_path / "claims.pdf")])
    if seeds:
        assert {colour for *_, colour in points(figure.axes[0])} == {VERDICTS["open"][0]}
    else:
        assert [text.get_text() for text in figure.texts] == ["No comparison"]


def test_verdicts_have_colours_of_their_own_and_none_of_a_noise_law():
    laws = {look.colour for look in looks(map(str, range(10)), []).values()}
    verdicts = {to_rgb(colour) for colour, *_ in VERDICTS.values()}
    assert len(verdicts) == 4
    assert not verdicts & laws


def test_models_selected_by_the_negative_elbo_have_one_panel_as_wide_as_those_above():
    selection, bounds = selected(LAWS)
    figure = draw_claims(judged(selection, bounds, by_elbo=selection))
    figure.draw_without_rendering()
    above, alone = figure.axes[:3], figure.axes[3]
    assert alone.get_title() == "negative ELBO,\nselected by it"
    assert alone.get_window_extent().width == pytest.approx(above[0].get_window_extent().width, rel=0.05)
    assert [ax.axison for ax in figure.axes[3:]] == [True, False, False]


@pytest.mark.parametrize(("seeds", "interim"), [((1, 2, 3, 4, 5), True), ((1, 2, 3, 4, 5, 6), False)])
def test_the_title_says_which_side_is_better_and_whether_the_verdicts_are_interim(seeds, interim):
    title = draw_claims(judged(*selected(LAWS, seeds=seeds))).get_suptitle()
    assert "left of zero, Normal noise is lower" in title
    assert ("interim: fewer than 6 seeds" in title) == interim


def test_no_figure_is_wider_than_the_page(tmp_path):
    table = pd.concat([judged(*selected(LAWS)), judged_curves(curves(2.0)).assign(not_reached=1)])
    save(draw_claims(table), [str(tmp_path / "claims.png")])
    assert plt.imread(tmp_path / "claims.png").shape[1] <= 300 * PAGE_WIDTH
