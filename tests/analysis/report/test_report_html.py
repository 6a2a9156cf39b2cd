"""report.html: everything is in it, and nothing in it can do harm."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_kit import BUG, FIX, HOSTILE, run_folder, say_explored

from chunk7.analysis.report.html import render_html
from chunk7.analysis.report.page import make_page
from chunk7.analysis.report.pictures import Picture
from chunk7.analysis.report.thresholds import hold
from chunk7.analysis.study import open_study
from chunk7.analysis.thresholds import parse_threshold
from chunk7.wire.plan import Cell

VOID = {"meta", "link", "img", "input", "path", "wbr"}


class Reader(HTMLParser):
    """What a browser would see: elements with their attributes, texts, and what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.inside.setdefault(self.open[-1] if self.open else "", []).append(data)

    def attributes(self, *names: str) -> list[str]:
        return [attrs[n] or "" for _, attrs in self.elements for n in names if n in attrs]


def rendered(folder: Path, *thresholds: str) -> str:
    study = open_study(folder)
    held = hold([parse_threshold(text) for text in thresholds], study.summary.results)
    return render_html(make_page(study, held, PICTURES))


PICTURES = [Picture("drawn", "A title", "How to read it.", "What is shown", "svg", b"<svg/>")]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run that lost four chunks."""
    return rendered(say_explored(run_folder(tmp_path_factory.mktemp("html") / "run"), "lossless"))


def losses(text: str) -> dict[str, dict[str, list[object]]]:
    found = re.search(r'<script type="application/json" id="loss-data">(.*?)</script>', text)
    assert found
    document: dict[str, dict[str, list[object]]] = json.loads(found[1])
    return document


def test_every_element_is_closed_where_it_was_opened(text: str) -> None:
    assert Reader(text).open == []


def test_the_verdict_comes_first_then_the_cells_the_losses_and_how_it_was_made(text: str) -> None:
    sections = re.findall(r'<section id="(\w+)"', text)
    assert sections == ["cells", "comparisons", "figures", "losses", "prices", "making"]
    places = [text.index("</span>1 of 2 cells lost chunks</h1>"), text.index("This run is valid: ")]
    assert places[0] < places[1] < text.index('id="cells"')


def test_a_cell_has_its_sentence_and_what_is_proven_of_it(text: str) -> None:
    assert f"{BUG.name} loses: 4 of 4 connections lost 4 chunks" in text
    assert "<em>No interleaving of 3 chunks loses one.</em>" in text


def test_what_can_lose_has_a_mark_of_its_own_and_the_command_that_draws_how(
    tmp_path: Path,
) -> None:
    """The bug's ordering with save_then_publish used to have a tick on the first screen."""
    folder = say_explored(run_folder(tmp_path / "run"), "loses", "chunk7 explore <b>")
    text = rendered(folder)
    first = text[: text.index("<nav")]
    assert ">Lost none here, can lose</h2>" in first
    assert f'<span class="mark lucky" aria-hidden="true"></span>{FIX.name}' in first
    assert "<em><code>chunk7 explore &lt;b&gt;</code> draws how.</em>" in text


def test_a_cell_that_nobody_explored_says_so(tmp_path: Path) -> None:
    text = rendered(run_folder(tmp_path / "run"))
    assert "at most 79%, not explored" in text
    assert "Not explored: another interleaving may lose." in text


def test_validity_has_no_mark_and_the_headline_has_that_of_the_outcome(text: str) -> None:
    """A run that lost chunks used to open with a tick: the records were in order."""
    assert '<h1><span class="mark loses" aria-hidden="true"></span>1 of 2' in text
    assert "<p>This run is valid" in text


def test_every_lost_chunk_is_there_with_its_instants_and_cause(text: str) -> None:
    document = losses(text)
    columns, texts = document["columns"], document["texts"]
    assert texts["session_id"] == ["lossy"]
    assert [title for title, _ in document["causes"]] == ["handover gap", "save lag"]  # type: ignore[misc]
    assert columns["cause"] == [0, 1, 0, 1]
    assert columns["connection"] == ["1", "2", "3", "4"]
    assert columns["seq"] == [2, 2, 2, 2]
    assert columns["read"] == [41_000, 52_500, 41_000, 52_500]
    assert columns["subscribe_least"] == [58_000] * 4
    assert columns["subscribe_most"] == [62_000] * 4
    assert (columns["publish"], columns["save"]) == ([50_000] * 4, [55_000] * 4)


