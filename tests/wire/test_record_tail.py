"""A growing record file is read once, batch by batch, wherever the writer happens to be."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import RecordError
from chunk7.wire.clock import boot_id
from chunk7.wire.record_messages import END_MARK
from chunk7.wire.record_tail import RecordTail
from chunk7.wire.recorder import Recorder


def recorded(folder: Path, *batches: list[int], close: bool = True) -> Path:
    """A clocks stream of these instants."""
    recorder = Recorder(folder, "node-1")
    for instants in batches:
        for at_ns in instants:
            recorder.add("clocks", at_ns=at_ns, offset_ns=5)
        recorder.flush()
    if close:
        recorder.close()
    return folder / "node-1.clocks.arrows"


def instants(batches: list[pa.RecordBatch]) -> list[list[int]]:
    return [batch["at_ns"].to_pylist() for batch in batches]


BATCHES: list[list[int]] = [[1], [2, 3, 4], [5] * 200, [6]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return recorded(tmp_path_factory.mktemp("whole"), *BATCHES).read_bytes()


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("growing") / "node-1.clocks.arrows"


@given(data=st.data())
def test_wherever_it_is_cut_each_batch_is_given_once_and_in_order(
    data: st.DataObject, whole: bytes, growing: Path
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    growing.write_bytes(b"")
    tail, found = RecordTail(growing), []
    for cut in cuts:
        growing.write_bytes(whole[:cut])
        found += instants(tail.read())
        assert found == BATCHES[: len(found)]
        assert tail.complete == (cut == len(whole))
    growing.write_bytes(whole)
    assert found + instants(tail.read()) == BATCHES
    assert tail.complete
    assert tail.read() == []


def test_it_knows_whose_records_these_are(tmp_path: Path) -> None:
    tail = RecordTail(recorded(tmp_path, [1], close=False))
    assert (tail.process, tail.table, tail.boot_id) == ("node-1", "clocks", "")
    tail.read()
    assert (tail.boot_id, tail.complete) == (boot_id(), False)
    assert tail.schema is not None
    assert tail.schema.metadata[b"process"] == b"node-1"


def test_a_read_may_be_limited_and_the_rest_comes_with_the_next(tmp_path: Path) -> None:
    tail = RecordTail(recorded(tmp_path, [1], [2], [3]))
    reads = [instants(tail.read(most_bytes=1)) for _ in range(5)]
    assert reads == [[], [[1]], [[2]], [[3]], []]
    assert tail.complete


def test_a_file_that_became_another_one_is_named(tmp_path: Path) -> None:
    path = recorded(tmp_path, [1])
    tail = RecordTail(path)
    tail.read()
    other = recorded(tmp_path / "other", [7], [8], [9])
    other.rename(path)
    with pytest.raises(RecordError, match=f"{path}: was replaced"):
        tail.read()


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    path = recorded(tmp_path, [1], [2])
    tail = RecordTail(path)
    tail.read()
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(RecordError, match=f"{path}: has become shorter"):
        tail.read()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PAR1", "its head: no message begins"),
        (b"not arrow at all" * 10, "no message begins"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", "claims metadata of -1 bytes"),
        (b"\xff\xff\xff\xff\x08\0\0\0\xff\0\0\0\0\0\0\0", "not a record file"),
        (END_MARK + b"more", "something follows the end"),
    ],
)
def test_a_foreign_file_is_named_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.clocks.arrows"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=f"{path}: .*{why}|{path}: {why}"):
        RecordTail(path).read()


def test_other_columns_and_other_versions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(tmp_path, [1])
    health = path.with_name("node-1.health.arrows")
    health.write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match="its columns are not those of health"):
        RecordTail(health).read()
    monkeypatch.setattr("chunk7.wire.records.SCHEMA_VERSION", "3")
    with pytest.raises(RecordError, match="record schema 2, not 3"):
        RecordTail(path).read()
    with pytest.raises(RecordError, match="no table is called 'nothing'"):
        RecordTail(tmp_path / "node-1.nothing.arrows")


def test_bytes_changed_anywhere_are_refused_or_look_like_an_end(
    whole: bytes, tmp_path: Path
) -> None:
    """Nothing is read that was not written; a changed number used to pass for a number."""
    path = tmp_path / "node-1.clocks.arrows"
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        tail = RecordTail(path)
        try:
            found = instants(tail.read())
        except RecordError as error:
            assert str(path) in str(error)  # noqa: PT017 - one of two outcomes
        else:
            assert at >= len(whole) - 8
            assert (found, tail.complete) == (BATCHES, False)
