"""A timetable is kept whatever the store does, and what happened is written down."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from producer_kit import OwnStore, a_plan, bench, listening, planned, until

from chunk7.delivery.chunk import history_key, stream_key
from chunk7.producer import journal, streaming
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.records import read_back
from chunk7.wire.store.store import SCRIPT_CALLS

pytestmark = pytest.mark.clocked


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[OwnStore]:
    """A store of the test's own, not started yet."""
    store = OwnStore(tmp_path)
    yield store
    store.kill()


async def test_cells_stream_the_same_chunks_one_after_the_other(
    store_url: str, tmp_path: Path
) -> None:
    plan = a_plan(cells=[Cell("a", "atomic_lua"), Cell("b", "stream_append")], settle_ms=100)
    async with bench(store_url, tmp_path) as at:
        rows = await at.stream(plan)
        timetable = at.producer.timetable
        assert timetable is not None
        assert at.kinds().count("order") == at.kinds().count("order_done") == 1
    cells = [[row for row in rows if row["cell"] == cell] for cell in (0, 1)]
    assert {row["write"] for row in cells[1]} == {"stream_append"}
    intended = [
        {(row["session_id"][-1], row["seq"]): row["intended_ns"] for row in cell} for cell in cells
    ]
    assert {chunk: at_ns + 400_000_000 for chunk, at_ns in intended[0].items()} == intended[1]
    for plan in timetable.sessions:
        of_session = [row for row in rows if row["session_id"] == plan.session_id]
        assert len(of_session) == plan.chunks
        assert of_session[-1]["intended_ns"] == timetable.epoch_ns + round(plan.end_ms * 1e6)


async def test_the_memory_of_every_cell_is_what_the_store_says(
    store_url: str, tmp_path: Path
) -> None:
    cells = [Cell("a", "atomic_lua"), Cell("b", "stream_append")]
    plan = a_plan(cells=cells, settle_ms=1_000)
    async with bench(store_url, tmp_path, max_entries=5) as at:
        rows = await at.stream(plan)
        measured = [json.loads(e["detail"]) for e in at.rows("events") if e["kind"] == "memory"]
        for cell, key_of in ((0, history_key), (1, stream_key)):
            sizes = [
                await at.connection.store.link.send(
                    "MEMORY", "USAGE", key_of(f"r-{cell}-{session}")
                )
                for session in (0, 1)
            ]
            chunks = sum(row["cell"] == cell for row in rows)
            found = {"run": "r", "cell": cell, "bytes": sum(sizes), "chunks": chunks}
            assert measured[cell] == found
        assert await at.connection.store.link.send("XLEN", stream_key("r-1-0")) == 5
        done = at.kinds().index("order_done")
        assert at.kinds()[done + 1 :].count("memory") == 1


async def test_the_commands_of_every_cell_are_what_crossed_the_wire(
    store_url: str, tmp_path: Path
) -> None:
    cells = [Cell("c", write) for write in sorted(WRITE_ORDERINGS)]
    plan = a_plan(cells=cells, settle_ms=600)
    async with bench(store_url, tmp_path) as at, listening(store_url, "elsewhere"):
        rows = await at.stream(plan)
        counted = [json.loads(e["detail"]) for e in at.rows("events") if e["kind"] == "commands"]
    assert [event["cell"] for event in counted] == list(range(len(cells)))
    chunks = sum(row["cell"] == 0 for row in rows)
    assert chunks > 20
    for event, cell in zip(counted, cells, strict=True):
        ours = {name: n for name, n in event["calls"].items() if name not in ("info", "memory")}
        assert ours.pop("set") == plan.sessions  # each begins its epoch
        assert ours == {name: n * chunks for name, n in CALLS_PER_CHUNK[cell.write].items()}


CALLS_PER_CHUNK = {
    "atomic_lua": {"evalsha": 1} | SCRIPT_CALLS,
    "atomic_multi": {"incr": 1, "multi": 1, "rpush": 1, "pexpire": 2, "publish": 1, "exec": 1},
    "publish_then_save": {
        "incr": 1, "publish": 1, "multi": 1, "rpush": 1, "pexpire": 2, "exec": 1,
    },
    "save_then_publish": {
        "incr": 1, "multi": 1, "rpush": 1, "pexpire": 2, "exec": 1, "publish": 1,
    },
    "stream_append": {"incr": 1, "multi": 1, "xadd": 1, "pexpire": 1, "exec": 1},
}  # fmt: skip


async def test_commands_are_not_counted_when_the_store_began_to_count_anew(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan())
        await until(lambda: at.journal.totals.chunks >= 5)
        await at.connection.store.link.send("CONFIG", "RESETSTAT")
        await at.producer.finished()
        assert "commands" not in at.kinds()
    assert "commands of cell 0 were not counted: the store's count was reset" in caplog.text


