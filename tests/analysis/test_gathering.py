"""The tables of a group that come from its runs."""

import json

import pandas as pd
import pytest
from discrete_vae.analysis.gathering import gather_group, gather_histories
from discrete_vae.errors import InputError
from discrete_vae.grid.cells import Cell
from discrete_vae.grid.groups import recorded_runs


def test_gathering_reads_every_run_back(tmp_path):
    cells = [Cell("d", 2, "normal", temperature, 1) for temperature in (0.5, 1.0)]
    folders = [tmp_path / cell.directory for cell in cells]
    for i, (cell, folder) in enumerate(zip(cells, folders, strict=True)):
        folder.mkdir(parents=True)
        history = pd.DataFrame({"epoch": [1, 2], "training_loss": [2.0, 1.0 + i], "temperature": [0.5, 0.4]})
        history.to_csv(folder / "history.csv", index=False)
        nested = {"law": {"x": 1}, "model": {}, "training": {}, "evaluation": {}}
        (folder / "summary.json").write_text(json.dumps({**cell.coordinates(), "diverged": False, **nested}))
    summaries = pd.DataFrame(recorded_runs(folders))
    assert summaries["temperature"].tolist() == [0.5, 1.0]
    assert summaries["law"].tolist() == ['{"x": 1}'] * 2
    histories = gather_histories(folders, summaries)
    assert histories["temperature"].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert histories["training_loss"].tolist() == [2.0, 1.0, 2.0, 2.0]
    for path in (folders[1] / "summary.json", folders[1] / "history.csv"):
        text = path.read_text()
        path.write_bytes(b"")
        with pytest.raises(InputError, match=rf"{path.name} is not readable .*; restore it, or remove its folder"):
            gather_histories(folders, pd.DataFrame(recorded_runs(folders)))
        path.write_text(text)
    first, second = (folder / "summary.json" for folder in folders)
    second.write_text(json.dumps(json.loads(second.read_text()) | {"training": {"batch_size": 50}}))
    with pytest.raises(InputError, match=r"d have training\.batch_size 100 .* and 50 "):
        gather_group(tmp_path, folders)
    assert not (tmp_path / "summaries.csv").exists()
    second.write_text(first.read_text())
    expected = (
        r"tau1.0/seed1/summary.json is of d-K2-normal-tau0.5-seed1, expected the cell of its folder; move the folder"
    )
    with pytest.raises(InputError, match=expected):
        recorded_runs(folders)
