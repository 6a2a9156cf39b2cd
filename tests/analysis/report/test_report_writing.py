"""The files of a report: whole, in place of earlier ones, and nothing else touched."""

from pathlib import Path

import pytest
from report_kit import run_folder

from chunk7.analysis.report import write_report
from chunk7.analysis.study import open_study
from chunk7.delivery.errors import UsageError


def test_the_report_is_these_files_and_no_others(tmp_path: Path) -> None:
    study = open_study(run_folder(tmp_path / "run"))
    report = write_report(study, tmp_path / "out")
    files = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {report.html, report.markdown, report.junit, *report.figures}
    assert all(path.stat().st_size for path in files)


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    (folder / "report.html").write_text("old")
    report = write_report(open_study(folder), folder)
    assert report.html.read_text().startswith("<!doctype html>")
    assert report.html == folder / "report.html"
    assert {path.stem for path in report.figures} >= {"loss_rate", "windows", "predicted", "prices"}
    assert report.html.read_text().count("<img") == len(report.figures)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    study = open_study(run_folder(tmp_path / "run"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=f"{tmp_path}/file"):
        write_report(study, tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""
