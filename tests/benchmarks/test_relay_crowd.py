"""What the clients of benchmarks/relays.py count does not depend on how the bytes were cut."""

import asyncio

import pytest

from benchmarks.relay_crowd import PLAIN, Seen, _Sponge
from benchmarks.relays import RELAYS, Found, as_rows

CHUNK = b'\x81\x40{"type":"chunk","session_id":"s","message_id":"12","index":0,"text":"a"}'


@pytest.mark.parametrize("size", [1, 5, 12, 13, 71, 1_000])
def test_every_chunk_is_counted_once(size: int) -> None:
    seen = Seen()
    sponge = _Sponge(PLAIN, "s", seen, False, lambda: None)
    sponge.data_received(b'{"type":"history","messages":[]}')
    data = CHUNK * 7
    for at in range(0, len(data), size):
        sponge.data_received(data[at : at + size])
    assert seen.chunks == 7


def test_a_history_is_not_counted() -> None:
    seen, joined = Seen(), asyncio.Event()
    sponge = _Sponge(PLAIN, "s", seen, False, joined.set)
    sponge.data_received(b"HTTP/1.1 101\r\n\r\n")
    assert not joined.is_set()
    sponge.data_received(b'{"type":"history","messages":[{"message_id":"1"}]}')
    assert (seen.chunks, joined.is_set()) == (0, True)


def test_a_message_of_channels_is_its_msgpack() -> None:
    msgpack = pytest.importorskip("msgpack")
    _, channel, message = RELAYS["Channels"].publish("s1", b'{"a":1}')
    assert channel == "asgi__group__chat.s1"
    assert msgpack.unpackb(message) == {"type": "chunk", "chunk": '{"a":1}'}


def test_a_row_has_the_median_of_each_relay_and_says_who_is_missing() -> None:
    ours = [
        Found(together_us=us, idle_kib=kib) for us, kib in ((2.0, 9.0), (1.0, None), (3.0, None))
    ]
    found = {"chunk7": ours, "picows": [Found(together_us=4.0, idle_kib=28.0)]}
    together, *_, idle = as_rows(found, ["Node ws: node is not installed"])
    assert (together.chunk7, together.noise, together.peers) == (2.0, 1.0, {"picows": 4.0})
    assert (idle.chunk7, idle.peers, idle.met) == (9.0, {"picows": 28.0}, True)
    assert together.note == "Node ws: node is not installed"
