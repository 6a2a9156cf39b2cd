from pathlib import Path

import pytest

from chunk7.delivery.chunk import Chunk, digest
from chunk7.loadtest.targets.reader import BadFrame, Reader
from chunk7.wire.frames import (
    ErrorFrame,
    FetchFrame,
    HeartbeatFrame,
    WelcomeFrame,
    decode_client_frame,
    encode,
    encode_chunk,
    encode_history,
)
from chunk7.wire.recorder import Recorder
from chunk7.wire.records import read_back
from chunk7.wire.tables import Via

Receipt = tuple[int, int, int, int, int]


def chunk(seq: int, text: str = "word") -> Chunk:
    return Chunk("s", "m", seq - 1, text, False, seq)


def receipt(seq: int, via: int, at_ns: int) -> Receipt:
    return (5, seq, digest("m", seq - 1, "word", False), via, at_ns)


def make_reader(fills_gaps: bool = False) -> tuple[Reader, list[Receipt]]:
    receipts: list[Receipt] = []
    return Reader(5, lambda *row: receipts.append(row), fills_gaps), receipts


def test_every_receipt_is_kept_as_it_came_duplicates_and_disorder_included() -> None:
    reader, receipts = make_reader()
    frames = [
        encode_chunk(chunk(3)),
        encode_history([chunk(1), chunk(2), chunk(3)]),
        encode(WelcomeFrame("node-1", "subscribe_then_history")),
        encode_chunk(chunk(4)),
        encode_chunk(chunk(4)),
    ]
    assert [reader.take(frame, at_ns) for at_ns, frame in enumerate(frames)] == [None] * 5
    assert receipts == [
        receipt(3, Via.LIVE, 0),
        receipt(1, Via.HISTORY, 1),
        receipt(2, Via.HISTORY, 1),
        receipt(3, Via.HISTORY, 1),
        receipt(4, Via.LIVE, 3),
        receipt(4, Via.LIVE, 4),
    ]
    assert (reader.history_ns, reader.welcome_ns, reader.last_receipt_ns) == (1, 2, 4)


def test_a_hole_is_fetched_once_and_its_answer_is_marked() -> None:
    reader, receipts = make_reader(fills_gaps=True)
    assert reader.take(encode_history([chunk(1)]), 0) is None
    wish = reader.take(encode_chunk(chunk(4)), 1)
    assert wish is not None
    frame = decode_client_frame(wish)
    assert (frame.from_seq, frame.to_seq) == (2, 3)  # type: ignore[union-attr]
    assert reader.take(encode_chunk(chunk(5)), 2) is None
    assert reader.take(encode_history([chunk(2), chunk(3)]), 3) is None
    assert [(row[1], row[3]) for row in receipts] == [
        (1, Via.HISTORY),
        (4, Via.LIVE),
        (5, Via.LIVE),
        (2, Via.FETCH),
        (3, Via.FETCH),
    ]
    assert reader.fetches == 1
    assert reader.gaps.missing() is None


def test_a_heartbeat_reveals_a_hole_at_the_tail() -> None:
    reader, _ = make_reader(fills_gaps=True)
    reader.take(encode_history([chunk(1)]), 0)
    assert reader.take(encode(HeartbeatFrame(3)), 1) is not None
    assert reader.heartbeats == 1


def test_nothing_is_fetched_before_the_history_has_come() -> None:
    reader, _ = make_reader(fills_gaps=True)
    assert reader.take(encode_chunk(chunk(7)), 0) is None
    assert reader.take(encode_history([chunk(n) for n in range(1, 7)]), 1) is None
    assert reader.fetches == 0


def test_a_client_that_does_not_fill_gaps_still_knows_of_them() -> None:
    reader, _ = make_reader()
    reader.take(encode_history([chunk(1)]), 0)
    assert reader.take(encode_chunk(chunk(4)), 1) is None
    assert reader.gaps.missing() == (2, 3)