async def test_memory_is_not_measured_into_the_next_cell(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = a_plan(duration_ms=300, settle_ms=0, save_lag_ms=100.0)
    async with bench(store_url, tmp_path) as at:
        await at.stream(plan)
        assert not {"memory", "commands"} & set(at.kinds())
    assert "memory of cell 0 was not measured: the settle time was too short" in caplog.text
    assert "commands of cell 0 were not counted: the settle time was too short" in caplog.text


async def test_publications_that_reach_nobody_are_counted_and_warned_of(
    store_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = a_plan()
    async with bench(store_url, tmp_path) as at, listening(store_url, "r-0-1"):
        await at.stream(plan)
        unheard = [e for e in at.rows("events") if e["kind"] == "no_receivers"]
        count = len(planned(plan))
        assert {event["session_id"] for event in unheard} == {"r-0-0"}
        assert sum(int(event["detail"]) for event in unheard) == count
        assert at.journal.totals.without_receivers == count
        sample = at.journal.metrics.registry.get_sample_value(
            "chunk7_producer_publishes_total", {"write": "save_then_publish", "receivers": "none"}
        )
        assert sample == count
    assert f"PUBLISH reached 0 receivers {count} times" in caplog.text


async def test_a_new_order_stops_the_current_one(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan(run="old", duration_ms=10_000))
        await until(lambda: at.journal.totals.chunks >= 5)
        rows = await at.stream(a_plan(run="new"))
    last_old = max(row["started_ns"] for row in rows if row["session_id"].startswith("old"))
    first_new = min(row["started_ns"] for row in rows if row["session_id"].startswith("new"))
    assert last_old < first_new
    assert sum(row["session_id"].startswith("new-0-0") for row in rows) == len(
        planned(a_plan(run="new"))
    )


async def test_the_records_say_which_order_was_stopped(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan(run="old", duration_ms=10_000))
        await until(lambda: at.journal.totals.chunks >= 5)
        await at.stream(a_plan(run="new", settle_ms=50))
        told = [
            (row["kind"], row["detail"])
            for row in at.rows("events")
            if row["kind"] in ("order_done", "order_stopped")
        ]
    assert told == [("order_stopped", "old"), ("order_done", "new")]


async def test_an_order_is_on_disk_before_its_first_chunk(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan(run="r", lead_ms=600_000))
        await until((tmp_path / "producer.events.arrows").exists)
        [event] = at.rows("events")
        plan = msgspec.json.decode(event["detail"], type=Plan)
    assert (event["kind"], plan.run, plan.number) == ("order", "r", 1)


async def test_a_chunk_that_is_abandoned_is_written_down(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STOP_WITHIN_S", 0.01)
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan(save_lag_ms=10_000.0))
        await until(lambda: at.journal.under_way >= 5)
        await at.producer.stop()
        rows = at.rows("published")
        assert at.journal.under_way == 0
    assert len(rows) >= 5
    for row in rows:
        assert row["error"].startswith("abandoned")
        assert row["save_done_ns"] is not None
        assert row["publish_sent_ns"] is None


async def test_the_store_may_die_and_come_back(own_store: OwnStore, tmp_path: Path) -> None:
    await own_store.start()
    plan = a_plan(sessions=1, duration_ms=4_000)
    async with bench(own_store.url, tmp_path) as at:
        totals = at.journal.totals
        await at.producer.take(plan)
        await until(lambda: totals.saved >= 20)
        own_store.kill()
        await until(lambda: totals.errors >= 20)
        await own_store.start()
        saved = totals.saved
        await until(lambda: totals.saved >= saved + 20)
        await at.producer.finished()
        rows = at.rows("published")
        kinds = [kind for kind in at.kinds() if kind != "no_receivers"]
        history = await at.connection.store.history("r-0-0")
    assert kinds == ["order", "store_lost", "store_back", "store_replaced", "order_done", "memory"]
    assert len(rows) == len(planned(plan))
    failed = [row["error"] is not None for row in rows]
    first, last = failed.index(True), len(failed) - failed[::-1].index(True)
    assert all(failed[first:last])
    assert not any(failed[:first] + failed[last:])
    assert len(history) == len(failed) - last
    assert all(
        row["save_done_ns"] is None or row["publish_done_ns"] is None for row in rows[first:last]
    )


async def test_the_lua_script_is_there_again_after_a_restart(
    own_store: OwnStore, tmp_path: Path
) -> None:
    await own_store.start()
    plan = a_plan(cells=[Cell("c", "atomic_lua")], sessions=1, duration_ms=3_000)
    async with bench(own_store.url, tmp_path) as at:
        totals = at.journal.totals
        await at.producer.take(plan)
        await until(lambda: totals.saved >= 5)
        own_store.kill()
        await until(lambda: totals.errors >= 5)
        await own_store.start()
        saved = totals.saved
        await until(lambda: totals.saved >= saved + 5)


async def test_hundreds_of_sessions_are_streamed_whole(store_url: str, tmp_path: Path) -> None:
    plan = a_plan(sessions=300, chunk_rate=5.0, duration_ms=1_500)
    async with bench(store_url, tmp_path) as at:
        rows = await at.stream(plan)
        assert at.producer.timetable is not None
        plans = at.producer.timetable.sessions
        health = at.rows("health")
    counts = {plan.session_id: 0 for plan in plans}
    for row in rows:
        assert row["error"] is None
        counts[row["session_id"]] += 1
    assert counts == {plan.session_id: plan.chunks for plan in plans}
    assert all(row["rss_bytes"] > 0 and row["loop_lag_ms"] >= 0 for row in health)


async def test_records_are_complete_once_closed(store_url: str, tmp_path: Path) -> None:
    async with bench(store_url, tmp_path) as at:
        await at.connection.note_clock(at.journal)
        await at.stream(a_plan())
        await asyncio.sleep(0)
    for table in ("published", "events", "health", "clocks"):
        assert read_back(tmp_path / f"producer.{table}.arrows").complete


async def test_with_faults_planned_what_is_written_is_on_disk_before_the_second_is_over(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A producer that was killed took up to a second of its records along, of all its chunks."""
    monkeypatch.setattr(journal, "FLUSH_EVERY_S", 1_000.0)
    monkeypatch.setattr(journal, "HURRIED_FLUSHES", 100_000)
    on_disk = tmp_path / "producer.published.arrows"
    async with bench(store_url, tmp_path) as at:
        await at.producer.take(a_plan(faults=("producer_kill@100ms:for=1ms",)))
        await until(lambda: on_disk.exists() and read_back(on_disk).table.num_rows > 0)
        assert at.producer.journal.may_be_killed
        await at.producer.take(a_plan())
        assert not at.producer.journal.may_be_killed
