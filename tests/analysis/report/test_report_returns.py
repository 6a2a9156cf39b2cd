"""The report's table of users who came back."""

from pathlib import Path

from report_kit import run_folder

from chunk7.analysis.report.html import render_html
from chunk7.analysis.report.markdown import render_markdown
from chunk7.analysis.report.page import make_page
from chunk7.analysis.study import open_study
from tests.analysis.story import CELL, Story


def test_it_is_there_where_somebody_lost_a_connection(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.chunk(1, 30)
    story.chunk(2, 1_100)
    story.connection(1, [(31, 1), (1_300, 2)])
    story.join(1)
    story.returned(9, 1, 1_000, 1_300)
    page = make_page(open_study(story.end()), [], [])
    assert page.returns is not None
    [row] = page.returns.rows
    assert [shown.text for shown in row] == [
        CELL.connect, "1", "1", "0", "300", "300", "1", "1", "0", "0"
    ]  # fmt: skip
    assert "Users who came back" in render_html(page)
    assert "<summary>Users who lost their connection</summary>" in render_markdown(page)


def test_it_is_not_where_nobody_did(tmp_path: Path) -> None:
    page = make_page(open_study(run_folder(tmp_path / "run")), [], [])
    assert page.returns is None
    assert "Users who came back" not in render_html(page)
    assert "Users who lost their connection" not in render_markdown(page)
