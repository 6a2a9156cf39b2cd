"""The page of a real cluster in a real browser: what it shows, and what its client mends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from chunk7.wire.records import read_back
from docs.screenshots_demo import page_url, running_cluster, wait_played

pytestmark = [pytest.mark.browser, pytest.mark.live]

BUG = "history_then_subscribe"
FIXES = (
    *("subscribe_then_history", "redis_streams", "sequence_gap_fill"),
    *("buffered_merge", "positioned_merge"),
)

RESUME = """
async () => {
  const { ChatClient } = await import("/demo/chat-client.js");
  const ask = new WebSocket(location.href.replace("http", "ws") + "/answer");
  const promise = await new Promise((resolve, reject) => {
    ask.onopen = () => ask.send(JSON.stringify(
      { session_id: "demo-resume", writes: ["atomic_lua"], chunk_rate: 100, chunks: 60 }));
    ask.onmessage = ({ data }) => resolve(JSON.parse(data).promise);
    ask.onclose = () => reject(new Error("no promise"));
  });
  const url = `${location.origin.replace("http", "ws")}/ws/${promise.sessions[0].session_id}`;
  const urls = [];
  let socket;
  const client = new ChatClient(`${url}?ordering=buffered_merge`, {
    firstDelayMs: 50,
    connect: (to) => { urls.push(to); return (socket = new WebSocket(to)); },
  });
  let cut = false;
  await new Promise((resolve) => {
    client.addEventListener("receipt", () => {
      const came = client.transcript.chunks.length;
      if (came === promise.chunks) resolve();
      if (came === 20 && !cut) { cut = true; socket.close(); }
    });
    client.start();
  });
  client.stop();
  const { transcript } = client;
  return {
    seqs: transcript.chunks.map(({ seq }) => seq),
    resumed: new URL(urls[1]).searchParams.get("after_seq"),
    connections: urls.length,
    chunks: promise.chunks,
  };
}
"""


@dataclass
class Site:
    """The page's URL, and the folder of the cluster's run."""

    url: str
    folder: Path


@dataclass
class Visit:
    """A page and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def pane(self, ordering: str) -> Any:
        return self.page.locator(f".pane[data-ordering={ordering}]")

    def outcome(self, ordering: str) -> str | None:
        found: str | None = self.pane(ordering).get_attribute("data-outcome")
        return found

    def counts(self, ordering: str) -> dict[str, str]:
        pane = self.pane(ordering)
        return dict(
            zip(
                pane.locator("dt").all_inner_texts(),
                pane.locator("dd").all_inner_texts(),
                strict=True,
            )
        )


def visit(browser: Browser, url: str, **settings: Any) -> Visit:
    """Open the page in a context of its own."""
    seen = Visit(browser.new_page(**settings))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(url)
    return seen


def wait_lossy(seen: Visit) -> None:
    """Until an answer has been played in whose windows chunks fell, as two or three should. Where
    the producer stands still meanwhile there are none, and the page itself says to play again.
    """
    for _ in range(5):
        wait_played(seen.page)
        mended = seen.pane("sequence_gap_fill").locator("mark.mended").count()
        if mended and seen.outcome(BUG) == "lossy":
            return
        seen.page.get_by_role("button", name="Play again").click()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Store, two nodes, producer and nginx; once they have ended, no record names the page's."""
    folder = tmp_path_factory.mktemp("demo")
    with running_cluster(folder) as endpoints:
        yield Site(page_url(endpoints), folder)
    for path in sorted((folder / "raw").glob("*.arrows")):
        assert "demo-" not in json.dumps(read_back(path).table.to_pylist(), default=str), path.name


@pytest.fixture(scope="module")
def played(chromium: Browser, site: Site) -> Iterator[Visit]:
    """The page after it has played its first answer by itself: 40 chunks/s, 60 ms of work."""
    seen = visit(chromium, site.url)
    wait_lossy(seen)
    yield seen
    seen.page.close()


def test_the_bug_has_a_hole_and_no_fix_has_one(played: Visit) -> None:
    assert played.outcome(BUG) == "lossy"
    holes = played.pane(BUG).locator("mark.hole")
    assert holes.count() == 1
    label = holes.first.get_attribute("aria-label")
    assert label is not None
    assert label.startswith("hole: chunk")
    assert int(played.counts(BUG)["not delivered"]) >= 1
    for ordering in FIXES:
        assert (ordering, played.outcome(ordering)) == (ordering, "whole")
        assert played.pane(ordering).locator("mark.hole").count() == 0
    expect(played.page.locator("#status")).to_contain_text("1 of 6 lost chunks for good")
    assert played.complaints == []


