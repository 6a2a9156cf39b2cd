"""junit.xml: what a CI system makes of a run."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from report_kit import BUG, FIX, HOSTILE, run_folder, say_explored

from chunk7.analysis.report.junit import render_junit
from chunk7.analysis.report.thresholds import hold
from chunk7.analysis.study import open_study
from chunk7.analysis.thresholds import parse_threshold
from chunk7.wire.plan import Cell


def suite_of(folder: Path, thresholds: Sequence[str] = ()) -> Xml.Element:
    study = open_study(folder)
    held = hold([parse_threshold(text) for text in thresholds], study.summary.results)
    root = Xml.fromstring(render_junit(study, held))  # noqa: S314 - our own
    assert root.tag == "testsuites"
    [suite] = root
    well_formed(suite)
    assert {k: v for k, v in root.attrib.items() if k != "name"} == {
        k: v for k, v in suite.attrib.items() if k != "name"
    }
    return suite


def well_formed(suite: Xml.Element) -> None:
    """The shape that readers of JUnit files rely on."""
    assert suite.tag == "testsuite"
    assert suite.attrib.keys() == {"name", "tests", "failures", "errors", "skipped", "time"}
    cases = suite.findall("testcase")
    assert [child.tag for child in suite] == ["properties", *("testcase" for _ in cases)]
    assert int(suite.attrib["tests"]) == len(cases)
    for outcome in ("failure", "error"):
        found = suite.findall(f"testcase/{outcome}")
        assert int(suite.attrib[f"{outcome}s"]) == len(found)
        assert all(element.attrib.keys() == {"message", "type"} for element in found)
    for case in cases:
        assert case.attrib.keys() == {"classname", "name", "time"}
        assert float(case.attrib["time"]) > 0
        assert len(case) <= 1


def outcomes(suite: Xml.Element) -> list[tuple[str, str]]:
    """(name, '' or TAG of TYPE) of each case."""
    return [
        (case.attrib["name"], " ".join(f"{e.tag} {e.attrib['type']}" for e in case if e.attrib))
        for case in suite.findall("testcase")
    ]


def test_a_cell_that_lost_chunks_is_a_failure_with_its_causes(tmp_path: Path) -> None:
    suite = suite_of(run_folder(tmp_path / "run"))
    assert outcomes(suite) == [(BUG.name, "failure lost"), (FIX.name, "")]
    message = suite.find("testcase/failure")
    assert message is not None
    assert "handover_gap 2, save_lag 2" in message.attrib["message"]


def test_a_cell_that_lost_none_passes_and_says_what_the_explorer_knows(tmp_path: Path) -> None:
    suite = suite_of(say_explored(run_folder(tmp_path / "run"), "loses"))
    assert outcomes(suite)[1] == (FIX.name, "")
    told = suite.findtext("testcase/system-out")
    assert told is not None
    assert told.startswith(f"{FIX.name} lost none here, can lose: 0 of 1 connections")
    assert told.endswith("`chunk7 explore` draws how.")


def test_thresholds_are_the_cases_when_there_are_any(tmp_path: Path) -> None:
    thresholds = [f"{FIX.connect}: chunks_lost==0", "chunks_lost<=3", "absent: loss_rate<1"]
    assert outcomes(suite_of(run_folder(tmp_path / "run"), thresholds)) == [
        (f"{FIX.connect}: chunks_lost==0 ({FIX.name})", ""),
        (f"chunks_lost<=3 ({BUG.name})", "failure crossed"),
        (f"chunks_lost<=3 ({FIX.name})", ""),
        ("absent: loss_rate<1", "error unknown"),
    ]


def test_nothing_passes_in_a_run_that_is_not_valid(tmp_path: Path) -> None:
    suite = suite_of(run_folder(tmp_path / "run", killed=("node",)))
    assert outcomes(suite) == [(BUG.name, "error invalid"), (FIX.name, "error invalid")]
    error = suite.find("testcase/error")
    assert error is not None
    assert "node was cut short" in error.attrib["message"]


def test_a_name_may_hold_what_xml_cannot(tmp_path: Path) -> None:
    cells = (Cell(f"{HOSTILE}\x07\x00", "w"), FIX)
    suite = suite_of(run_folder(tmp_path / "run", cells=cells))
    assert suite.findall("testcase")[0].attrib["name"] == f"{HOSTILE}\ufffd\ufffd x w"
