"""report.md: a table and its sentences, whatever the names are."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from report_kit import BUG, FIX, HOSTILE, run_folder, say_explored

from chunk7.analysis.report.markdown import escape, render_markdown
from chunk7.analysis.report.page import make_page
from chunk7.analysis.study import open_study
from chunk7.wire.plan import Cell


def lines(folder: Path) -> list[str]:
    return render_markdown(make_page(open_study(folder), [], [])).splitlines()


def test_it_opens_with_the_verdict_and_the_table_of_cells(tmp_path: Path) -> None:
    written = lines(run_folder(tmp_path / "run"))
    assert written[:5] == [
        "## chunk7: ❌ 1 of 2 cells lost chunks",
        "",
        "**This run is valid: every check of its records held.**",
        "",
        "2 cells · 5 connections · 20 chunks expected · 4 chunks lost · 0 duplicates · seed 7",
    ]
    table = [line for line in written[6:] if line.startswith("|")][:4]
    assert table[0].startswith("| cell | verdict | lossy connections | loss rate | chunks lost |")
    assert table[1].startswith("| --- | --- | ---: | ---: | ---: |")
    assert table[2].startswith(f"| {BUG.name} | ❌ loses | 4 of 4 | 100% (51% to 100%) | 4 |")
    assert table[3].startswith(f"| {FIX.name} | ✅ keeps all | 0 of 1 | 0% (0% to 79%) | 0 |")


def test_what_a_comment_has_no_room_for_is_folded(tmp_path: Path) -> None:
    written = lines(run_folder(tmp_path / "run"))
    folded = [line for line in written if line.startswith("<details>")]
    assert len(folded) == written.count("</details>") == 4


def test_a_run_that_is_not_valid_lists_its_reasons(tmp_path: Path) -> None:
    written = lines(run_folder(tmp_path / "run", killed=("node",)))
    assert written[2].startswith("❌ **This run is NOT VALID.")
    assert written[4] == "- node was cut short: its records have no end"


def test_no_name_breaks_a_table_or_becomes_markup(tmp_path: Path) -> None:
    cells = (Cell(HOSTILE, "line\nbreak"), FIX)
    written = lines(run_folder(tmp_path / "run", cells=cells))
    rows = [line for line in written if line.startswith("|")]
    heads = [row.replace(r"\|", "").count("|") for row in rows]
    assert heads[0] == heads[1] == heads[2] == heads[3]
    text = "\n".join(written)
    assert "<script" not in text
    assert "<img" not in text


def test_no_name_acts_on_the_terminal_that_shows_the_file(tmp_path: Path) -> None:
    """A raw ESC of an ordering's name was in it."""
    cells = (Cell("own\x1b[2J", "\x9bm\u202e"), FIX)
    text = "\n".join(lines(run_folder(tmp_path / "run", cells=cells)))
    assert not set(text) & {"\x1b", "\x9b", "\u202e"}
    assert r"\x1b" in text.replace("\\\\", "\\")


def test_what_can_lose_has_a_sign_of_its_own_and_a_command_is_code(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    written = lines(say_explored(folder, "loses", "chunk7 explore --connect 'a_*b.py':mine"))
    assert f"| {FIX.name} | ⚠️ lost none here, can lose | 0 of 1 |" in "\n".join(written)
    told = [line for line in written if line.endswith(" draws how.")]
    assert told[0].endswith(" `chunk7 explore --connect 'a_*b.py':mine` draws how.")
    hostile = lines(say_explored(folder, "loses", HOSTILE + "\n" + HOSTILE))
    assert "<img" not in "\n".join(hostile)


@given(st.text())
def test_an_escaped_text_is_one_line_without_bare_markup(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert "<" not in escaped
    bare = escaped.replace("\\\\", "").replace(r"\|", "").replace(r"\`", "")
    assert not set("|`") & set(bare)
