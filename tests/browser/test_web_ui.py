"""Locust's web UI on a real cluster, as somebody uses it who compares two orderings."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chunk7.analysis.figures.style import CONNECT_STYLE
from docs.screenshots_web_ui import (
    choose,
    press_start,
    press_stop,
    running_web_ui,
    wait_stopped,
)

pytestmark = [pytest.mark.browser, pytest.mark.live]

BUG, FIX = "history_then_subscribe", "buffered_merge"
SMALL = (
    *("--users", "16", "--sessions", "4", "--chunk-rate", "40", "--duration", "1.5"),
    *("--nodes", "2"),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_web_ui(tmp_path_factory.mktemp("up"), *SMALL) as found:
        yield found


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """The form. Whatever the page complains of fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    complaints: list[str] = []
    requests: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda request: requests.append(request.url))
    opened.goto(url)
    yield opened
    context.close()
    assert complaints == []
    assert [each for each in requests if not each.startswith((url, "data:", "blob:"))] == []


def cells(page: Page, connect: str) -> list[str]:
    """What the table shows of an ordering, once connections of it are judged."""
    row = page.locator("#chunk7-panel tbody tr").filter(has_text=connect)
    expect(row).to_be_visible(timeout=30_000)
    return row.locator("td").all_inner_texts()


def test_an_ordering_is_started_watched_replaced_by_a_better_one_and_downloaded(page: Page) -> None:
    choose(page, connect="redis_streams", write="publish_then_save")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(
        "--write: publish_then_save does not go with redis_streams, which goes with stream_append"
    )

    choose(page, connect=BUG, write="publish_then_save", nodeWorkMs="50", storeLatencyMs="2")
    press_start(page)
    assert page.locator("#chunk7-panel").get_by_role("link").all_inner_texts() == [
        "Live charts",
        "Download CSV",
    ]
    expect(
        page.locator("#chunk7-panel tr.bad").filter(has_text=BUG).locator("td").nth(4)
    ).to_have_text(re.compile("[1-9]"), timeout=30_000)
    press_stop(page)
    window_p50_ms = float(cells(page, BUG)[9])
    # 50 ms of work and 2 ms each way make 54. The read is taken to be executed in the middle of
    # question and answer; the last byte of a long history is late, and so that middle.
    assert window_p50_ms > 50 + 2, "node work, and the store's latency"

    page.get_by_role("button", name="New", exact=True).click()
    choose(page, connect=FIX, write="atomic_lua", nodeWorkMs="50", storeLatencyMs="0")
    page.get_by_label("Once").check()
    press_start(page)
    assert cells(page, FIX)[1:3] == ["0", "0%"]
    titles = page.locator("#chunk7-panel tr.test b")
    expect(titles).to_have_text(["Test 2: store latency ms 0", "Test 1: store latency ms 2"])
    wait_stopped(page)
    expect(page.locator("#chunk7-panel .about")).to_contain_text("over", timeout=20_000)
    assert cells(page, FIX)[0] == "16"

    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    bug, fix = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(), newline=""))
    assert (bug["connect"], bug["chunks_lost"] == "0") == (BUG, False)
    assert (fix["connect"], fix["write"], fix["chunks_lost"]) == (FIX, "atomic_lua", "0")

    page.get_by_role("link", name="Live charts").click()
    expect(page.locator("#legend label")).to_have_text(
        [f"{BUG} x publish_then_save", f"{FIX} x atomic_lua"]
    )
    expect(page.locator("#loss circle").first).to_be_visible()
    expect(page.locator("#window circle").first).to_be_visible()
    expect(page.locator("#loss text").filter(has_text="Test")).to_have_text(["Test 1", "Test 2"])
    # Stop may find all clients of a round gone, or in the middle of their answers: which bins are
    # hollow is the judge's to say.
    judged = page.request.get(page.url.rstrip("/") + "/data").json()
    finished = [
        moment["finished"]
        for test in (judged, *judged["earlier"])
        for moment in test["document"]["history"]
        if moment["loss_rate"] is not None
    ]
    expect(page.locator("#loss circle.open")).to_have_count(finished.count(False))
    expect(page.locator("#loss circle:not(.open)")).to_have_count(finished.count(True))
    assert True in finished, "the second test came to its end"
    page.locator("#window").hover()
    expect(page.locator("#reading")).to_contain_text("window p50")


def test_the_charts_have_the_colours_of_the_figures() -> None:
    script = (Path(__file__).parents[2] / "loadtest/web/files/charts.js").read_text()
    for name, style in CONNECT_STYLE.items():
        assert f'{name}: "{style.colour}"' in script
