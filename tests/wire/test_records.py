"""A killed process loses at most what it had not flushed, and the damage is seen."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from full_disk import no_file_longer_than

from chunk7.delivery.errors import RecordError
from chunk7.wire.clock import boot_id
from chunk7.wire.recorder import Recorder, unclaimed
from chunk7.wire.records import TABLES, read_back


def recorded(folder: Path, *instants: int, close: bool = True) -> Path:
    """A clocks stream with one batch for each instant."""
    recorder = Recorder(folder, "node-1")
    for at_ns in instants:
        recorder.add("clocks", at_ns=at_ns, offset_ns=5)
        recorder.flush()
    if close:
        recorder.close()
    return folder / "node-1.clocks.arrows"


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    back = read_back(recorded(tmp_path, 1, 2))
    assert back.table.to_pylist() == [
        {"at_ns": 1, "offset_ns": 5, "uncertainty_ns": None},
        {"at_ns": 2, "offset_ns": 5, "uncertainty_ns": None},
    ]
    assert (back.process, back.boot_id, back.complete) == ("node-1", boot_id(), True)


@pytest.mark.parametrize("process", ["nodes.__main__", "producer.__main__", "loadtest.locustfile"])
def test_a_process_that_records_never_imports_what_analyses(process: str, tmp_path: Path) -> None:
    """pyarrow takes 42 MiB; pandas, which it imports at its first `pa.array`, 47, and 0.7 s."""
    program = f"""
import sys
from pathlib import Path
import chunk7.{process}
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import COLUMNS
recorder = Recorder(Path(sys.argv[1]), "p")
before = set(sys.modules)
for table, columns in COLUMNS.items():
    recorder.add_row(table, tuple("text" if kind == "string" else 1 for kind in columns.values()))
    recorder.add(table)
recorder.close()
print({{"pandas", "pyarrow"}} & set(sys.modules), sorted(set(sys.modules) - before))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "set() []\n"


def test_every_table_takes_an_empty_row(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "p")
    for table in TABLES:
        recorder.add(table)
    recorder.close()
    for table, schema in TABLES.items():
        back = read_back(tmp_path / f"p.{table}.arrows")
        assert back.table.schema.names == schema.names
        assert back.table.num_rows == 1


def test_a_whole_row_is_the_same_as_its_columns_by_name(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "p")
    recorder.add("clocks", at_ns=1, offset_ns=2, uncertainty_ns=3)
    recorder.add_row("clocks", (1, 2, 3))
    recorder.close()
    rows = read_back(tmp_path / "p.clocks.arrows").table.to_pylist()
    assert rows[0] == rows[1]


def test_an_unknown_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="clocks has no column"):
        Recorder(tmp_path, "p").add("clocks", instant=1)


def test_a_process_that_never_closed_is_seen_and_keeps_what_it_flushed(tmp_path: Path) -> None:
    back = read_back(recorded(tmp_path, 1, 2, close=False))
    assert (back.table.num_rows, back.complete) == (2, False)


def test_a_stream_cut_anywhere_gives_its_whole_batches_or_names_the_file(tmp_path: Path) -> None:
    path = recorded(tmp_path, 1, 2, 3)
    whole = path.read_bytes()
    rows = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            back = read_back(path)
        except RecordError:
            rows.append(-1)
            continue
        assert not back.complete
        rows.append(back.table.num_rows)
    assert rows == sorted(rows)
    assert set(rows) == {-1, 0, 1, 2, 3}


def test_a_flipped_bit_is_an_error_that_names_the_file_and_the_batch(tmp_path: Path) -> None:
    """It used to end the stream there, as a kill does, or to pass for another number: a run with
    an instant that nobody recorded was valid. No bit of any batch goes unseen.
    """
    path = recorded(tmp_path, 1, 2, 3)
    whole = path.read_bytes()
    [head, *begins] = [place for place in range(0, len(whole), 8) if is_mark(whole, place)]
    unseen = []
    for place in range(len(whole) - 8):
        path.write_bytes(flipped(whole, place))
        try:
            read_back(path)
        except RecordError as error:
            number = sum(begin <= place for begin in begins)
            what = f"batch {number} at byte" if number else ""
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - one of two outcomes
            assert what in str(error), place  # noqa: PT017
        else:
            unseen.append(place)
    assert (head, len(begins), unseen) == (0, 4, [])


def is_mark(whole: bytes, place: int) -> bool:
    """Whether a message or the end mark begins there."""
    return whole[place : place + 4] == b"\xff\xff\xff\xff"


def flipped(whole: bytes, place: int) -> bytes:
    """One bit of one byte changed; which one depends on the place."""
    return whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]


def test_a_flipped_bit_of_the_end_mark_is_no_end(tmp_path: Path) -> None:
    path = recorded(tmp_path, 1)
    whole = path.read_bytes()
    for place in range(len(whole) - 8, len(whole)):
        path.write_bytes(flipped(whole, place))
        try:
            assert not read_back(path).complete
        except RecordError as error:
            assert str(path) in str(error)  # noqa: PT017 - one of two outcomes


def test_any_reader_of_arrow_reads_a_record_file(tmp_path: Path) -> None:
    """Arrow has no checksums: ours are in what its readers skip."""
    with pa.ipc.open_stream(recorded(tmp_path, 1, 2)) as reader:
        assert reader.read_all()["at_ns"].to_pylist() == [1, 2]


def test_a_full_disk_takes_nothing_of_what_was_whole(tmp_path: Path) -> None:
    """A half batch used to stay, and whatever was written later came behind it: with the end mark
    of a process that was told to close, the file was no record file any more.
    """
    recorder = Recorder(tmp_path, "node-1")
    recorder.add("clocks", at_ns=1)
    recorder.flush()
    path = tmp_path / "node-1.clocks.arrows"
    size = path.stat().st_size
    recorder.add("clocks", at_ns=2)
    for end in (recorder.flush, recorder.close):
        with no_file_longer_than(size + 100), pytest.raises(OSError, match="File too large"):
            end()
        assert path.stat().st_size == size
        assert not read_back(path).complete
    recorder.add("clocks", at_ns=3)
    recorder.close()  # there is room again
    back = read_back(path)
    assert (back.table["at_ns"].to_pylist(), back.complete) == ([1, 2, 3], True)


def test_a_full_disk_leaves_no_file_without_a_head(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "node-1")
    recorder.add("clocks", at_ns=1)
    with no_file_longer_than(0), pytest.raises(OSError, match="File too large"):
        recorder.flush()
    assert list(tmp_path.iterdir()) == []
    recorder.close()
    assert read_back(tmp_path / "node-1.clocks.arrows").complete


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not arrow at all" * 10])
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.arrows"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=str(path)):
        read_back(path)


def test_a_record_file_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunk7.wire.recorder.SCHEMA_VERSION", "0")
    path = recorded(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(RecordError, match="record schema 0, not 2"):
        read_back(path)


def test_an_existing_record_is_never_overwritten(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    with pytest.raises(FileExistsError):
        recorded(tmp_path, 2)


def test_a_process_that_is_started_again_gets_a_name_without_records(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        names.append(unclaimed(tmp_path, "node-1"))
        recorder = Recorder(tmp_path, names[-1])
        recorder.add("clocks", at_ns=1)
        recorder.close()
    assert names == ["node-1", "node-1-2", "node-1-3"]
    assert unclaimed(tmp_path, "node-11") == "node-11"
    assert len(list(tmp_path.iterdir())) == 3
