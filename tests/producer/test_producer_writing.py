"""Each write ordering leaves in the store, and publishes, exactly what it says, and in order."""

from pathlib import Path
from typing import Any

import producer_kit
import pytest
from producer_kit import Bench, bench, listening, planned, until

from chunk7.delivery.chunk import Chunk, digest
from chunk7.delivery.effects import BEGINNING, NextSeq, Publish, Save, Subscribe
from chunk7.delivery.ordering import WriteOrdering, WriteSteps, write_ordering
from chunk7.producer import writing
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

INSTANTS = ("publish_sent_ns", "publish_done_ns", "save_sent_ns", "save_done_ns")
PUBSUB = [name for name in WRITE_ORDERINGS if name != "stream_append"]


def a_plan(**changed: Any) -> Plan:
    """One that ends soon after its last chunk: nothing is measured in its settle time here."""
    return producer_kit.a_plan(**{"settle_ms": 50, **changed})


def cells(name: str) -> list[Cell]:
    """One cell with a write ordering."""
    return [Cell("c", name)]


async def run_alone(
    url: str, folder: Path, name: str, **changed: Any
) -> tuple[list[dict[str, Any]], list[Chunk], list[Chunk]]:
    """One session in a write ordering: (records, history, publications)."""
    plan = a_plan(cells=cells(name), sessions=1, **changed)
    async with bench(url, folder) as at, listening(url, "r-0-0") as heard:
        rows = await at.stream(plan)
        if name == "stream_append":
            history = (await at.connection.store.stream("r-0-0", BEGINNING)).chunks
        else:
            history = await at.connection.store.history("r-0-0")
            await until(lambda: len(heard) == len(rows))
        return rows, list(history), heard


@pytest.mark.parametrize("name", WRITE_ORDERINGS)
async def test_the_store_has_exactly_the_plan(store_url: str, tmp_path: Path, name: str) -> None:
    rows, history, heard = await run_alone(store_url, tmp_path, name)
    plan = planned(a_plan(cells=cells(name), sessions=1))
    assert history == plan
    assert heard == ([] if name == "stream_append" else plan)
    assert [(row["index"], row["message_id"], row["seq"]) for row in rows] == [
        (chunk.index, chunk.message_id, chunk.seq) for chunk in plan
    ]
    for row, chunk in zip(rows, plan, strict=True):
        assert row["digest"] == digest(chunk.message_id, chunk.index, chunk.text, chunk.final)
        assert (row["cell"], row["write"], row["session_id"]) == (0, name, "r-0-0")
        assert (row["final"], row["error"]) == (chunk.final, None)
        assert row["receivers"] == (None if name == "stream_append" else 1)
        assert row["intended_ns"] <= row["started_ns"] <= min(row[name] for name in INSTANTS)


@pytest.mark.parametrize("name", ["atomic_multi", "atomic_lua", "stream_append"])
async def test_one_event_has_one_pair_of_instants(
    store_url: str, tmp_path: Path, name: str
) -> None:
    rows, _, _ = await run_alone(store_url, tmp_path, name)
    for row in rows:
        assert row["publish_sent_ns"] == row["save_sent_ns"] < row["publish_done_ns"]
        assert row["publish_done_ns"] == row["save_done_ns"]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("publish_then_save", "publish", "save"), ("save_then_publish", "save", "publish")],
)
async def test_the_lag_lies_between_the_two_writes(
    store_url: str, tmp_path: Path, name: str, first: str, second: str
) -> None:
    rows, _, _ = await run_alone(store_url, tmp_path, name, save_lag_ms=30.0)
    for row in rows:
        assert row[f"{second}_sent_ns"] - row[f"{first}_done_ns"] >= 29_000_000


@pytest.mark.parametrize("name", PUBSUB)
async def test_order_holds_at_a_high_rate_with_a_lag_longer_than_the_interval(
    store_url: str, tmp_path: Path, name: str
) -> None:
    changed = {"chunk_rate": 2_000.0, "save_lag_ms": 25.0, "duration_ms": 400, "jitter": 1.0}
    _, history, heard = await run_alone(store_url, tmp_path, name, **changed)
    plan = planned(a_plan(cells=cells(name), sessions=1, **changed))
    assert len(plan) > 500
    assert history == plan
    assert heard == plan


