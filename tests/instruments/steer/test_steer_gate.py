"""What a gate keeps, passes and holds up, without any network: bytes in, bytes out."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy_kit import resp
from resp_kit import cut

from chunk7.instruments.steer.gate import MAX_BEHIND, MAX_KEPT, Way
from chunk7.instruments.steer.resp import Frame, ProtocolFault, Scanner


class Socket:
    """A transport that remembers what was written and whether it reads."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Word:
    """Who holds a frame."""

    def __init__(self, instead: bytes | None = None) -> None:
        self._instead = instead

    def sent(self, way: Way) -> bytes | None:
        del way
        return self._instead


class Gate:
    """A way that holds every frame whose name begins with `held`."""

    def __init__(self, held: bytes = b"none", instead: bytes | None = None) -> None:
        self.source, self.sink = Socket(), Socket()
        self.words: list[Word] = []
        self.ended: list[bytes] = []
        self.way = Way(Scanner(inline=True), self._decide, self._ended, self._no_resp)
        self.way.source = cast("asyncio.Transport", self.source)
        self.way.sink = cast("asyncio.Transport", self.sink)
        self._held, self._instead = held, instead

    def _decide(self, frame: Frame) -> Word | None:
        if not frame.parts or not frame.parts[0].startswith(self._held):
            return None
        self.words.append(Word(self._instead))
        return self.words[-1]

    def _ended(self, frame: Frame) -> None:
        self.ended.append(frame.parts[0])

    def _no_resp(self, fault: ProtocolFault) -> None:
        assert str(fault)
        self.way.give_up()

    def release(self) -> None:
        self.way.release(self.words[-1])


STREAMS = st.lists(
    st.one_of(
        st.sampled_from([b"PING\r\n", b"HOLD me\r\n", b"\r\n", resp("HOLD", "x")]),
        st.binary(max_size=20).map(lambda word: resp("SET", "k", word)),
        st.just(resp("HOLD", b"x" * (MAX_KEPT + 5))),
        st.just(resp("SET", b"x" * (MAX_KEPT + 5))),
        st.sampled_from([b"*x\r\n", b"*1\r\nnone\r\n"]),
    ),
    max_size=8,
).map(b"".join)


@given(stream=STREAMS, places=st.lists(st.integers(0, 5_000_000), max_size=6))
def test_all_comes_out_as_it_went_in_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    gate = Gate(b"HOLD")
    for piece in cut(stream, places):
        gate.way.feed(piece)
    released = 0
    while len(gate.words) > released:
        released = len(gate.words)
        gate.release()
    gate.way.end()
    assert gate.sink.written == stream


def test_nothing_of_a_held_frame_passes_and_nothing_behind_it() -> None:
    gate = Gate(b"HOLD")
    for piece in (b"PING\r\nHO", b"LD\r\nPING\r\n", b"PING\r\n"):
        gate.way.feed(piece)
    assert gate.sink.written == b"PING\r\n"
    gate.release()
    assert gate.sink.written == b"PING\r\nHOLD\r\nPING\r\nPING\r\n"


def test_what_was_held_up_comes_out_in_its_order_when_one_frame_after_the_other_is_held() -> None:
    """The rest of the piece that the second was found in came behind the next piece."""
    gate = Gate(b"HOLD")
    for piece in (b"HOLD 1\r\n", b"HOLD 2\r\nPING a\r\n", b"PING b\r\n"):
        gate.way.feed(piece)
    gate.release()
    assert gate.sink.written == b"HOLD 1\r\n"
    gate.release()
    assert gate.sink.written == b"HOLD 1\r\nHOLD 2\r\nPING a\r\nPING b\r\n"


def test_no_more_is_read_than_can_wait_behind_a_held_frame() -> None:
    gate = Gate(b"HOLD")
    gate.way.feed(b"HOLD\r\n")
    assert gate.source.reading
    gate.way.feed(b"PING\r\n" * (MAX_BEHIND // 6 + 1))
    assert not gate.source.reading
    gate.release()
    assert gate.source.reading


def test_a_gate_that_opens_does_not_read_on_while_the_other_side_takes_nothing() -> None:
    """It did, and kept in memory whatever came."""
    gate = Gate(b"HOLD")
    gate.way.feed(b"HOLD\r\n")
    gate.way.fill(True)
    gate.release()
    assert not gate.source.reading
    gate.way.fill(False)
    assert gate.source.reading


@pytest.mark.parametrize("held", [False, True])
def test_a_long_frame_is_decided_early_and_passes_as_it_comes(held: bool) -> None:
    gate = Gate(b"SET" if held else b"none")
    stream = resp("SET", b"x" * (5 * MAX_KEPT)) + b"PING\r\n"
    pieces = [stream[n : n + 65_536] for n in range(0, len(stream), 65_536)]
    for piece in pieces:
        if not gate.source.reading:
            assert gate.sink.written == b""
            gate.release()
        gate.way.feed(piece)
    assert gate.sink.written == stream
    assert gate.ended == [b"SET"]


def test_what_replaces_a_long_frame_replaces_all_of_it() -> None:
    """What was still to come of it followed the bytes that stood for it."""
    gate = Gate(b"SET", instead=b"+OK\r\n")
    stream = resp("SET", b"x" * (2 * MAX_KEPT))
    gate.way.feed(stream[: MAX_KEPT + 100])
    gate.release()
    gate.way.feed(stream[MAX_KEPT + 100 :] + b"PING\r\n")
    assert gate.sink.written == b"+OK\r\nPING\r\n"


def test_at_the_end_what_is_held_and_what_is_half_goes() -> None:
    gate = Gate(b"HOLD")
    gate.way.feed(b"HOLD 1\r\nHOLD 2\r\nHAL")
    gate.way.end()
    assert gate.sink.written == b"HOLD 1\r\nHOLD 2\r\nHAL"


def test_an_unknown_word_opens_no_gate() -> None:
    gate: Any = Gate(b"HOLD")
    gate.way.feed(b"HOLD\r\n")
    gate.way.release(Word())
    assert gate.sink.written == b""
