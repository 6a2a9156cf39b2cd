"""Messages from frames, without a network."""

import asyncio
import tracemalloc
from unittest.mock import Mock

import pytest
from websockets.frames import Frame, Opcode

from chunk7.nodes.transports.inbox import FEW, MOST_WAITING, Inbox


def text(payload: bytes, fin: bool = True) -> Frame:
    return Frame(Opcode.TEXT, payload, fin)


def more(payload: bytes, fin: bool = True) -> Frame:
    return Frame(Opcode.CONT, payload, fin)


async def test_messages_are_taken_in_their_order_and_none_follows_the_end() -> None:
    inbox = Inbox(Mock())
    inbox.put(text(b"one"))
    inbox.put(Frame(Opcode.BINARY, b"two"))
    inbox.end()
    assert [await inbox.take() for _ in range(3)] == ["one", b"two", None]


async def test_a_taker_waits_for_the_last_fragment() -> None:
    inbox = Inbox(Mock())
    taking = asyncio.create_task(inbox.take())
    for frame in (text("é".encode()[:1], fin=False), more("é".encode()[1:], fin=False)):
        inbox.put(frame)
        await asyncio.sleep(0)
        assert not taking.done()
    inbox.put(more(b"!"))
    assert await taking == "é!"


def test_a_text_that_is_none_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        Inbox(Mock()).put(text(b"\xff"))


async def test_a_message_in_many_fragments_takes_no_more_than_its_bytes() -> None:
    """Each was kept, up to 4,096 of a message: 100 clients with 2,200 empty ones took 26 MB."""
    inbox = Inbox(Mock())
    inbox.put(text(b"", fin=False))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10_000):
        inbox.put(more(b"", fin=False))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    inbox.put(more(b"!"))
    assert await inbox.take() == "!"
    assert after - before < 10_000


async def test_who_sends_more_than_is_taken_is_not_read_until_few_are_left() -> None:
    reading = Mock()
    inbox = Inbox(reading)
    for _ in range(MOST_WAITING + 1):
        assert not reading.pause_reading.called
        inbox.put(text(b"x"))
    reading.pause_reading.assert_called_once_with()
    for _ in range(MOST_WAITING - FEW):
        await inbox.take()
        assert not reading.resume_reading.called
    await inbox.take()
    reading.resume_reading.assert_called_once_with()
