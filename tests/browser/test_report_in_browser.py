"""report.html as a reader has it: opened from disk, clicked, searched, without a network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from report_kit import BUG, FIX, HOSTILE, run_folder

from chunk7.analysis.report.html import render_html
from chunk7.analysis.report.page import make_page
from chunk7.analysis.report.pictures import Picture
from chunk7.analysis.study import open_study
from chunk7.wire.plan import Cell

pytestmark = pytest.mark.browser

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
PICTURES = [Picture("drawn", "A title", "How to read it.", "What is shown", "svg", SVG)]


@dataclass
class Opened:
    """A page, and what it complained of or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that lost 60 chunks: more than are listed at once."""
    return written(run_folder(tmp_path_factory.mktemp("report") / "run", lossy=60))


def written(folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(render_html(make_page(open_study(folder), [], PICTURES)))
    return path


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Opens a file and notes every complaint and every request but those within the page."""
    contexts = []

    def visit(path: Path, **settings: bool) -> Opened:
        context = chromium.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on("console", lambda message: seen.complaints.append(message.text))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.goto(path.as_uri())
        return seen

    yield visit
    for context in contexts:
        context.close()


def test_it_opens_from_disk_without_a_complaint_or_a_request(report: Path, opened: Open) -> None:
    seen = opened(report)
    expect(seen.page.locator("h1")).to_have_text("1 of 2 cells lost chunks")
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [report.as_uri()]


def test_its_figures_are_really_drawn(report: Path, opened: Open) -> None:
    picture = opened(report).page.get_by_alt_text("What is shown")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    expect(picture).to_have_js_property("naturalWidth", 9)


def test_a_click_on_a_heading_sorts_and_another_turns_the_order(report: Path, opened: Open) -> None:
    page = opened(report).page
    table = page.locator("#cells table").first
    heading = table.get_by_role("columnheader", name="chunks lost")
    names = table.locator("tbody th")
    bug, fix = (f"{cell.connect}x {cell.write}" for cell in (BUG, FIX))
    expect(names).to_have_text([bug, fix])
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(names).to_have_text([bug, fix])
    heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(names).to_have_text([fix, bug])
    by_name = table.get_by_role("columnheader", name="cell")
    by_name.get_by_role("button").click()
    expect(by_name).to_have_attribute("aria-sort", "ascending")
    expect(heading).not_to_have_attribute("aria-sort", "ascending")
    expect(names).to_have_text([fix, bug])


def test_a_lost_chunk_unfolds_to_its_cause_and_timeline(report: Path, opened: Open) -> None:
    seen = opened(report)
    loss = seen.page.locator("#loss-rows details").first
    expect(loss.locator(".body")).to_have_count(0)
    loss.locator("summary").click()
    expect(loss.locator(".body > p").first).to_have_text(
        "handover gap: published after the node had read the history and before its subscription "
        "took effect: too late for the one, too early for the other. Published 9.000 ms after the "
        "history was read and 10.000 ms before the subscription took effect. Saved 14.000 ms after "
        "the history was read."
    )
    drawing = loss.get_by_role("img")
    expect(drawing).to_be_visible()
    for label in ("T1 history read 41.00", "T2 published 50.00", "T3 saved 55.00",
                  "T4 subscribed 60.00", "client opens 0.00"):  # fmt: skip
        expect(drawing.get_by_text(label, exact=True)).to_be_visible()
    expect(loss.get_by_role("row", name="41.000 ± 1.000 T1 history read")).to_be_visible()
    expect(loss.get_by_text("ended with chunk 1")).to_be_visible()
    assert seen.complaints == []


def test_losses_are_filtered_searched_and_paged(report: Path, opened: Open) -> None:
    page = opened(report).page
    rows, count = page.locator("#loss-rows li"), page.locator("#loss-count")
    expect(count).to_have_text("60 of 60 lost chunks; 1 to 50 shown")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(count).to_have_text("60 of 60 lost chunks; 51 to 60 shown")
    expect(rows).to_have_count(10)
    page.get_by_label("Cause").select_option("save lag")
    expect(count).to_have_text("30 of 60 lost chunks; 1 to 30 shown")
    page.get_by_label("Search").fill("connection 4 chunk 2")
    expect(count).to_have_text("1 of 60 lost chunks; 1 to 1 shown")
    page.get_by_label("Search").fill("nothing like it")
    expect(count).to_have_text("No lost chunk fits.")
    expect(rows).to_have_count(0)


def test_without_scripts_the_first_losses_unfold_all_the_same(report: Path, opened: Open) -> None:
    page = opened(report, java_script_enabled=False).page
    loss = page.locator("details.loss").first
    loss.locator("summary").click()
    expect(loss.get_by_text("the store executes the node's read of the history")).to_be_visible()
    expect(page.locator("#loss-list")).to_be_hidden()


def test_a_run_that_is_not_valid_says_why_at_the_top(tmp_path: Path, opened: Open) -> None:
    page = opened(written(run_folder(tmp_path / "run", killed=("node",)))).page
    verdict = page.locator(".verdict")
    expect(verdict).to_be_in_viewport()
    expect(verdict).to_contain_text("NOT VALID")
    expect(verdict).to_contain_text("node was cut short: its records have no end")


def test_hostile_names_do_not_run(tmp_path: Path, opened: Open) -> None:
    cells = (Cell(HOSTILE, HOSTILE), FIX)
    seen = opened(written(run_folder(tmp_path / "run", 1, cells, session=HOSTILE, node=HOSTILE)))
    seen.page.locator("#loss-rows summary").click()
    expect(seen.page.locator("#loss-rows .which")).to_contain_text(HOSTILE)
    expect(seen.page.locator("#loss-rows .body")).to_contain_text(HOSTILE)
    assert seen.page.evaluate("window.owned") is None
    assert seen.complaints == []


def test_a_phone_never_scrolls_sideways(report: Path, opened: Open) -> None:
    page = opened(report).page
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("#loss-rows summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_print_shows_all_of_how_it_was_made(report: Path, opened: Open) -> None:
    page = opened(report).page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    folded = page.locator("#making details:not([open])")
    expect(folded).to_have_count(0)
