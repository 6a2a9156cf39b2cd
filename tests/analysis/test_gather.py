"""Raw records of living, killed and foreign processes."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from story import CELL, MS, START_MS, Story, content, ns

from chunk7.analysis import gather as module
from chunk7.analysis.gather import RecordedProcess, gather
from chunk7.analysis.manifest import NAME
from chunk7.analysis.run_folder import load_run
from chunk7.delivery.errors import RecordError
from chunk7.wire import recorder
from chunk7.wire.plan import Cell
from chunk7.wire.recorder import Recorder
from chunk7.wire.records import TABLES
from chunk7.wire.tables import Via


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, [(11, 1)])
    story.join(1, leaves={"live_count": 1})
    return story


def ends(folder: Path) -> dict[str, bool]:
    return {process.process: process.complete for process in gather(folder)}


def test_every_table_is_written_with_the_process_that_recorded_it(story: Story) -> None:
    story.healthy("node")
    processes = gather(story.end())
    assert [(p.process, p.part, p.complete, p.aligned) for p in processes] == [
        ("locust", "loadtest", True, True),
        ("node", "node", True, True),
        ("producer", "producer", True, True),
    ]
    run = load_run(story.folder)
    assert run.published["process"].tolist() == ["producer"]
    assert run.joins[["process", "live_count"]].values.tolist() == [["node", 1]]
    assert run.connections[["process", "closed_ns"]].values.tolist() == [["locust", ns(5_000)]]
    assert run.health["process"].tolist() == ["node"]
    assert not list(story.folder.glob("*.partial"))


def test_receipts_are_lists_of_their_connection_in_the_order_received(story: Story) -> None:
    story.connection(2, [(14, 3), (13, 2, Via.HISTORY), (12, 1, Via.FETCH, 5)], process="locust-2")
    gather(story.end())
    table = pq.read_table(story.folder / "connections.parquet").to_pylist()
    assert [[row[f"receipt_{name}"] for name in module.RECEIPT_COLUMNS] for row in table] == [
        [[1], [content(1)], [Via.LIVE], [ns(11)]],
        [
            [3, 2, 1],
            [content(3), content(2), 5],
            [Via.LIVE, Via.HISTORY, Via.FETCH],
            [ns(14), ns(13), ns(12)],
        ],
    ]


def test_receipts_of_many_flushes_and_processes_stay_with_their_connection(story: Story) -> None:
    story.connection(2, end=False, process="locust-2")
    for seq in (1, 2, 3):
        for connection, process in ((1, "locust"), (2, "locust-2")):
            row = (connection, seq, connection, Via.LIVE, ns(20 + seq))
            story.of(process).add_row("receipts", row)
            story.of(process).flush()
    gather(story.end())
    (batch,) = load_run(story.folder).receipts()
    assert batch.offsets.tolist() == [0, 4, 7]
    assert batch.seq.tolist() == [1, 1, 2, 3, 1, 2, 3]
    assert batch.digest.tolist() == [content(1), 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("receipts", "connections"), [(2, 100), (1_000, 2), (1, 1)])
def test_groups_are_of_one_cell_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receipts: int, connections: int
) -> None:
    monkeypatch.setattr(module, "RECEIPTS_PER_GROUP", receipts)
    monkeypatch.setattr(module, "CONNECTIONS_PER_GROUP", connections)
    story = Story(tmp_path / "run", cells=[CELL, Cell("buffered_merge", "atomic_lua")])
    for number in range(7):
        story.connection(number, [(11, seq) for seq in range(number)], cell=number % 2)
    gather(story.end())
    run = load_run(story.folder)
    batches = list(run.receipts())
    sizes = [len(batch.offsets) - 1 for batch in batches]
    assert sum(sizes) == 7
    assert max(sizes) <= connections
    for batch, size in zip(batches, sizes, strict=True):
        rows = run.connections.iloc[batch.first_row : batch.first_row + size]
        assert rows["cell"].nunique() == 1
        assert batch.offsets[-1] <= receipts or size == 1
        counts = [len(range(number)) for number in rows["connection_id"]]
        assert (batch.offsets[1:] - batch.offsets[:-1]).tolist() == counts


@pytest.mark.parametrize(("at_once", "rows"), [(1, 1), (3, 2), (7, 100)])
def test_sorting_a_part_at_a_time_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, rows: int
) -> None:
    monkeypatch.setattr(module, "RECEIPTS_PER_GROUP", 2)
    story = Story(tmp_path / "run")
    for number in (3, 1, 2, 5, 4):
        story.connection(number, open_ms=10 - number, process=f"locust-{number % 2}")
    for seq in range(1, 6):
        for number in range(1, seq + 1):
            row = (number, seq, 10 * number + seq, Via.LIVE, ns(20 + seq))
            story.of(f"locust-{number % 2}").add_row("receipts", row)
            story.of(f"locust-{number % 2}").flush()
    gather(story.end())
    path = story.folder / "connections.parquet"
    expected = pq.read_table(path)
    assert [len(seqs) for seqs in expected["receipt_seq"].to_pylist()] == [1, 2, 3, 4, 5]
    monkeypatch.setattr(module, "RECEIPTS_AT_ONCE", at_once)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows)
    path.unlink()
    gather(story.folder)
    assert pq.read_table(path).equals(expected)


def test_a_process_that_was_killed_is_named_and_what_it_flushed_is_used(story: Story) -> None:
    assert ends(story.end("node")) == {"locust": True, "node": False, "producer": True}
    assert len(load_run(story.folder).joins) == 1


@pytest.mark.parametrize("size", [0, 1, 4, 7, 8, 50])
def test_a_process_killed_before_its_head_was_written_is_cut_short(story: Story, size: int) -> None:
    story.end()
    path = story.folder / "raw" / "node.joins.arrows"
    path.write_bytes(path.read_bytes()[:size])
    assert ends(story.folder)["node"] is False
    assert len(load_run(story.folder).joins) == 0


def test_a_file_cut_in_a_batch_is_used_up_to_the_last_whole_one(story: Story) -> None:
    story.of("producer").flush()
    story.chunk(2, 20)
    story.end()
    path = story.folder / "raw" / "producer.published.arrows"
    path.write_bytes(path.read_bytes()[:-40])
    assert ends(story.folder)["producer"] is False
    assert load_run(story.folder).published["seq"].tolist() == [1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("node.joins.arrows", b"hello, this is no arrow", "not a record file"),
        ("node.joins.arrows", b"hi", "not a record file"),
        ("node.lunches.arrows", b"", "no table is called 'lunches'"),
        ("joins.arrows", b"", "not a record file"),
    ],
)
def test_a_foreign_file_is_named(story: Story, name: str, content: bytes, message: str) -> None:
    story.end()
    path = story.folder / "raw" / name
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message) as error:
        gather(story.folder)
    assert str(path) in str(error.value)


def test_a_file_with_another_tables_columns_is_named(story: Story) -> None:
    story.end()
    raw = story.folder / "raw"
    (raw / "node.joins.arrows").rename(raw / "node.health.arrows")
    with pytest.raises(RecordError, match=r"node\.health\.arrows: its columns are not"):
        gather(story.folder)


def test_a_folder_without_records_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is no run folder"):
        gather(tmp_path)


def test_an_empty_raw_folder_gathers_empty_tables(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    assert gather(story.folder) == []
    run = load_run(story.folder)
    assert len(run.published) == len(run.joins) == len(run.connections) == 0
    assert list(run.receipts()) == []


def test_a_connection_id_used_twice_is_contradictory(story: Story) -> None:
    story.connection(1)
    with pytest.raises(RecordError, match="used twice"):
        gather(story.end())


def test_receipts_of_a_connection_never_opened_are_contradictory(story: Story) -> None:
    story.of("locust").add_row("receipts", (9, 1, 1, Via.LIVE, ns(1)))
    with pytest.raises(RecordError, match="1 receipts of connections never opened"):
        gather(story.end())


def test_a_connection_that_the_proxy_tried_twice_has_the_last_join(story: Story) -> None:
    story.join(1, process="second", accepted_ns=ns(1))
    gather(story.end())
    assert load_run(story.folder).joins["node"].tolist() == ["second"]


# --- reading the gathered folder -----------------------------------------------------------


def test_a_folder_without_a_manifest_is_no_run_folder(story: Story) -> None:
    gather(story.end())
    (story.folder / NAME).unlink()
    with pytest.raises(RecordError, match="is no run folder"):
        load_run(story.folder)


def test_a_damaged_table_is_named(story: Story) -> None:
    gather(story.end())
    path = story.folder / "joins.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RecordError, match=r"joins\.parquet: cannot be read"):
        load_run(story.folder)


def test_a_foreign_table_is_named(story: Story) -> None:
    gather(story.end())
    pq.write_table(pa.table({"a": [1]}), story.folder / "joins.parquet")
    with pytest.raises(RecordError, match=r"joins\.parquet: not a table of schema 1"):
        load_run(story.folder)


def test_a_folder_not_gathered_yet_is_refused(story: Story) -> None:
    with pytest.raises(RecordError, match=r"not gathered yet: run `chunk7 report"):
        load_run(story.end())


# --- clocks --------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(story: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    """A story in which the node runs on another host."""
    monkeypatch.setattr(recorder, "boot_id", lambda: "elsewhere")
    story.recorders["node"] = Recorder(story.folder / "raw", "node")
    story.join(1)
    return story


def clock(story: Story, process: str, offset_ms: float, uncertainty_ms: float = 0.1) -> None:
    story.of(process).add(
        "clocks",
        at_ns=ns(0),
        offset_ns=round(offset_ms * MS),
        uncertainty_ns=round(uncertainty_ms * MS),
    )


def aligned(processes: list[RecordedProcess]) -> dict[str, Any]:
    return {p.process: p.shift_ns / MS if p.aligned else None for p in processes}


def test_one_hosts_clock_is_used_as_it_is(story: Story) -> None:
    clock(story, "node", 1_000)
    assert aligned(gather(story.end())) == {"locust": 0, "node": 0, "producer": 0}


def test_several_hosts_are_shifted_to_the_stores_clock(elsewhere: Story) -> None:
    clock(elsewhere, "producer", 1_000)
    clock(elsewhere, "node", 3_000, uncertainty_ms=2)
    clock(elsewhere, "node", 3_001, uncertainty_ms=1)
    processes = gather(elsewhere.end())
    assert aligned(processes) == {"locust": 1_000, "node": 3_001, "producer": 1_000}
    run = load_run(elsewhere.folder)
    assert run.joins["read_sent_ns"].tolist() == [ns(2 + 3_001)]
    assert run.connections["opening_ns"].tolist() == [ns(1_000)]
    assert next(run.receipts()).at_ns.tolist() == [11 * MS]
    assert run.origin_ns == (START_MS + 1_000) * MS


def test_a_host_without_an_offset_is_not_aligned(elsewhere: Story) -> None:
    clock(elsewhere, "producer", 1_000)
    assert aligned(gather(elsewhere.end())) == {"locust": 1_000, "node": None, "producer": 1_000}


def test_what_is_null_stays_null(story: Story) -> None:
    story.connection(2, history_ns=None)
    gather(story.end())
    run = load_run(story.folder)
    history = run.instants(run.connections, "history_ns")
    assert history[0] == 2 * MS
    assert str(history[1]) == "nan"


def test_a_killed_load_generator_is_known_up_to_its_last_receipt(story: Story) -> None:
    story.of("locust").add_row("receipts", (1, 2, 2, Via.LIVE, ns(7_000)))
    processes = {p.process: p.known_until_ns for p in gather(story.end("locust"))}
    assert processes == {"locust": ns(7_000), "node": None, "producer": None}


def test_every_record_table_has_a_part_or_is_everybodys() -> None:
    others = {"receipts", "closed", "health", "clocks", "events", *module._SETTLED}
    assert set(TABLES) - set(module._PARTS) == others
