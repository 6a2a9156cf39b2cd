"""Single answers on demand: what is refused, what is streamed, and that none is recorded."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from producer_kit import AS_JSON, Bench, a_plan, bench, listening, until

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import BEGINNING
from chunk7.producer import demo
from chunk7.producer.http import served
from chunk7.wire.demo import AnswerOrder, AnswerPromise, Choices

pytestmark = pytest.mark.clocked


@pytest.fixture
async def at(store_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A producer in this process."""
    async with bench(store_url, tmp_path) as producing:
        yield producing


@pytest.fixture
async def http(at: Bench) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of its API."""
    async with (
        served(at.producer, "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=AS_JSON) as session,
    ):
        yield session


def an_answer(**changed: Any) -> AnswerOrder:
    """All that two short recorded answers have, as fast as may be."""
    fields: dict[str, Any] = {"session_id": "demo-a", "writes": ["atomic_lua"], "chunk_rate": 200.0}
    return AnswerOrder(**{**fields, **changed})


async def post(http: aiohttp.ClientSession, order: AnswerOrder) -> tuple[int, bytes]:
    """Status and body of the answer to an order."""
    async with http.post("/answer", data=msgspec.json.encode(order)) as answer:
        return answer.status, await answer.read()


async def promised(http: aiohttp.ClientSession, order: AnswerOrder) -> AnswerPromise:
    status, body = await post(http, order)
    assert status == 200, body
    return msgspec.json.decode(body, type=AnswerPromise)


async def test_one_answer_is_written_into_a_session_for_each_write(
    http: aiohttp.ClientSession, at: Bench
) -> None:
    promise = await promised(http, an_answer(writes=["atomic_lua", "stream_append"]))
    ids = [session.session_id for session in promise.sessions]
    assert [(s.write, s.feed) for s in promise.sessions] == [
        ("atomic_lua", "pubsub"),
        ("stream_append", "stream"),
    ]
    assert ids == ["demo-a-0", "demo-a-1"]
    store = at.connection.store
    saved: list[tuple[Chunk, ...]] = [(), ()]
    while any(len(chunks) < promise.chunks for chunks in saved):
        saved = [await store.history(ids[0]), (await store.stream(ids[1], BEGINNING)).chunks]
    assert [chunk.text for chunk in saved[0]] == [chunk.text for chunk in saved[1]]
    assert [chunk.index for chunk in saved[0]] == list(range(promise.chunks))
    assert [chunk.final for chunk in saved[0]] == [False] * (promise.chunks - 1) + [True]
    assert {chunk.message_id for chunk in saved[0]} == {"demo-a-0-m0"}


async def test_an_answer_leaves_records_events_metrics_and_timetable_alone(
    http: aiohttp.ClientSession, at: Bench, store_url: str
) -> None:
    timetable = await at.producer.take(a_plan(duration_ms=1_000))
    async with listening(store_url, "demo-a-0") as received:
        promise = await promised(http, an_answer())
        await promised(http, an_answer(session_id="demo-unheard", writes=["publish_then_save"]))
        await until(lambda: len(received) == promise.chunks)
        await at.producer.finished()
    assert at.producer.timetable is timetable
    rows = at.rows("published")
    assert len(rows) == sum(plan.chunks for plan in timetable.sessions)
    assert not [row for row in rows if row["session_id"].startswith("demo-")]
    assert not [row for row in at.rows("events") if (row["session_id"] or "").startswith("demo-")]
    assert at.journal.totals.chunks == len(rows)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"session_id": "r-0-0"}, "session_id: 'r-0-0' is not demo- and 1 to 64 letters"),
        ({"session_id": "demo-"}, "session_id: 'demo-' is not"),
        ({"session_id": "demo-a/b"}, "session_id: 'demo-a/b' is not"),
        ({"session_id": "demo-" + "x" * 65}, "session_id: 'demo-xxx"),
        ({"chunk_rate": 0.5}, "chunk_rate: 0.5 is not 1 to 200"),
        ({"chunk_rate": 201.0}, "chunk_rate: 201 is not 1 to 200"),
        ({"chunks": 9}, "chunks: 9 is not 10 to 400"),
        ({"chunks": 401}, "chunks: 401 is not 10 to 400"),
        ({"chunks": 200, "chunk_rate": 2.0}, "chunks: at this chunk_rate they take longer than 60"),
        ({"save_lag_ms": -1.0}, "save_lag_ms: -1 is not 0 to 500"),
        ({"save_lag_ms": 501.0}, "save_lag_ms: 501 is not 0 to 500"),
        ({"writes": []}, "writes: want 1 to 2 different"),
        ({"writes": ["atomic_lua"] * 2}, "writes: want 1 to 2 different"),
        ({"writes": ["nope"]}, "writes: 'nope' is none of publish_then_save, "),
    ],
)
async def test_a_bad_order_is_400_and_one_line_and_streams_nothing(
    http: aiohttp.ClientSession, at: Bench, changed: dict[str, Any], reason: str
) -> None:
    status, body = await post(http, an_answer(**changed))
    assert (status, body.count(b"\n")) == (400, 1)
    assert body.decode().startswith(reason)
    assert await at.connection.store.link.send("KEYS", "chat:*") == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"\xff", b'{"session_id":"demo-a","writes":["atomic_lua"],"x":1}']
)
async def test_what_is_no_order_is_400(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/answer", data=body) as answer:
        assert (answer.status, (await answer.read()).count(b"\n")) == (400, 1)


async def test_a_session_is_streamed_once(http: aiohttp.ClientSession, at: Bench) -> None:
    await promised(http, an_answer(chunk_rate=100.0))
    assert await post(http, an_answer()) == (400, b"session_id: demo-a is being streamed\n")
    await at.producer.demo.stop()
    await at.connection.store.next_seq("demo-b-0")
    used = an_answer(session_id="demo-b")
    assert await post(http, used) == (400, b"session_id: demo-b has been used\n")
    await promised(http, an_answer(session_id="demo-c"))


async def test_only_a_few_run_at_a_time_and_stopping_makes_room(
    http: aiohttp.ClientSession, at: Bench
) -> None:
    slow = {"chunk_rate": 1.0, "chunks": 10}
    for number in range(demo.MAX_AT_ONCE):
        await promised(http, an_answer(session_id=f"demo-{number}", **slow))
    status, body = await post(http, an_answer(session_id="demo-more"))
    assert (status, body) == (
        429,
        b"3 answers are being streamed already; try again in a moment\n",
    )
    await at.producer.demo.stop()
    await promised(http, an_answer(session_id="demo-more"))


async def test_the_choices_are_those_that_are_taken(http: aiohttp.ClientSession) -> None:
    async with http.get("/answer") as answer:
        choices = msgspec.json.decode(await answer.read(), type=Choices)
    feeds = {write.name: write.feed for write in choices.writes}
    assert feeds["publish_then_save"] == "pubsub"
    assert feeds["stream_append"] == "stream"
    for rate in choices.chunk_rate:
        order = an_answer(session_id=f"demo-{rate:g}", chunk_rate=rate, chunks=choices.chunks[0])
        await promised(http, order)


async def test_a_store_that_is_away_is_503(http: aiohttp.ClientSession, at: Bench) -> None:
    await at.connection.store.close()
    status, body = await post(http, an_answer())
    assert (status, body.count(b"\n")) == (503, 1)
