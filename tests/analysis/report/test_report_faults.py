"""What the report says of a run's faults: a table, the excuses, and a line each for a CI system."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from chunk7.analysis import tables
from chunk7.analysis.report.faults import fault_sentences, faults_table
from chunk7.analysis.report.html import render_html
from chunk7.analysis.report.junit import render_junit
from chunk7.analysis.report.markdown import render_markdown
from chunk7.analysis.report.page import make_page
from chunk7.analysis.report.pictures import pictures
from chunk7.analysis.report.tables import processes_table
from chunk7.analysis.study import Study, analyse
from tests.analysis.story import CELL, Story


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Node-2 is killed at 1,000 ms; of its two clients one is back at 1,301, one never is."""
    story = Story(tmp_path / "run")
    for seq, at_ms in enumerate((500, 1_100, 1_200, 1_300, 3_000), 1):
        story.chunk(seq, at_ms)
    cut = {"by_server": True, "close_code": 1006, "leave_ms": 4_500}
    story.connection(1, [(501, 1), (1_301, 2), (1_301, 3), (1_301, 4), (3_001, 5)])
    story.connection(2, [(501, 1)], closed_ns=2_000_000_000, **cut)
    for number in (1, 2):
        story.join(number, process="node-2")
    story.healthy("producer", "locust")
    story.planned_death("node-2", 1_000)
    story.fault("node_kill node-2", 1_000, 1_400)
    return analyse(story.end("node-2"))


def test_a_run_without_faults_has_no_table_of_them(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, [(11, 1)])
    study = analyse(story.end())
    assert faults_table(study.summary) is None
    assert fault_sentences(study.summary) == {}
    page = make_page(study, [], [])
    assert "each fault" not in render_markdown(page)
    assert 'id="faults"' not in render_html(page)
    assert "faults" not in [picture.name for picture in pictures(study)]


def test_a_strike_is_a_row_with_its_recovery_and_what_was_lost(study: Study) -> None:
    table = faults_table(study.summary)
    assert table is not None
    [row] = table.rows
    assert len(row) == len(table.columns)
    assert [(field.text, field.note) for field in row] == [
        ("node_kill", "node-2"),
        (CELL.connect, f"x {CELL.write}"),
        ("1.00", "1.00 of the run"),
        ("0.40", ""),
        ("2", "of 2"),
        ("301", ""),
        ("301", ""),
        ("1", ""),
        ("3", "outside 1 of 4"),
        ("0", "outside 0 of 4"),
        ("0", "outside 0 of 4"),
        ("node gone 3", ""),
    ]


def test_a_ci_system_is_told_of_faults_and_excuses(study: Study) -> None:
    properties = {
        found.get("name"): found.get("value")
        for found in Xml.fromstring(render_junit(study, [])).iter("property")  # noqa: S314
    }
    assert properties["fault.1"] == (
        f"node_kill node-2 at 1.00 s of {CELL.name}: 2 of 2 visits interrupted, back after 301 ms, "
        "1 not back; 3 chunks lost (node gone 3), 0 undetermined"
    )
    assert properties["excused.1"] == "node-2 was cut short: its records have no end"


def test_page_and_comment_have_the_faults_and_what_they_excuse(study: Study) -> None:
    page = make_page(study, [], pictures(study))
    assert "faults" in [picture.name for picture in page.pictures]
    html, text = render_html(page), render_markdown(page)
    for shown in (html, text):
        assert "Excused by its faults" in shown
        assert "node-2 was cut short: its records have no end" in shown
        assert "What each fault did" in shown
    assert '<a href="#faults">' in html
    assert "This run is valid" in html


def test_who_was_killed_on_purpose_is_no_bad_news(study: Study) -> None:
    rows = {row[0].text: (row[1].text, row[1].mark) for row in processes_table(study).rows}
    assert rows["node-2"] == ("killed on purpose", "")
    assert rows["producer"] == ("complete", "")


def test_the_spans_of_faults_end_with_the_records_if_they_have_no_end(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 0)
    story.connection(1, [(1, 1)], leave_ms=2_000)
    story.fault("store_pause store", 500, 700)
    story.fault("network_cut node-1", 1_000, None)
    found = tables.fault_spans(analyse(story.end()))
    assert found.to_dict("records") == [
        {"name": "store_pause", "target": "store", "offset_ms": 500.0, "began_s": 0.5,
         "ended_s": 0.7},
        {"name": "network_cut", "target": "node-1", "offset_ms": 1_000.0, "began_s": 1.0,
         "ended_s": 2.0},
    ]  # fmt: skip


def test_what_never_came_is_binned_by_when_it_was_published(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    for seq, at_ms, done in ((1, 0, True), (2, 900, True), (3, 1_900, False), (4, 2_000, True)):
        story.chunk(seq, at_ms, **({} if done else {"publish_done_ns": None}))
    story.connection(1, [(1, 1), (2_001, 4)])
    table = tables.missing_over_time(analyse(story.end()), bins=2)
    assert table.to_dict("list") == {
        "at_s": [0.5, 1.5], "width_s": [1.0, 1.0], "lost": [1, 0], "undetermined": [0, 1],
    }  # fmt: skip
