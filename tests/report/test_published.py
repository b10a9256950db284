"""What the published studies show together."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from discrete_vae.analysis.claims import add_verdicts
from discrete_vae.errors import InputError
from discrete_vae.report import style
from discrete_vae.report.published import draw_published, main
from planted import judged, selected
from test_forest import LAWS, labels


def publish(folder: Path, studies: dict[str, pd.DataFrame]) -> list[Path]:
    """Write the comparisons of some studies, and draw them together; return the tables."""
    paths = [folder / f"{study}/tables/claims.csv" for study in studies]
    for path, comparisons in zip(paths, studies.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        comparisons.to_csv(path, index=False)
    draw_published(str(folder), *map(str, paths))
    return paths


def test_the_published_figure_has_the_papers_claims_of_all_studies(tmp_path, monkeypatch):
    """Without a study that compares nothing, and without comparisons beyond the paper, as with another noise law."""
    laws_of = {"first": {**LAWS, "laplace": 3.0}, "second": LAWS, "third": {"gumbel": 1.0}}
    datasets, drawn, save_plainly = ("mnist", "omniglot", "omniglot"), [], style.save
    monkeypatch.setattr(style, "save", lambda figure, paths: drawn.append(figure) or save_plainly(figure, paths))
    tables = publish(
        tmp_path,
        {
            study: judged(*selected(laws, dataset=dataset))
            for (study, laws), dataset in zip(laws_of.items(), datasets, strict=True)
        },
    )
    assert len(pd.read_csv(tables[0])["claim"].unique()) == 2
    assert (tmp_path / "claims.png").stat().st_size > 10_000
    (figure,) = drawn
    assert [part.get_suptitle() for part in figure.subfigs] == ["claim 1: test loss"]
    cases = [f"{dataset}, $K$ = 10, 5 seeds: Gumbel" for dataset in ("mnist", "omniglot")]
    assert labels(figure.axes[0]) == [cases[0], "Logistic", cases[1], "Logistic"]


def test_without_a_table_there_is_one_line(tmp_path, monkeypatch):
    """As in a fork without the published studies."""
    monkeypatch.setattr(sys, "argv", ["published", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^ERROR: no study has tables/claims.csv, expected those of the published"):
        main()
    assert list(tmp_path.iterdir()) == []


def verdicts_of(folder: Path, *studies: pd.DataFrame) -> dict[str, str]:
    """Publish some studies, named by their numbers; return the verdict on claim 1 by measure."""
    publish(folder, {str(number): study for number, study in enumerate(studies)})
    verdicts = pd.read_csv(folder / "verdicts.csv", dtype={"claim": str})
    return verdicts.set_index("measure")["verdict"].to_dict()


def test_claim_1_is_judged_over_all_studies(tmp_path):
    """By the negative ELBO the planted effects are the other way."""
    studies = [judged(*selected(LAWS, dataset=dataset)) for dataset in ("mnist", "fashion-mnist")]
    verdicts = verdicts_of(tmp_path, *studies)
    assert verdicts["paper loss"] == "supported in 2 of 2 run, of 9 (interim: 5 of 6 seeds)"
    assert verdicts["negative ELBO"] == "contradicted in 2 of 2 run, of 9 (interim: 5 of 6 seeds)"


def test_p_values_are_adjusted_over_all_studies(tmp_path):
    """0.03 is small enough for one comparison, and too large for one of two."""
    none = {"gumbel": 0.0, "normal": 0.0}
    higher, another = (judged(*selected(none, dataset=name)) for name in ("mnist", "fashion-mnist"))
    higher, another = add_verdicts(higher.assign(p=0.03, difference=1.0)), add_verdicts(another.assign(p=0.5))
    assert verdicts_of(tmp_path, higher)["paper loss"].startswith("contradicted in 1 of 1 run")
    assert verdicts_of(tmp_path, higher, another)["paper loss"].startswith("supported in 0 of 2 run")


def test_resized_omniglot_counts_only_at_the_K_where_no_study_has_omniglot(tmp_path):
    def of(dataset, *K):
        return pd.concat([judged(*selected(LAWS, dataset=dataset, K=k)) for k in K])

    resized, own = of("omniglot-resized", 10, 30), of("omniglot", 10)
    assert verdicts_of(tmp_path, resized)["paper loss"].startswith("supported in 2 of 2 run")
    assert verdicts_of(tmp_path, resized, own)["paper loss"].startswith("supported in 2 of 2 run")
    where = pd.read_csv(tmp_path / "verdicts.csv")["where"].unique()
    assert where.tolist() == ["omniglot-resized 30; omniglot 10"]


def test_two_studies_of_one_claim_dataset_and_K_are_refused(tmp_path):
    """Also with other laws: the verdict there would be of neither study."""
    one, another = (judged(*selected(laws)) for laws in (LAWS, {"gumbel": 1.0, "normal": 0.0}))
    with pytest.raises(InputError, match=r"the studies 0 and 1 both have claim 1 on mnist at K = 10, expected one"):
        verdicts_of(tmp_path, one, another)
    assert not list(tmp_path.glob("*.*")), "nothing is written"
