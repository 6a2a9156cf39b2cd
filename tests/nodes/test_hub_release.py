"""A chunk of the history that is still on its way when the buffer is released comes only once.

Exploring buffered_merge x atomic_lua found it: the store hands the publication to the hub's
connection and answers the read on another, and the answer may be there first.
"""

from collections.abc import AsyncIterator

import pytest
from node_kit import frames_in

from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError
from chunk7.nodes.feeds.buffer import BufferFull
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.transports.websocket import text_frame
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.link import Link

pytestmark = pytest.mark.clocked


class Listener:
    """As much of a client as the hub needs: it keeps what it is sent."""

    def __init__(self) -> None:
        self.session_id = "s"
        self.got: list[bytes] = []
        self.writes = 0

    def write_live(self, frames: bytes, count: int = 1) -> None:
        self.got += frames_in(frames, count)
        self.writes += 1


@pytest.fixture
async def hub(store_url: str) -> AsyncIterator[Hub]:
    hub = Hub(10_000, lambda _: None, lambda _channel, _payload: None)
    link = await Link.open(store_url, on_push=hub.on_push, on_read=hub.on_read)
    await hub.connect(link)
    yield hub
    await link.close()


def payload(seq: int) -> bytes:
    return encode_chunk(Chunk("s", "m", seq - 1, "text", seq=seq))


def arrive(hub: Hub, *seqs: int) -> None:
    """Publications reach the node now, whenever they were made."""
    for seq in seqs:
        hub.on_push([b"message", stream_key("s").encode(), payload(seq)])
    hub.on_read()


def frames(*seqs: int) -> list[bytes]:
    return [text_frame(payload(seq)) for seq in seqs]


async def test_a_known_chunk_that_arrives_after_the_release_is_left_out(hub: Hub) -> None:
    listener = Listener()
    await hub.join(listener, Sink.BUFFER).confirmed
    arrive(hub, 1)
    hub.release(listener, known=frozenset({1, 2}))
    arrive(hub, 2, 3, 4)
    assert listener.got == frames(3, 4)


async def test_above_all_it_knows_a_client_goes_straight(hub: Hub) -> None:
    listener = Listener()
    subscription = hub.join(listener, Sink.BUFFER)
    await subscription.confirmed
    hub.release(listener, known=frozenset({1}))
    assert (subscription.handovers.keys(), subscription.clients) == ({listener}, set())
    arrive(hub, 2)
    assert (subscription.handovers, subscription.clients) == ({}, {listener})


async def test_what_a_client_has_said_to_have_is_not_sent_again(hub: Hub) -> None:
    """It resumed after 1; the node's subscription is behind, and the read had nothing new."""
    listener = Listener()
    await hub.join(listener, Sink.BUFFER, after_seq=1).confirmed
    hub.release(listener, known=frozenset())
    arrive(hub, 1, 2)
    assert listener.got == frames(2)


async def test_a_held_chunk_above_all_it_knows_does_not_end_the_leaving_out(hub: Hub) -> None:
    listener = Listener()
    await hub.join(listener, Sink.BUFFER).confirmed
    arrive(hub, 3)
    hub.release(listener, known=frozenset({1, 2}))
    arrive(hub, 2)
    assert listener.got == frames(3)


async def test_of_too_much_to_hold_nothing_is_sent(hub: Hub) -> None:
    listener = Listener()
    await hub.join(listener, Sink.BUFFER).confirmed
    hub.on_push(
        [b"message", stream_key("s").encode(), encode_chunk(Chunk("s", "m", 0, "x" * 9_999))]
    )
    arrive(hub, 2)
    with pytest.raises(BufferFull, match="more than 10000 bytes"):
        hub.release(listener, known=frozenset())
    assert listener.got == []


async def test_a_merging_client_holds_the_subscription_until_it_leaves(hub: Hub) -> None:
    listener = Listener()
    await hub.join(listener, Sink.BUFFER).confirmed
    hub.release(listener, known=frozenset({1}))
    with pytest.raises(OrderingError):
        hub.join(listener, Sink.CLIENT)
    assert hub.channels == 1
    hub.leave(listener)
    assert hub.channels == 0
    arrive(hub, 2)
    assert listener.got == []


async def test_chunks_of_one_read_go_out_in_one_write_a_client(hub: Hub) -> None:
    listeners = [Listener(), Listener()]
    for listener in listeners:
        await hub.join(listener, Sink.CLIENT).confirmed
    arrive(hub, 1, 2, 3)
    arrive(hub, 4)
    assert [listener.got for listener in listeners] == [frames(1, 2, 3, 4)] * 2
    assert [listener.writes for listener in listeners] == [2, 2]


async def test_who_goes_straight_in_the_middle_of_a_read_gets_each_chunk_once(hub: Hub) -> None:
    """What the read had brought for the others was written again to who came to them meanwhile."""
    straight, merging = Listener(), Listener()
    await hub.join(straight, Sink.CLIENT).confirmed
    subscription = hub.join(merging, Sink.BUFFER)
    hub.release(merging, known=frozenset({1}))
    arrive(hub, 1, 2, 3, 4)
    assert (straight.got, merging.got) == (frames(1, 2, 3, 4), frames(2, 3, 4))
    assert subscription.clients == {straight, merging}


async def test_a_client_whose_position_is_kept_gets_a_read_in_one_write(hub: Hub) -> None:
    listener = Listener()
    await hub.join(listener, Sink.BUFFER, positioned=True).confirmed
    hub.release(listener, known=frozenset())
    arrive(hub, 1, 2, 2, 3)
    assert (listener.got, listener.writes) == (frames(1, 2, 3), 1)


async def test_what_was_sent_before_a_client_goes_straight_stays_in_front(hub: Hub) -> None:
    merging, other = Listener(), Listener()
    for listener in (merging, other):
        await hub.join(listener, Sink.BUFFER).confirmed
        hub.release(listener, known=frozenset({1, 3} if listener is other else {1}))
    arrive(hub, 1, 2, 3, 4, 5)
    assert (merging.got, other.got) == (frames(2, 3, 4, 5), frames(2, 4, 5))
