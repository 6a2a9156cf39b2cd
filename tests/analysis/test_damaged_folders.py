"""Whatever is wrong with a run folder: one line that names the file, or an invalid run and why.

Never a traceback of another kind, and never a number that says nothing of the damage.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from story import CELL, Story, ns

from chunk7.analysis import gather as gathering
from chunk7.analysis.results import Summary, read_summary
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import analyse
from chunk7.delivery.errors import RecordError
from chunk7.wire.plan import Cell
from chunk7.wire.tables import Via

TABLES = ("processes", "published", "joins", "connections", "health", "events", "clocks")
OTHER = Cell("buffered_merge", "atomic_lua")


def sound(folder: Path) -> Story:
    """Two cells of five chunks and three connections each; the second lost one chunk."""
    story = Story(folder, cells=[CELL, OTHER])
    for cell in (0, 1):
        session = f"s{cell}"
        for seq in range(1, 6):
            story.chunk(seq, 10 * seq, cell=cell, session_id=session)
        for number in range(3):
            got = [(10 * seq + 1, seq) for seq in range(1, 6) if (number, seq) != (1, 3)]
            story.connection(10 * cell + number, got, cell=cell, session_id=session)
            connect = story.cells[cell].connect
            story.join(10 * cell + number, connect=connect, session_id=session)
    story.healthy("producer", "node", "locust")
    story.of("node").add("clocks", at_ns=ns(0), offset_ns=5, uncertainty_ns=1)
    memory = '{"cell": 0, "bytes": 1000, "chunks": 10}'
    story.of("producer").add("events", kind="memory", at_ns=ns(9_000), detail=memory)
    return story


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A sound folder, gathered, each connection in a row group of its own, without raw/."""
    folder = tmp_path_factory.mktemp("damaged") / "run"
    sound(folder).end()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "CONNECTIONS_PER_GROUP", 1)
        summary = analyse(folder).summary
    assert summary.valid
    assert [result.chunks_lost for result in summary.results] == [1, 1]
    shutil.rmtree(folder / "raw")
    return folder, summary


@pytest.fixture
def folder(truth: tuple[Path, Summary], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(truth[0], tmp_path / "run"))


def outcome(folder: Path) -> tuple[str, str]:
    """('refused', the line), ('invalid', the reasons) or ('valid', the numbers)."""
    try:
        summary = analyse(folder).summary
    except RecordError as error:
        [line] = str(error).splitlines()
        return "refused", line.replace(str(folder), "RUN")
    if not summary.valid:
        return "invalid", "; ".join(summary.invalid_because)
    return "valid", msgspec.json.encode(summary.results).decode()


