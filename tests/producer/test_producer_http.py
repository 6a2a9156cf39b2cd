"""The control API answers as docs/protocol.md says."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from producer_kit import AS_JSON, Bench, OwnStore, a_plan, bench, until

from chunk7.delivery.errors import UsageError
from chunk7.producer.http import served
from chunk7.wire.plan import Plan, Timetable

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


async def post(http: aiohttp.ClientSession, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to an order."""
    async with http.post("/timetable", data=body) as answer:
        return answer.status, await answer.read()


async def test_an_order_is_answered_with_its_timetable_and_carried_out(
    http: aiohttp.ClientSession, at: Bench
) -> None:
    plan = a_plan()
    status, body = await post(http, msgspec.json.encode(plan))
    timetable = msgspec.json.decode(body, type=Timetable)
    assert status == 200
    assert timetable.plan == plan
    assert [plan.session_id for plan in timetable.sessions] == ["r-0-0", "r-0-1"]
    async with http.get("/timetable") as answer:
        assert (answer.status, await answer.read()) == (200, body)
    await at.producer.finished()
    rows = at.rows("published")
    assert len(rows) == sum(plan.chunks for plan in timetable.sessions)
    assert min(row["intended_ns"] for row in rows) >= timetable.epoch_ns


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field `run`"),
        (b"\xff", "malformed"),
        (msgspec.json.encode(a_plan(sessions=0)), "sessions 0: must be between 1 and 10000"),
        (msgspec.json.encode(a_plan()).replace(b'"seed"', b'"sead"'), "`sead`"),
        (msgspec.json.encode(a_plan(ttft_ms=5_000.0)), "ttft_ms: 5000 before each"),
    ],
)
async def test_a_bad_order_is_400_and_one_line_and_stops_nothing(
    http: aiohttp.ClientSession, at: Bench, body: bytes, reason: str
) -> None:
    current = await at.producer.take(a_plan())
    status, text = await post(http, body)
    assert status == 400
    assert reason in text.decode()
    assert text.decode().count("\n") == 1
    assert at.producer.timetable is current


async def test_delete_stops_the_timetable(http: aiohttp.ClientSession, at: Bench) -> None:
    await at.producer.take(a_plan(duration_ms=10_000))
    await until(lambda: at.journal.totals.chunks >= 5)
    async with http.delete("/timetable") as answer:
        assert answer.status == 204
    assert at.journal.under_way == 0
    for _ in ("once", "again"):
        async with http.get("/timetable") as answer:
            assert (answer.status, await answer.text()) == (410, "the timetable was stopped\n")
        async with http.delete("/timetable") as answer:
            assert answer.status == 204
    assert "order_done" not in at.kinds()


async def test_metrics_name_what_was_written(http: aiohttp.ClientSession, at: Bench) -> None:
    rows = await at.stream(a_plan())
    async with http.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    label = 'write="save_then_publish"'
    for name in ("chunks_published", "chunks_saved"):
        assert f"chunk7_producer_{name}_total{{{label}}} {len(rows)}.0" in lines
    publishes = "chunk7_producer_publishes_total"
    assert f'{publishes}{{receivers="none",{label}}} {len(rows)}.0' in lines
    assert f'{publishes}{{receivers="some",{label}}} 0.0' in lines
    assert f"chunk7_producer_chunk_lateness_seconds_count {len(rows)}.0" in lines
    assert any(line.startswith("chunk7_event_loop_lag_seconds_count ") for line in lines)


async def test_health_is_the_stores(tmp_path: Path) -> None:
    store = OwnStore(tmp_path)
    await store.start()
    try:
        async with (
            bench(store.url, tmp_path) as at,
            served(at.producer, "127.0.0.1", 0) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=AS_JSON) as http,
        ):
            async with http.get("/healthz") as answer:
                assert answer.status == 200
            store.kill()
            async with http.get("/healthz") as answer:
                assert answer.status == 503
                assert "gone" in await answer.text() or "went away" in await answer.text()
            await store.start()
            await until(lambda: "store_back" in at.kinds())
            async with http.get("/healthz") as answer:
                assert answer.status == 200
    finally:
        store.kill()


async def test_an_address_in_use_is_named(at: Bench) -> None:
    async with served(at.producer, "127.0.0.1", 0) as port:
        with pytest.raises(UsageError, match=f"--listen 127.0.0.1:{port}: .*EADDRINUSE"):
            async with served(at.producer, "127.0.0.1", port):
                pytest.fail("two listeners on one port")


def test_the_api_takes_the_order_of_the_wire() -> None:
    plan = a_plan()
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


async def test_a_producer_that_was_ordered_anew_is_not_led_back_to_what_went_before(
    http: aiohttp.ClientSession, at: Bench
) -> None:
    """A producer is killed and started again; a load test orders its timetable before the old one
    is resumed, which took the new one's place: all its users waited for chunks that never came."""
    old = await at.producer.take(a_plan())
    await at.producer.stop()
    new = await at.producer.take(a_plan(run="another"))
    async with http.put("/timetable", data=msgspec.json.encode(old)) as answer:
        assert (answer.status, msgspec.json.decode(await answer.read(), type=Timetable)) == (
            200,
            new,
        )
    assert at.producer.timetable is new
