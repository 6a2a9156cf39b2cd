"""Every frame survives the wire; a payload is cut exactly where its number belongs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk
from chunk7.wire.frames import (
    ChunkFrame,
    ClientFrame,
    ErrorFrame,
    FetchFrame,
    HeartbeatFrame,
    HistoryFrame,
    ResumeFrame,
    ServerFrame,
    WelcomeFrame,
    decode_chunk,
    decode_client_frame,
    decode_server_frame,
    encode,
    encode_chunk,
    encode_history,
    split_at_seq,
)

chunks = st.builds(
    Chunk,
    session_id=st.text(max_size=5),
    message_id=st.text(max_size=5),
    index=st.integers(0, 10**6),
    text=st.text(),
    final=st.booleans(),
    seq=st.integers(0, 10**9),
)


@given(chunks)
def test_a_chunk_survives(chunk: Chunk) -> None:
    assert decode_chunk(encode_chunk(chunk)) == chunk


@given(chunks, st.integers(1, 10**12))
def test_a_number_put_in_at_the_cut_is_the_chunk_numbered(chunk: Chunk, seq: int) -> None:
    head, tail = split_at_seq(chunk)
    assert head + str(seq).encode() + tail == encode_chunk(chunk.numbered(seq))


def test_the_payload_is_the_frame_that_the_client_gets() -> None:
    chunk = Chunk("s", "m", 0, "a", True, 7)
    assert decode_server_frame(encode_chunk(chunk)) == ChunkFrame("s", "m", 0, "a", True, 7)
    assert encode_chunk(chunk) == (
        b'{"type":"chunk","session_id":"s","message_id":"m","index":0,"text":"a",'
        b'"final":true,"seq":7}'
    )


@pytest.mark.parametrize(
    "frame",
    [
        WelcomeFrame("node-1", "buffered_merge", 3),
        WelcomeFrame("node-1", "buffered_merge", 3, 0.25, 60.5),
        WelcomeFrame("node-1", "buffered_merge"),
        HeartbeatFrame(3),
        ErrorFrame("store_lost", "reconnecting"),
    ],
)
def test_server_frames_survive(frame: ServerFrame) -> None:
    assert decode_server_frame(encode(frame)) == frame


@pytest.mark.parametrize("frame", [FetchFrame(1, 2), ResumeFrame(5)])
def test_client_frames_survive(frame: ClientFrame) -> None:
    assert decode_client_frame(encode(frame)) == frame


def test_a_history_frame_holds_chunks() -> None:
    frame = decode_server_frame(encode_history([Chunk("s", "m", 0, "a", False, 1)]))
    assert frame == HistoryFrame([ChunkFrame("s", "m", 0, "a", False, 1)])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"type":"history"}', b'{"type":"fetch"}'])
def test_anything_else_from_a_client_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_client_frame(raw)