async def test_a_refused_write_is_a_row_with_its_error(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.connection.store.link.send("SET", "chat:history:r-0-0", "no list")
        rows = await at.stream(a_plan(sessions=1))
    for row in rows:
        assert row["error"].startswith("WRONGTYPE")
        assert row["seq"] > 0
        assert row["save_sent_ns"] is not None
        assert row["save_done_ns"] is row["publish_sent_ns"] is row["receivers"] is None


@write_ordering()
def subscribes(chunk: Chunk) -> WriteSteps:
    """Asks for what only a node can do."""
    yield Subscribe()  # type: ignore[misc]


@write_ordering()
def strays(chunk: Chunk) -> WriteSteps:
    """Publishes to somebody else's session."""
    yield Publish(Chunk("other", chunk.message_id, 0, "x", seq=1))


@write_ordering()
def miscounts(chunk: Chunk) -> WriteSteps:
    """Numbers a chunk with no number."""
    yield Save(chunk.numbered("one"))  # type: ignore[arg-type]


@write_ordering()
def fails(chunk: Chunk) -> WriteSteps:
    """Publishes, and then breaks."""
    yield Publish(chunk.numbered((yield NextSeq())))
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("ordering", "reason"),
    [
        (subscribes, "no effect of a write ordering"),
        (strays, "is no chunk of the session r-0-0"),
        (miscounts, "seq 'one' is not an integer"),
        (fails, "the ordering raised RuntimeError: broken"),
    ],
)
async def test_a_broken_ordering_is_named_in_every_row(
    store_url: str, tmp_path: Path, ordering: WriteOrdering, reason: str
) -> None:
    async with bench(store_url, tmp_path, {ordering.name: ordering}) as at:
        rows = await at.stream(a_plan(cells=cells(ordering.name), sessions=1))
    assert len(rows) == len(planned(a_plan(sessions=1)))
    for row in rows:
        assert reason in row["error"]
        assert (row["publish_done_ns"] is not None) == (ordering is fails)


async def paused(at: Bench, url: str, plan: Any, for_ms: int) -> list[dict[str, Any]]:
    """The rows of an order during which the store holds all commands for a while."""
    other = await Link.open(url)
    await at.producer.take(plan)
    await until(lambda: at.journal.totals.chunks >= 3)
    await other.send("CLIENT", "PAUSE", for_ms, "ALL")
    await at.producer.finished()
    await other.close()
    return at.rows("published")


async def test_a_slow_store_does_not_delay_the_next_chunk(store_url: str, tmp_path: Path) -> None:
    plan = a_plan(sessions=1, duration_ms=1_000)
    async with bench(store_url, tmp_path) as at:
        rows = await paused(at, store_url, plan, 300)
        timetable = at.producer.timetable
    assert timetable is not None
    plan = timetable.sessions[0]
    assert len(rows) == plan.chunks
    assert rows[-1]["intended_ns"] == timetable.epoch_ns + round(plan.end_ms * 1e6)
    assert all(row["error"] is None for row in rows)
    held = max(rows, key=lambda row: row["save_done_ns"] - row["started_ns"])
    meanwhile = [
        row for row in rows if held["started_ns"] < row["started_ns"] < held["save_done_ns"]
    ]
    assert len(meanwhile) >= 10


async def test_too_many_chunks_under_way_are_recorded_as_saturated(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_UNDER_WAY", 3)
    plan = a_plan(sessions=1, duration_ms=1_000)
    async with bench(store_url, tmp_path) as at:
        rows = await paused(at, store_url, plan, 300)
        history = await at.connection.store.history("r-0-0")
    assert len(rows) == len(planned(plan))
    refused = [row for row in rows if row["error"] is not None]
    assert len(refused) >= 10
    assert {row["error"] for row in refused} == {"producer saturated"}
    assert all(row["seq"] == 0 and row["save_sent_ns"] is None for row in refused)
    assert len(history) == len(rows) - len(refused)


async def test_numbers_start_again_at_one_in_each_session(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.stream(a_plan(sessions=3))
    store = await Store.open(store_url)
    for session in range(3):
        plan = planned(a_plan(sessions=3), session=session)
        assert list(await store.history(f"r-0-{session}")) == plan
    await store.close()
