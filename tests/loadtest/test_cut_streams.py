"""Small whole messages go past the protocol; wherever the stream is cut, the result is the same."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_kit import soon
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from chunk7.loadtest.targets.errors import Closed
from chunk7.loadtest.targets.incoming import SMALL_BYTES
from chunk7.loadtest.targets.websocket import WebSocket

pytestmark = pytest.mark.clocked


class Parts:
    """A `DeadlineSocket` that brings these, and then the end."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self.written = b""

    def read(self, deadline_s: float) -> bytes:
        return self._parts.pop(0) if self._parts else b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        pass


def frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


def text(size: int) -> bytes:
    return "ä".encode() * (size // 2) + b"x" * (size % 2)


SIZES = st.sampled_from([0, 1, 125, 126, SMALL_BYTES, SMALL_BYTES + 1, 70_000])
WHOLE = SIZES.map(lambda size: (frame(Opcode.TEXT, text(size)), [text(size)]))
IN_TWO = st.tuples(SIZES, st.booleans()).map(
    lambda drawn: (
        frame(Opcode.TEXT, text(drawn[0]), fin=False)
        + (frame(Opcode.PING, b"ping") if drawn[1] else b"")
        + frame(Opcode.CONT, b"end"),
        [text(drawn[0]) + b"end"],
    )
)
BINARY = SIZES.map(lambda size: (frame(Opcode.BINARY, b"\xff" * size), [b"\xff" * size]))
CONTROL = st.just((frame(Opcode.PONG, b"pong"), []))


def received(stream: bytes, cuts: list[int]) -> tuple[list[bytes], Closed, bytes]:
    """The messages, the end, and what was sent."""
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(places) if b > a]
    raw: Any = Parts(parts)
    protocol = ClientProtocol(parse_uri("ws://h/"), state=State.OPEN, max_size=None)
    connection = WebSocket(raw, protocol)
    messages: list[bytes] = []
    try:
        while True:
            messages += map(bytes, connection.receive(soon()))
    except Closed as closed:
        return messages, closed, raw.written


@given(st.lists(WHOLE | IN_TWO | BINARY | CONTROL, max_size=6), st.lists(st.integers(0, 400_000)))
def test_the_same_messages_come_wherever_the_stream_is_cut(
    sent: list[tuple[bytes, list[bytes]]], cuts: list[int]
) -> None:
    stream = b"".join(part for part, _ in sent)
    messages, closed, _ = received(stream, cuts)
    assert messages == [message for _, those in sent for message in those]
    assert closed.code == 1006


def test_also_if_it_comes_byte_by_byte() -> None:
    stream = frame(Opcode.TEXT, text(200)) * 2 + frame(Opcode.CLOSE, b"\x03\xf4drain")
    messages, closed, _ = received(stream, [*range(len(stream))])
    assert messages == [text(200)] * 2
    assert (closed.code, closed.reason) == (1012, "drain")


def test_a_text_within_a_fragmented_message_is_wrong_however_small() -> None:
    stream = frame(Opcode.TEXT, b"begun", fin=False) + frame(Opcode.TEXT, b"whole")
    messages, closed, written = received(stream, [])
    assert (messages, closed.code) == ([], 1002)
    assert written  # the close frame


def test_nothing_after_a_close_is_a_message() -> None:
    stream = frame(Opcode.CLOSE, b"\x03\xe8") + frame(Opcode.TEXT, b"late")
    assert received(stream, [])[0] == []
