"""The tables of a group that come from its runs."""

import json

import pandas as pd
import pytest
from discrete_vae.analysis.gathering import gather_group, gather_histories, gather_summaries
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell


def test_gathering_reads_every_run_back(tmp_path):
    paths = {"csv": [], "json": []}
    for i, temperature in enumerate((0.5, 1.0)):
        cell = Cell("d", 2, "normal", temperature, 1)
        (tmp_path / cell.directory).mkdir(parents=True)
        for kind, of_kind in paths.items():
            of_kind.append(tmp_path / cell.directory / f"run.{kind}")
        history = pd.DataFrame({"epoch": [1, 2], "training_loss": [2.0, 1.0 + i], "temperature": [0.5, 0.4]})
        history.to_csv(paths["csv"][-1], index=False)
        nested = {"law": {"x": 1}, "model": {}, "training": {}, "evaluation": {}}
        paths["json"][-1].write_text(json.dumps({**cell.coordinates(), "diverged": False, **nested}))
    summaries = gather_summaries(paths["json"])
    assert summaries["temperature"].tolist() == [0.5, 1.0]
    assert summaries["law"].tolist() == ['{"x": 1}'] * 2
    histories = gather_histories(paths["csv"], summaries)
    assert histories["temperature"].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert histories["training_loss"].tolist() == [2.0, 1.0, 2.0, 2.0]
    for path in (paths["json"][1], paths["csv"][1]):
        text = path.read_text()
        path.write_bytes(b"")
        with pytest.raises(InputError, match=rf"{path.name} is not readable .*; restore it, or remove its folder"):
            gather_histories(paths["csv"], gather_summaries(paths["json"]))
        path.write_text(text)
    other = json.loads(paths["json"][1].read_text()) | {"training": {"batch_size": 50}}
    paths["json"][1].write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"d have training\.batch_size 100 .* and 50 "):
        gather_group(tmp_path, summaries=paths["json"], histories=paths["csv"])
    assert not (tmp_path / "summaries.csv").exists()
    paths["json"][1].write_text(paths["json"][0].read_text())
    expected = r"tau1.0/seed1/run.json is of d-K2-normal-tau0.5-seed1, expected the cell of its folder; move the folder"
    with pytest.raises(InputError, match=expected):
        gather_summaries(paths["json"])