def test_an_altered_chunk_has_another_digest() -> None:
    reader, receipts = make_reader()
    reader.take(encode_chunk(chunk(1, "word")), 0)
    reader.take(encode_chunk(chunk(1, "ward")), 0)
    assert receipts[0][2] != receipts[1][2]


def test_the_last_error_frame_is_kept() -> None:
    reader, _ = make_reader()
    reader.take(encode(ErrorFrame("store_lost", "trying again")), 0)
    assert reader.error == "store_lost: trying again"


@pytest.mark.parametrize("payload", [b"", b"{", b'{"type":"song"}', b'{"type":"heartbeat"}'])
def test_what_is_no_frame_is_refused(payload: bytes) -> None:
    reader, _ = make_reader()
    with pytest.raises(BadFrame, match=r"^bad frame: "):
        reader.take(payload, 0)


def test_another_epoch_makes_a_client_ask_for_what_it_took_for_what_it_had() -> None:
    reader, _ = make_reader(fills_gaps=True)
    reader.take(encode_history([chunk(1), chunk(2)]), 0)
    assert reader.take(encode(HeartbeatFrame(2, "e1")), 1) is None
    assert reader.take(encode_chunk(chunk(1, "of the new life")), 2) is None
    fetch = reader.take(encode(HeartbeatFrame(2, "e2")), 3)
    assert fetch is not None
    assert decode_client_frame(fetch) == FetchFrame(1, 2)


def test_the_welcome_says_which_epoch_its_head_is_of() -> None:
    """Heartbeats alone said it: a connection that broke before its first could not say, as it came
    back, what its numbers were of, and one that came to another epoch asked for nothing."""
    reader, _ = make_reader(fills_gaps=True)
    reader.take(encode_history([chunk(1), chunk(2)]), 0)
    reader.take(encode(WelcomeFrame("node-1", "sequence_gap_fill", 2, epoch="e1")), 1)
    assert (reader.gaps.epoch, reader.gaps.resume_after) == ("e1", 2)
    reader.rejoin()
    assert reader.take(encode_history([]), 2) is None
    fetch = reader.take(encode(WelcomeFrame("node-1", "sequence_gap_fill", 2, epoch="e2")), 3)
    assert fetch is not None
    assert decode_client_frame(fetch) == FetchFrame(1, 2)


def test_told_of_another_epoch_before_its_history_it_asks_for_nothing_twice() -> None:
    """A resume in another epoch is answered with everything."""
    reader, _ = make_reader(fills_gaps=True)
    reader.take(encode_history([chunk(1), chunk(2)]), 0)
    reader.take(encode(HeartbeatFrame(2, "e1")), 1)
    reader.rejoin()
    frames = [HeartbeatFrame(0, "e2"), WelcomeFrame("node-1", "sequence_gap_fill", 2)]
    answers = [reader.take(encode(frames[0]), 2)]
    answers += [reader.take(encode_history([chunk(1), chunk(2)]), 3)]
    answers += [reader.take(encode(frames[1]), 4)]
    assert answers == [None] * 3
    assert reader.gaps.resume_after == 2


def test_a_number_that_no_record_holds_ends_the_connection_not_the_recording(
    tmp_path: Path,
) -> None:
    """It was noticed when the second's rows were written, which then were lost with it."""
    recorder = Recorder(tmp_path, "locust")
    reader = Reader(5, recorder.add_receipt, fills_gaps=False)
    reader.take(encode_chunk(chunk(1)), 7)
    with pytest.raises(BadFrame, match=r"^bad frame: no chunk has the number 2147483648$"):
        reader.take(encode_chunk(chunk(2**31)), 8)
    reader.take(encode_chunk(chunk(2)), 9)
    recorder.close()
    table = read_back(tmp_path / "locust.receipts.arrows").table
    assert [*zip(*table.to_pydict().values(), strict=True)] == [
        receipt(1, Via.LIVE, 7),
        receipt(2, Via.LIVE, 9),
    ]
