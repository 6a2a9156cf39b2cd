"""chat-client.js and reading.js in a real browser, fed literal histories of frames; no network."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from chat_client_cases import CHAT_CASES, DROP, ChatCase, Happening
from playwright.sync_api import Browser, Page, Route
from resume_cases import RESUMES

from chunk7.delivery.frames import BeatFrame, JoinedFrame, LiveFrame, StoredFrame

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2] / "nodes" / "demo"
ORIGIN = "http://chunk7.test"

HARNESS = """
async ({ steps, options }) => {
  const { ChatClient } = await import("/chat-client.js");
  const said = [], timers = [], sockets = [];
  const client = new ChatClient("ws://node/ws/s?ordering=o", {
    connect: (url) => {
      const socket = { send: () => {}, close: (code) => said.push(`close ${code ?? ""}`.trim()) };
      said.push(`connect ${new URL(url).search}`);
      return sockets[sockets.push(socket) - 1];
    },
    random: () => 1,
    now: () => 0,
    after: (delayMs, then) => timers.push({ delayMs, then }) - 1,
    cancel: (timer) => { if (timers[timer]) timers[timer].then = null; },
    ...options,
  });
  const on = (name, word) =>
    client.addEventListener(name, ({ detail }) => said.push(word(detail)));
  on("state", ({ state, delayMs }) => (delayMs === undefined ? state : `${state} ${delayMs}`));
  on("receipt", ({ chunk, via, isNew, inOrder }) =>
    `${chunk.seq} ${via}${isNew ? "" : " again"}${inOrder ? "" : " late"}`);
  on("fetch", ({ from, to }) => `fetch ${from}-${to}`);
  on("lost", ({ seqs }) => `lost ${seqs.join(" ")}`);
  on("problem", ({ code }) => `problem ${code}`);
  const act = {
    start: () => client.start(),
    stop: () => client.stop(),
    open: () => sockets.at(-1).onopen(),
    frame: (frame) => sockets.at(-1).onmessage({ data: frame }),
    drop: (code) => sockets.at(-1).onclose({ code }),
    elapse: () => {  // the timer that is due next
      const due = timers.filter(({ then }) => then).sort((a, b) => a.delayMs - b.delayMs)[0];
      const { then } = due;
      due.then = null;
      then();
    },
    repair: (on) => { client.repair = on; },
  };
  for (const [name, value] of steps) act[name](value);
  const { transcript } = client;
  return { said, text: transcript.text(), holes: transcript.holes(), resume: transcript.resumeSeq };
}
"""

Step = tuple[str, Any]
START: list[Step] = [("start", None), ("open", None)]
STARTED = ["connect ?ordering=o", "open"]
"""What START says; the state `connecting` comes before the connection is made."""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A blank page of an origin that has our modules, and nothing else."""

    def serve(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/")
        if name:
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page = chromium.new_page()
    page.route("**/*", serve)
    page.goto(f"{ORIGIN}/")
    yield page
    page.close()


Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(page: Page) -> Play:
    """play(steps, options...): what a client said, its text, holes and where it would resume."""

    def play(steps: list[Step], **options: Any) -> dict[str, Any]:
        played: dict[str, Any] = page.evaluate(HARNESS, {"steps": steps, "options": options})
        played["said"] = [word for word in played["said"] if word != "connecting"]
        return played

    return play


def body(seq: int, message: str = "m", index: int | None = None) -> dict[str, Any]:
    return {
        "type": "chunk",
        "session_id": "s",
        "message_id": message,
        "index": seq - 1 if index is None else index,
        "text": f"{seq} ",
        "final": False,
        "seq": seq,
    }


def chunk(seq: int, message: str = "m", index: int | None = None) -> Step:
    return "frame", json.dumps(body(seq, message, index))


def history(*seqs: int) -> Step:
    return "frame", json.dumps({"type": "history", "messages": [body(seq) for seq in seqs]})


def welcome(head: int | None = None, epoch: str | None = None) -> Step:
    frame = {"type": "welcome", "node": "n", "ordering": "o", "head_seq": head, "epoch": epoch}
    return "frame", json.dumps(frame)


def heartbeat(head: int, epoch: str | None = None) -> Step:
    return "frame", json.dumps({"type": "heartbeat", "head_seq": head, "epoch": epoch})


def error(code: str) -> Step:
    return "frame", json.dumps({"type": "error", "code": code, "reason": "r"})


def test_an_answer_without_trouble_is_read_as_it_comes(play: Play) -> None:
    played = play([*START, history(1, 2), welcome(2), chunk(3), heartbeat(3)])
    assert played == {
        "said": [*STARTED, "1 history", "2 history", "joined", "3 live"],
        "text": "1 2 3 ",
        "holes": [],
        "resume": 3,
    }


def test_live_before_history_is_put_in_order_and_doubles_are_dropped(play: Play) -> None:
    played = play([*START, chunk(3), chunk(4), history(1, 2, 3), welcome(4), chunk(5)])
    assert played == {
        "said": [
            *STARTED,
            *("3 live", "4 live", "1 history late", "2 history late", "3 history again"),
            *("joined", "5 live"),
        ],
        "text": "1 2 3 4 5 ",
        "holes": [],
        "resume": 5,
    }


def test_doubles_are_known_by_message_and_index_not_by_index_alone(play: Play) -> None:
    steps = [chunk(1, "a", 0), chunk(2, "b", 0), chunk(2, "b", 0), chunk(3, "b", 1)]
    played = play([*START, history(), welcome(), *steps])
    assert played["said"][3:] == ["1 live", "2 live", "2 live again", "3 live"]
    assert played["text"] == "1 2 3 "


def test_a_hole_is_fetched_at_once_and_only_once_a_heartbeat(play: Play) -> None:
    played = play(
        [*START, history(1), welcome(), chunk(4), chunk(5), history(2, 3), heartbeat(5), chunk(6)]
    )
    assert played == {
        "said": [
            *(*STARTED, "1 history", "joined", "4 live", "fetch 2-3", "5 live"),
            *("2 fetch late", "3 fetch late", "6 live"),
        ],
        "text": "1 2 3 4 5 6 ",
        "holes": [],
        "resume": 6,
    }


def test_a_hole_at_the_tail_is_seen_by_the_heartbeat_alone(play: Play) -> None:
    played = play([*START, history(1), welcome(), chunk(2), heartbeat(4), history(3, 4)])
    assert played["said"][4:] == ["2 live", "fetch 3-4", "3 fetch", "4 fetch"]
    assert played["text"] == "1 2 3 4 "


def test_before_its_history_a_client_asks_for_nothing(play: Play) -> None:
    assert play([*START, chunk(9), heartbeat(9)])["said"] == [*STARTED, "9 live"]


def test_what_is_asked_for_five_times_in_vain_is_lost_and_hides_nothing(play: Play) -> None:
    in_vain = [step for _ in range(5) for step in (history(), heartbeat(3))]
    played = play([*START, history(1), welcome(), chunk(3), *in_vain, heartbeat(4), chunk(4)])
    assert played == {
        "said": [
            *(*STARTED, "1 history", "joined", "3 live", *["fetch 2-2"] * 5, "lost 2"),
            *("fetch 4-4", "4 live"),
        ],
        "text": "1 3 4 ",
        "holes": [[2, 2]],
        "resume": 1,
    }


def test_what_comes_in_the_end_however_late_is_not_lost(play: Play) -> None:
    in_vain = [step for _ in range(4) for step in (history(), heartbeat(3))]
    played = play([*START, history(1), welcome(), chunk(3), *in_vain, history(2), heartbeat(3)])
    assert played["said"][5:] == [*["fetch 2-2"] * 5, "2 fetch late"]
    assert played["holes"] == []


def test_few_fetches_wait_at_a_time_and_the_rest_follows_their_answers(play: Play) -> None:
    holes = [chunk(seq) for seq in range(2, 13, 2)]
    played = play([*START, history(), welcome(), *holes, history(1), error("fetch_failed")])
    assert [word for word in played["said"] if "fetch" in word] == [
        *("fetch 1-1", "fetch 3-3", "fetch 5-5", "fetch 7-7"),
        *("1 fetch late", "fetch 9-9", "problem fetch_failed", "fetch 11-11"),
    ]


def test_without_repair_a_hole_stays_until_repair_is_switched_on(play: Play) -> None:
    steps = [*START, history(1), welcome(), chunk(3), heartbeat(3)]
    assert play(steps, repair=False)["holes"] == [[2, 2]]
    played = play([*steps, ("repair", True), history(2)], repair=False)
    assert played["said"][4:] == ["3 live", "fetch 2-2", "2 fetch late"]
    assert played["holes"] == []


@pytest.mark.parametrize(("seqs", "resume"), RESUMES.values(), ids=RESUMES)
@pytest.mark.parametrize("repair", [True, False])
def test_it_resumes_where_the_explored_client_does(
    play: Play, seqs: tuple[int, ...], resume: int, repair: bool
) -> None:
    played = play([*START, history(), *map(chunk, seqs), welcome()], repair=repair)
    assert played["resume"] == resume


def test_after_a_drop_it_resumes_behind_what_it_has(play: Play) -> None:
    dropped = [("drop", 1012), ("elapse", None), ("open", None)]
    played = play(
        [*START, history(1), welcome(), chunk(2), chunk(4), *dropped, history(3, 4, 5), welcome(5)]
    )
    assert played == {
        "said": [
            *(*STARTED, "1 history", "joined", "2 live", "4 live", "fetch 3-3"),
            *("close", "waiting 250", "connect ?ordering=o&after_seq=2", "open"),
            *("3 history late", "4 history again", "5 history", "joined"),
        ],
        "text": "1 2 3 4 5 ",
        "holes": [],
        "resume": 5,
    }


def test_it_resumes_with_the_epoch_that_its_number_is_of(play: Play) -> None:
    dropped = [("drop", 1012), ("elapse", None)]
    told = play([*START, history(1), welcome(), heartbeat(1, "e1"), heartbeat(1), *dropped])
    assert told["said"][-1] == "connect ?ordering=o&after_seq=1&epoch=e1"


def test_when_numbers_begin_again_all_is_asked_for_and_what_was_shown_stays_in_front(
    play: Play,
) -> None:
    """A store came back empty: its 1 and 2 were taken for the 1 and 2 of before."""
    before = [history(1, 2), welcome(), heartbeat(2, "e1")]
    again = [body(seq, index=seq + 9) for seq in (1, 2)]
    answer: Step = ("frame", json.dumps({"type": "history", "messages": again}))
    played = play([*START, *before, chunk(1, index=10), heartbeat(2, "e2"), answer])
    assert played == {
        "said": [
            *(*STARTED, "1 history", "2 history", "joined", "1 live late"),
            *("fetch 1-2", "1 fetch", "2 fetch"),
        ],
        "text": "1 2 1 2 ",
        "holes": [],
        "resume": 2,
    }


def test_it_backs_off_up_to_the_cap_gives_up_and_can_be_started_again(play: Play) -> None:
    fails: list[Step] = [("drop", 1006), ("elapse", None)]
    played = play([("start", None), *fails * 4, ("drop", 1006), ("start", None)],
                  firstDelayMs=100, maxDelayMs=500, maxFailures=5)  # fmt: skip
    waits = [word for word in played["said"] if word.startswith(("waiting", "failed"))]
    assert waits == ["waiting 200", "waiting 400", "waiting 500", "waiting 500", "failed"]
    assert played["said"][-1] == "connect ?ordering=o"


def test_a_welcome_ends_the_backing_off(play: Play) -> None:
    again: list[Step] = [("drop", 1006), ("elapse", None), ("drop", 1006), ("elapse", None)]
    played = play([("start", None), *again, history(), welcome(), ("drop", 1006)])
    waits = [word for word in played["said"] if word.startswith("waiting")]
    assert waits == ["waiting 500", "waiting 1000", "waiting 250"]


def test_a_wait_is_between_half_and_the_whole_of_the_cap(page: Page) -> None:
    waits = page.evaluate(
        """async () => {
          const { backoffMs } = await import("/chat-client.js");
          const limits = { firstDelayMs: 100, maxDelayMs: 1000 };
          const failures = [0, 1, 3, 4, 50, 2000];
          return [0, 1].map((chance) => failures.map((n) => backoffMs(n, limits, () => chance)));
        }"""
    )
    assert waits == [[50, 100, 400, 500, 500, 500], [100, 200, 800, 1000, 1000, 1000]]


def test_our_own_fault_is_not_tried_again(play: Play) -> None:
    assert play([*START, ("drop", 1008)])["said"][2:] == ["close", "failed"]


def test_a_silent_connection_is_left_for_a_new_one(play: Play) -> None:
    played = play([*START, history(1), welcome(), ("elapse", None), ("elapse", None)])
    assert played["said"][4:] == ["close", "waiting 250", "connect ?ordering=o&after_seq=1"]


def test_after_stop_nothing_is_tried_again(play: Play) -> None:
    played = play([*START, history(1), ("stop", None)])
    assert played["said"][3:] == ["close 1000", "stopped"]


@pytest.mark.parametrize("text", ["", "no JSON", "7", "null", '"x"'])
def test_a_frame_that_cannot_be_read_is_told_and_passed_over(play: Play, text: str) -> None:
    played = play([*START, ("frame", text), history(1)])
    assert played["said"][2:] == ["problem unreadable", "1 history"]


def test_a_frame_of_a_kind_to_come_is_passed_over(play: Play) -> None:
    assert play([*START, ("frame", '{"type":"new"}'), history(1)])["said"][2:] == ["1 history"]


# --- what a reader sees ---

RECEIPTS = [
    *(("live", seq) for seq in (5, 6)),
    *(("history", seq) for seq in (1, 2, 5)),
    *(("live", seq) for seq in (7, 9)),
    *(("fetch", seq) for seq in (3, 8)),
]


def read(page: Page, function: str, head: int) -> Any:
    receipts = [{"via": via, "chunk": body(seq)} for via, seq in RECEIPTS]
    return page.evaluate(
        "async ({ name, receipts, head }) => (await import('/reading.js'))[name](receipts, head)",
        {"name": function, "receipts": receipts, "head": head},
    )


def words(pieces: list[dict[str, Any]]) -> list[str]:
    """A piece as one word: `hole 3-4`."""
    return [f"{piece['kind']} {piece['from']}-{piece['to']}" for piece in pieces]


def test_a_plain_client_shows_holes_doubles_and_disorder_where_they_are(page: Page) -> None:
    assert words(read(page, "plainReading", 10)) == [
        *("text 5-6", "late 1-2", "hole 3-4", "double 5-5"),
        *("text 7-7", "hole 8-8", "text 9-9", "hole 10-10"),
    ]


def test_a_repairing_client_shows_the_answer_and_what_it_fetched(page: Page) -> None:
    pieces = read(page, "repairedReading", 10)
    assert words(pieces) == [
        *("text 1-2", "mended 3-3", "hole 4-4", "text 5-7", "mended 8-8"),
        *("text 9-9", "hole 10-10"),
    ]
    assert "".join(piece["text"] for piece in pieces) == "1 2 3 5 6 7 8 9 "


def test_counts_are_of_the_wire(page: Page) -> None:
    assert read(page, "count", 10) == {
        "lost": [3, 4, 8, 10],
        "doubled": 1,
        "late": 2,
        "fetched": [3, 8],
    }


def as_steps(happening: Happening) -> list[Step]:
    """What the browser's client is told, where its twin in Python is given a frame."""
    match happening:
        case StoredFrame(chunks):
            messages = [asdict(chunk) for chunk in chunks]
            return [("frame", json.dumps({"type": "history", "messages": messages}))]
        case LiveFrame(chunk):
            return [("frame", json.dumps({"type": "chunk", **asdict(chunk)}))]
        case JoinedFrame(head_seq, epoch):
            return [welcome(head_seq, epoch)]
        case BeatFrame(head_seq, epoch):
            frame = {"type": "heartbeat", "head_seq": head_seq, "epoch": epoch}
            return [("frame", json.dumps(frame))]
    assert happening == DROP
    return [("drop", 1006), ("elapse", None), ("open", None)]


@pytest.mark.parametrize("case", CHAT_CASES.values(), ids=CHAT_CASES)
def test_it_does_what_its_twin_that_is_explored_does(play: Play, case: ChatCase) -> None:
    steps = [step for happening in case.happenings for step in as_steps(happening)]
    played = play([*START, *steps])
    said = [word.split() for word in played["said"]]
    receipts = [words for words in said if words[0].isdigit() and "again" not in words]
    asked = [tuple(map(int, words[1].split("-"))) for words in said if words[0] == "fetch"]
    connects = [parse_qs(words[1].removeprefix("?")) for words in said if words[0] == "connect"]
    resumed = [int(query.get("after_seq", ["0"])[0]) for query in connects]
    assert case == ChatCase(
        case.happenings,
        tuple(int(words[0]) for words in receipts),
        tuple(asked),
        tuple(resumed[1:]),
        played["resume"],
    )
