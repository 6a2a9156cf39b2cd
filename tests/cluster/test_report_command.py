"""`chunk7 report`: a run folder in; files, their paths and the run's exit code out."""

import json
from pathlib import Path

import msgspec
import pytest
from report_kit import BUG, run_folder

from chunk7.analysis.manifest import read_manifest, write_manifest
from chunk7.analysis.results import Summary
from chunk7.analysis.study import open_study
from chunk7.analysis.thresholds import parse_threshold
from chunk7.cli import main
from chunk7.cluster.jobs import report as cluster_report
from chunk7.cluster.jobs.run import RunOutcome

NAMES = {"report.html", "report.md", "junit.xml", "figures"}


def refused(capsys: pytest.CaptureFixture[str], line: str, *words: object) -> None:
    """One line on stderr that says so, and exit code 2."""
    assert main(["report", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert line in said.err


def test_it_writes_into_the_run_folder_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "run")
    assert main(["report", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 2 cells lost chunks."
    assert lines[2:5] == [str(folder / name) for name in ("report.html", "report.md", "junit.xml")]
    assert all(Path(line).exists() for line in lines[2:])
    text = (folder / "report.html").read_text()
    assert "No interleaving of 3 chunks loses one." in text  # what the explorer knows of the fix


def test_out_leaves_the_run_folder_as_it_was_and_json_is_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = run_folder(tmp_path / "run"), tmp_path / "new" / "out"
    words = ["--json", "--out", str(out), "--threshold", "chunks_lost==0"]
    assert main(["report", str(folder), *words]) == 99
    said = capsys.readouterr()
    assert f"threshold crossed: {BUG.name}: chunks_lost is 4" in said.err
    document = json.loads(said.out)
    assert (document["schema"], document["valid"], document["invalid_because"]) == (1, True, [])
    assert document["html"] == str(out / "report.html")
    assert {path.name for path in out.iterdir()} == NAMES
    assert not NAMES & {path.name for path in folder.iterdir()}


def test_a_run_that_is_not_valid_ends_in_98_whatever_its_thresholds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "run", killed=("node",))
    assert main(["report", str(folder), "--threshold", "chunks_lost==0"]) == 98
    assert "NOT VALID: node was cut short" in capsys.readouterr().out


def test_the_thresholds_of_the_run_hold_unless_others_are_given(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    extra = {"settings": {"thresholds": ["chunks_lost==0"]}}
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), extra=extra))
    study, other = cluster_report.open_run(folder), parse_threshold("loss_rate<1")
    assert [t.text for t in cluster_report.thresholds_of(study, ())] == ["chunks_lost==0"]
    assert cluster_report.thresholds_of(study, (other,)) == (other,)


def test_what_is_no_run_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, f"{tmp_path}/none is no run folder", tmp_path / "none")
    (tmp_path / "manifest.json").write_text("{}")
    refused(capsys, f"{tmp_path}/manifest.json: not a manifest", tmp_path)
    folder = run_folder(tmp_path / "run")
    damaged = folder / "raw" / "node.joins.arrows"
    damaged.write_bytes(b"not arrow at all, whatever its name says")
    refused(capsys, str(damaged), folder)
    refused(capsys, "threshold 'loss'", folder, "--threshold", "loss")
    assert not NAMES & {path.name for path in folder.iterdir()}


def test_a_report_that_fails_at_a_runs_end_is_said_and_hides_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = Summary(
        valid=False, invalid_because=["x.arrows: cut"], seed=7, run_dir="", results=[]
    )
    assert cluster_report.report_of_run(RunOutcome(tmp_path, damaged, None, None), ()) is None
    assert capsys.readouterr().err == "chunk7 run: no report: x.arrows: cut\n"

    def broken(*_: object) -> None:
        raise ValueError("out of ink")

    monkeypatch.setattr(cluster_report, "make_report", broken)
    folder = run_folder(tmp_path / "run")
    (folder / "logs").mkdir()
    study = open_study(folder)
    outcome = RunOutcome(folder, study.summary, study, None)
    assert cluster_report.report_of_run(outcome, ()) is None
    said = capsys.readouterr().err
    assert "no report: unexpected ValueError: out of ink; its trace is in " in said
    assert "out of ink" in (folder / "logs" / "chunk7.log").read_text()