def test_the_page_asks_for_nothing(text: str) -> None:
    reader = Reader(text)
    addresses = reader.attributes("src", "href", "action", "data", "srcset")
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in text
    assert "url(" not in text


def test_the_policy_forbids_all_but_the_pages_own_script(text: str) -> None:
    [policy] = [p for p in Reader(text).attributes("content") if "default-src" in p]
    assert "default-src 'none'" in policy
    [script] = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    cells = (Cell(HOSTILE, "w<b>"), Cell("tame", HOSTILE))
    folder = run_folder(tmp_path / "run", cells=cells, session=HOSTILE, node=HOSTILE)
    text = rendered(folder, "chunks_lost==0")
    reader = Reader(text)
    assert reader.open == []
    assert [tag for tag, _ in reader.elements].count("script") == 2
    assert reader.attributes("onerror") == []
    assert losses(text)["texts"]["session_id"] == [HOSTILE]
    assert losses(text)["texts"]["node"] == [HOSTILE]


def test_a_control_character_of_a_name_is_spelled_out(tmp_path: Path) -> None:
    cells = (Cell("own\x1b[2J", "w\u202e"), FIX)
    text = rendered(run_folder(tmp_path / "run", cells=cells, session="s\x1b", node="n\x1b"))
    assert not set(text) & {"\x1b", "\u202e"}
    assert r"own\x1b[2J" in text


def test_a_run_that_is_not_valid_says_why_before_its_numbers(tmp_path: Path) -> None:
    text = rendered(run_folder(tmp_path / "run", killed=("node",)))
    reason = text.index("node was cut short: its records have no end")
    assert text.index("NOT VALID") < reason < text.index("Every cell of the run")
    assert "</span>Not valid: 1 of 2 cells lost chunks</h1>" in text


def test_nothing_is_good_news_in_a_run_that_is_not_valid(tmp_path: Path) -> None:
    valid, invalid = run_folder(tmp_path / "valid"), run_folder(tmp_path / "not", killed=("node",))
    assert 'class="mark keeps"' in rendered(valid)
    assert 'class="mark keeps"' not in rendered(invalid)


def test_a_run_without_losses_says_so(tmp_path: Path) -> None:
    text = rendered(run_folder(tmp_path / "run", cells=(FIX, FIX), lossy=0))
    assert "nobody connected for buffered_merge x atomic_lua" in text
    assert "cannot be judged" in text
    assert "<p>None.</p>" in text


def test_thresholds_are_shown_cell_by_cell(tmp_path: Path) -> None:
    text = rendered(run_folder(tmp_path / "run"), "chunks_lost==0", "absent: loss_rate<1")
    reader = Reader(text)
    words = " ".join("".join(reader.inside["td"]).split())
    assert "chunks_lost is 4 (chunks_lost==0)" in words
    assert "no such cell in this run" in words
    assert text.index('id="thresholds"') < text.index('id="cells"')


def test_a_threshold_that_held_and_is_not_proven_has_no_tick(tmp_path: Path) -> None:
    text = rendered(run_folder(tmp_path / "run"), f"{FIX.connect}: loss_rate<=0.001")
    mark = '<span class="mark lucky" aria-hidden="true"></span>'
    assert f"{mark}held, not proven" in text
    assert "3,838 connections without a loss would do" in text


def test_a_figure_is_in_the_page_and_says_in_words_what_it_shows(text: str) -> None:
    [picture] = [attrs for tag, attrs in Reader(text).elements if tag == "img"]
    assert picture["alt"] == "What is shown"
    assert picture["src"] == f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}"
    assert "How to read it." in text


def test_orderings_are_compared_under_the_same_seed(text: str) -> None:
    assert "Loss rates, every pair" in text


def test_without_common_joins_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert 'id="comparisons"' not in rendered(run_folder(tmp_path / "run", lossy=0))
