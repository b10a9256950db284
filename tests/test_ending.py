"""What is said at the end of a run."""

from pathlib import Path

from discrete_vae.ending import OFFLINE, explain, point_to_results


def test_a_stopped_run_is_told_to_continue_and_no_job_of_it_has_failed():
    for said in ("Terminating processes on user request, this", "Will exit after finishing currently running jobs"):
        assert explain(f"a\n{said}\n", [("train_cells", "a.log")]) == ["stopped; the same command continues"]


def test_each_failed_job_has_a_line_with_its_log_and_advice_comes_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abt":
        Path(f"{name}.log").write_text(f"ERROR: {name} could not be downloaded")
    failed = [("train_cells", "t.log"), ("download_source", "b.log"), ("download_source", "a.log")]
    assert explain("", failed) == [
        OFFLINE,
        "failed: download_source, see a.log",
        "failed: download_source, see b.log",
        "failed: train_cells, see t.log",
    ]
    assert explain("", failed[:1]) == ["failed: train_cells, see t.log"]
    Path("a.log").write_text("ERROR: a has the checksum")
    assert explain("", failed[2:]) == ["failed: download_source, see a.log"]


def test_a_run_ends_with_what_to_look_at_first(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/results.md").touch()
    assert point_to_results(tmp_path) == [f"see {tmp_path}/tables/results.md"]