# --- bytes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_a_truncated_table_is_named(folder: Path, table: str) -> None:
    path = folder / f"{table}.parquet"
    whole = path.read_bytes()
    for size in {0, 1, 4, 12, *(len(whole) * part // 5 for part in range(1, 5)), len(whole) - 1}:
        path.write_bytes(whole[:size])
        verdict, line = outcome(folder)
        assert (verdict, f"{table}.parquet: cannot be read" in line) == ("refused", True), size


@pytest.mark.parametrize("table", TABLES)
def test_a_flipped_bit_is_named_or_changes_nothing(
    folder: Path, truth: tuple[Path, Summary], table: str
) -> None:
    """Pages have checksums; a bit that nobody reads may be anything."""
    path = folder / f"{table}.parquet"
    whole, refused = path.read_bytes(), 0
    same = ("valid", msgspec.json.encode(truth[1].results).decode())
    for place in range(7, len(whole), len(whole) // 9):
        flipped = bytes([whole[place] ^ 1 << place % 8])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        verdict = outcome(folder)
        refused += verdict != same
        assert verdict == same or verdict[0] == "refused", place
        assert verdict == same or f"{table}.parquet" in verdict[1], place
    assert refused


def test_a_row_group_damaged_after_loading_is_named(folder: Path) -> None:
    """Receipts are read when they are judged, which may be long after the rest."""
    run = load_run(folder)
    path = folder / "connections.parquet"
    group = pq.read_metadata(path).row_group(3)
    chunks = [group.column(number) for number in range(group.num_columns)]
    [instants] = [c for c in chunks if c.path_in_schema.startswith("receipt_at_ns")]
    whole = bytearray(path.read_bytes())
    assert instants.dictionary_page_offset is None
    whole[instants.data_page_offset + instants.total_compressed_size - 1] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(RecordError, match=r"connections\.parquet: cannot be read"):
        list(run.receipts())


def test_a_truncated_manifest_is_named(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes().rstrip()
    for size in {0, 1, *range(2, len(whole), 29), len(whole) - 1}:
        path.write_bytes(whole[:size])
        verdict, line = outcome(folder)
        assert (verdict, "manifest.json: not a manifest" in line) == ("refused", True), size


def test_a_truncated_summary_is_named(folder: Path) -> None:
    path = folder / "summary.json"
    whole = path.read_bytes().rstrip()
    for size in {0, 1, *range(2, len(whole), 97), len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(RecordError, match=r"summary\.json: not a summary"):
            read_summary(folder)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"[" * 100_000, b"null", b'{"schema": "1"}'],
    ids=["not UTF-8", "too deep", "null", "text"],
)
@pytest.mark.parametrize("name", ["manifest.json", "summary.json"])
def test_json_that_is_something_else_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(RecordError, match=re.escape(name)):
        (load_run if name == "manifest.json" else read_summary)(folder)


@pytest.mark.parametrize("size", [0, 9, 200, 700, -9, -1])
def test_truncated_raw_records_make_the_run_invalid(tmp_path: Path, size: int) -> None:
    story = sound(tmp_path / "run")
    path = story.end() / "raw" / "locust.receipts.arrows"
    path.write_bytes(path.read_bytes()[:size])
    verdict, why = outcome(story.folder)
    assert (verdict, "locust was cut short: its records have no end" in why) == ("invalid", True)


@pytest.mark.parametrize("name", ["producer.published", "locust.receipts", "node.joins"])
def test_a_flipped_bit_of_raw_records_is_named(tmp_path: Path, name: str) -> None:
    """They had no checksums: a changed number passed for a number, or ended the file."""
    folder = sound(tmp_path / "run").end()
    path = folder / "raw" / f"{name}.arrows"
    whole = path.read_bytes()
    for place in range(5, len(whole) - 8, len(whole) // 15):
        flipped = bytes([whole[place] ^ 1 << place % 8])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        verdict, line = outcome(folder)
        assert (verdict, line[: line.index(":")]) == ("refused", f"RUN/raw/{path.name}"), place


# --- whole files ---------------------------------------------------------------------------


def rewritten(
    table: str, change: Callable[[pa.Table], pa.Table], row_group_size: int = 1
) -> Callable[[Path], None]:
    """Read a table, change it, and write it with its metadata."""

    def damage(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        rows = pq.read_table(path)
        rows = change(rows).replace_schema_metadata(rows.schema.metadata)
        pq.write_table(rows, path, row_group_size=row_group_size)

    return damage


def without(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: rows.drop_columns([column])


def instead(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    """The column's first row replaced; its type stays."""

    def change(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(column)
        field = rows.schema.field(place)
        values = [value, *rows[column].to_pylist()[1:]]
        return rows.set_column(place, field, pa.array(values, field.type))

    return change


def as_type(column: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(column)
        return rows.set_column(place, column, rows[column].cast(kind))

    return change


def foreign_version(table: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        pq.write_table(pq.read_table(path).replace_schema_metadata({"schema": "2"}), path)

    return damage


def missing(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        assert old in whole
        (folder / name).write_bytes(whole.replace(old, new, 1))

    return damage


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def a_folder_for_a_file(folder: Path) -> None:
    (folder / "joins.parquet").unlink()
    (folder / "joins.parquet").mkdir()


def another_table(folder: Path) -> None:
    shutil.copy(folder / "published.parquet", folder / "joins.parquet")


def rows_twice(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])


FOLDERS: list[tuple[str, Callable[[Path], None], str]] = [
    ("empty", emptied, "RUN is no run folder: RUN/manifest.json"),
    ("no manifest", missing("manifest.json"), "RUN is no run folder: RUN/manifest.json"),
    *(
        (f"no {table}", missing(f"{table}.parquet"), f"RUN/{table}.parquet: cannot be read")
        for table in TABLES
    ),
    *(
        (f"{table} of version 2", foreign_version(table), f"RUN/{table}.parquet: not a table of")
        for table in TABLES
    ),
    *(
        (
            f"{table} without process",
            rewritten(table, without("process")),
            f"RUN/{table}.parquet: its columns are not those of {table}: process",
        )
        for table in TABLES
    ),
    (
        "manifest of version 2",
        replaced("manifest.json", b'"schema": 1', b'"schema": 2'),
        "RUN/manifest.json: manifest schema 2, not 1",
    ),
    (
        "manifest of version 2 and another form",
        lambda folder: (folder / "manifest.json").write_text('{"schema": 2, "cells": {}}') and None,
        "RUN/manifest.json: manifest schema 2, not 1",
    ),
    (
        "manifest with a negative settle time",
        replaced("manifest.json", b'"settle_ms": 500', b'"settle_ms": -500'),
        "RUN/manifest.json: settle_ms or duration_ms is negative",
    ),
    ("a folder for a file", a_folder_for_a_file, "RUN/joins.parquet: cannot be read"),
    ("another table's rows", another_table, "RUN/joins.parquet: its columns are not those of"),
    (
        "text for numbers",
        rewritten("published", as_type("seq", pa.string())),
        "RUN/published.parquet: its columns are not those of published: seq",
    ),
    (
        "short receipts",
        rewritten("connections", as_type("receipt_seq", pa.list_(pa.int64()))),
        "RUN/connections.parquet: its columns are not those of connections: receipt_seq",
    ),
    (
        "no cell",
        rewritten("connections", instead("cell", None)),
        "RUN/connections.parquet: has rows without cell",
    ),
    (
        "a cell out of range",
        rewritten("published", instead("cell", 2)),
        "RUN/published.parquet: contradictory records: cell 2 with publish_then_save",
    ),
    (
        "a cell below 0",
        rewritten("connections", instead("cell", -1)),
        "RUN/connections.parquet: contradictory records: cell -1 with history_then_subscribe",
    ),
    (
        "another cell's ordering",
        rewritten("connections", instead("connect", OTHER.connect)),
        "RUN/connections.parquet: contradictory records: cell 0 with buffered_merge",
    ),
    (
        "a connection twice",
        rewritten("connections", rows_twice),
        "RUN/connections.parquet: contradictory records: two rows for connection_id 0",
    ),
    (
        "a join twice",
        rewritten("joins", rows_twice),
        "RUN/joins.parquet: contradictory records: two rows for connection_id 0",
    ),
    (
        "a process twice",
        rewritten("processes", rows_twice),
        "RUN/processes.parquet: contradictory records: two rows for process locust",
    ),
    (
        "lists of unequal length",
        rewritten("connections", instead("receipt_at_ns", [ns(11)])),
        "RUN/connections.parquet: cannot be read: receipts are lists of unequal length",
    ),
    (
        "no list",
        rewritten("connections", instead("receipt_digest", None)),
        "RUN/connections.parquet: cannot be read: a receipt is null",
    ),
    (
        "a list with nothing in it",
        rewritten("connections", instead("receipt_seq", [1, None, 3, 4, 5])),
        "RUN/connections.parquet: cannot be read: a receipt is null",
    ),
    (
        "cells in one row group",
        rewritten("connections", lambda rows: rows, row_group_size=6),
        "RUN/connections.parquet: row group 0 is not of one cell",
    ),
    (
        "an event that is none",
        rewritten("events", instead("detail", "{")),
        "RUN/events.parquet: a memory event cannot be read",
    ),
    (
        "an event without detail",
        rewritten("events", instead("detail", None)),
        "RUN/events.parquet: a memory event cannot be read",
    ),
]


@pytest.mark.parametrize(
    ("damage", "line"), [case[1:] for case in FOLDERS], ids=[case[0] for case in FOLDERS]
)
def test_a_damaged_folder_is_refused(
    folder: Path, damage: Callable[[Path], None], line: str
) -> None:
    damage(folder)
    verdict, said = outcome(folder)
    assert (verdict, said[: len(line)]) == ("refused", line)


def test_a_summary_of_another_version_is_refused(folder: Path) -> None:
    replaced("summary.json", b'"schema": 1', b'"schema": 2')(folder)
    with pytest.raises(RecordError, match=r"summary\.json: summary schema 2, not 1"):
        read_summary(folder)


def test_what_a_killed_gathering_left_over_is_not_read(tmp_path: Path) -> None:
    folder = sound(tmp_path / "run").end()
    expected = outcome(folder)
    for name in (*(f"{table}.partial" for table in TABLES), "summary.json.partial"):
        (folder / name).write_bytes(b"PAR1 half of it")
    assert outcome(folder) == expected
    assert expected[0] == "valid"


@pytest.mark.parametrize("table", TABLES)
def test_a_half_gathered_folder_says_how_to_gather_it(tmp_path: Path, table: str) -> None:
    folder = sound(tmp_path / "run").end()
    assert outcome(folder)[0] == "valid"
    (folder / f"{table}.parquet").unlink()
    with pytest.raises(RecordError, match=rf"not gathered yet: run `chunk7 report {folder}`"):
        load_run(str(folder))
    assert outcome(folder)[0] == "valid"


def test_a_folder_may_be_named_by_text(folder: Path) -> None:
    assert load_run(str(folder)).folder == folder


# --- contradictory and half-written records ------------------------------------------------


def opened_twice(story: Story) -> None:
    story.connection(0, cell=0, session_id="s0", process="locust-2")


def received_before_opening(story: Story) -> None:
    story.connection(7, [(1, 1, Via.HISTORY)], cell=0, session_id="s0", open_ms=30)


def received_before_sent(story: Story) -> None:
    story.connection(7, [(9, 1)], cell=0, session_id="s0")


def received_unopened(story: Story) -> None:
    story.of("locust").add_row("receipts", (99, 1, 1, Via.LIVE, ns(11)))


def joined_unopened(story: Story) -> None:
    story.join(99)


def sent_twice(story: Story) -> None:
    story.chunk(2, 20, cell=0, session_id="s0")


def sent_twice_with_other_content(story: Story) -> None:
    story.chunk(2, 20, cell=0, session_id="s0", digest=1)


def answered_before_sent(story: Story) -> None:
    story.chunk(6, 60, cell=0, session_id="s0", publish_done_ns=ns(59))


def saved_before_sent(story: Story) -> None:
    story.chunk(6, 60, cell=0, session_id="s0", save_done_ns=ns(59))


def closed_before_opened(story: Story) -> None:
    story.connection(7, cell=0, session_id="s0", open_ms=30, closed_ns=ns(29))


def joins_end_before_they_begin(story: Story) -> None:
    story.connection(7, cell=0, session_id="s0", join_latest_ns=ns(-1))


def surer_than_sure(story: Story) -> None:
    story.of("node").add("clocks", at_ns=ns(0), offset_ns=5, uncertainty_ns=-1)


def of_no_cell(story: Story) -> None:
    story.of("locust").add("opened", connection_id=7, cell=9, connect=CELL.connect)


def nameless(story: Story) -> None:
    story.of("locust").add("opened", cell=0, connect=CELL.connect)


RECORDS: list[tuple[Callable[[Story], None], str, str]] = [
    (opened_twice, "refused", "RUN/raw: .*a connection_id was used twice"),
    (received_unopened, "refused", "RUN/raw: .*1 receipts of connections never opened"),
    (of_no_cell, "refused", r"RUN/connections\.parquet: contradictory records: cell 9"),
    (nameless, "refused", r"RUN/raw/locust\.opened\.arrows: has rows without connection_id"),
    (received_before_opening, "invalid", "1 receipts came before their connection was opened"),
    (received_before_sent, "invalid", "1 live chunks were received before they were published"),
    (joined_unopened, "invalid", "1 joins of connections that the load test did not open"),
    (sent_twice, "invalid", "1 chunks were written down twice"),
    (sent_twice_with_other_content, "invalid", "1 chunks were written down twice"),
    (answered_before_sent, "invalid", "1 published have publish_done_ns before publish_sent_ns"),
    (saved_before_sent, "invalid", "1 published have save_done_ns before save_sent_ns"),
    (closed_before_opened, "invalid", "1 connections have closed_ns before opening_ns"),
    (joins_end_before_they_begin, "invalid", "have join_latest_ns before join_earliest_ns"),
    (surer_than_sure, "invalid", "a clock was measured with an uncertainty below 0"),
]


@pytest.mark.parametrize(
    ("contradict", "verdict", "line"), RECORDS, ids=[case[0].__name__ for case in RECORDS]
)
def test_contradictory_records_are_no_valid_run(
    tmp_path: Path, contradict: Callable[[Story], None], verdict: str, line: str
) -> None:
    story = sound(tmp_path / "run")
    contradict(story)
    told, said = outcome(story.end())
    assert told == verdict
    assert re.search(line, said)


@pytest.mark.parametrize("killed", ["producer", "node", "locust"])
def test_a_killed_process_makes_the_run_invalid(tmp_path: Path, killed: str) -> None:
    verdict, why = outcome(sound(tmp_path / "run").end(killed))
    assert (verdict, f"{killed} was cut short" in why) == ("invalid", True)


def test_joins_without_any_connection_make_the_run_invalid(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.join(1)
    verdict, why = outcome(story.end())
    assert verdict == "invalid"
    assert "nobody connected" in why


@pytest.mark.parametrize("part", ["published", "opened", "joins"])
def test_records_without_one_of_their_files_are_no_valid_run(tmp_path: Path, part: str) -> None:
    folder = sound(tmp_path / "run").end()
    for path in (folder / "raw").glob(f"*.{part}.arrows"):
        path.unlink()
    verdict, said = outcome(folder)
    assert verdict in ("refused", "invalid")
    assert said


def test_an_empty_run_is_invalid(tmp_path: Path) -> None:
    verdict, why = outcome(Story(tmp_path / "run").end())
    assert verdict == "invalid"
    assert "nothing was published" in why