def test_every_pane_has_its_handover_drawn_with_the_lost_chunks(played: Visit) -> None:
    lost = int(played.counts(BUG)["not delivered"])
    assert played.pane(BUG).locator(".timeline .window").count() == 1
    assert 1 <= played.pane(BUG).locator(".timeline .chunk.bad").count() <= lost
    assert played.pane("buffered_merge").locator(".timeline .overlap").count() == 1
    expect(played.pane(BUG).locator(".instants")).to_contain_text("Risk window ")
    expect(played.pane("redis_streams").locator(".instants")).to_contain_text("one cursor")


def test_a_client_that_fetches_mends_even_the_bug_and_can_be_taken_away(played: Visit) -> None:
    choice = played.pane(BUG).locator("select")
    choice.select_option("repair")
    expect(played.pane(BUG)).to_have_attribute("data-outcome", "whole")
    assert played.pane(BUG).locator("mark.mended").count() == 1
    choice.select_option("plain")
    expect(played.pane(BUG)).to_have_attribute("data-outcome", "lossy")


def test_plain_clients_show_what_the_wire_delivered(played: Visit) -> None:
    played.page.get_by_label("all show what comes").check()
    expect(played.pane("sequence_gap_fill")).to_have_attribute("data-outcome", "lossy")
    expect(played.pane("subscribe_then_history")).to_have_attribute("data-outcome", "garbled")
    assert played.pane("subscribe_then_history").locator("mark.late").count() >= 1
    played.page.get_by_label("as each ordering asks").check()
    expect(played.pane("sequence_gap_fill")).to_have_attribute("data-outcome", "whole")
    assert played.complaints == []


def test_with_a_bad_producer_even_who_subscribes_first_loses_by_keyboard(
    chromium: Browser, site: Site
) -> None:
    seen = visit(chromium, site.url, reduced_motion="reduce")
    play = seen.page.get_by_role("button", name="Play")
    expect(play).to_be_enabled()
    assert seen.page.locator("#panes .pane").count() == 0, "it plays nothing by itself"
    for _ in range(2):  # the first is the link that skips the controls; it was the eleventh
        seen.page.keyboard.press("Tab")
    expect(play).to_be_focused()
    seen.page.get_by_role("button", name="The producer does it wrong").focus()
    seen.page.keyboard.press("Enter")
    expect(play).to_be_disabled()
    wait_played(seen.page)
    assert [seen.outcome(name) for name in ("subscribe_then_history", "buffered_merge")] == [
        "lossy",
        "lossy",
    ]
    assert seen.outcome("redis_streams") == "whole"
    assert seen.complaints == []
    seen.page.close()


def test_the_client_resumes_at_a_real_node_where_it_was(chromium: Browser, site: Site) -> None:
    seen = visit(chromium, site.url, reduced_motion="reduce")
    found = seen.page.evaluate(RESUME)
    assert found["seqs"] == list(range(1, found["chunks"] + 1))
    assert found["connections"] == 2
    assert int(found["resumed"]) >= 20
    assert seen.complaints == []
    seen.page.close()


def test_on_a_phone_all_verdicts_come_before_what_they_rest_on(
    chromium: Browser, site: Site
) -> None:
    """The page was six screens long, and the last verdict on the fifth."""
    seen = visit(chromium, site.url, viewport={"width": 390, "height": 844})
    wait_lossy(seen)
    pane = seen.pane(BUG)
    expect(pane.locator(".verdict")).to_contain_text("missing")
    expect(seen.page.locator("#panes .text")).to_have_count(1 + len(FIXES))
    expect(seen.page.locator("#panes .text:visible")).to_have_count(0)
    last = seen.pane(FIXES[-1]).locator(".verdict").bounding_box()
    reference = seen.page.locator("#reference").bounding_box()
    assert last is not None
    assert reference is not None
    assert last["y"] + last["height"] <= 844
    assert last["y"] < reference["y"]
    pane.get_by_role("button", name="How it went: The bug").click()
    expect(pane.locator("mark.hole")).to_be_in_viewport()
    assert seen.complaints == []
    seen.page.close()


def test_nothing_is_wider_than_a_phone(chromium: Browser, played: Visit) -> None:
    played.page.set_viewport_size({"width": 360, "height": 740})
    width = played.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
