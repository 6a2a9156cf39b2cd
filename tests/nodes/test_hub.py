"""The hub: who shares a channel with whom, when it is live, and when it ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from node_kit import RunningNode, StartNode, User, chunk, eventually, frames_in, subscribers

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError, StoreLost
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.transports.websocket import text_frame
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


class Listener:
    """As much of a client as the hub needs: it keeps what it is sent."""

    def __init__(self, session_id: str = "s") -> None:
        self.session_id = session_id
        self.got: list[bytes] = []

    def write_live(self, frames: bytes, count: int = 1) -> None:
        self.got += frames_in(frames, count)


class Hubs:
    """A hub on a real store, and what it complained of."""

    def __init__(self) -> None:
        self.bad: list[bytes] = []
        self.hub = Hub(10_000, lambda _: None, lambda _, payload: self.bad.append(payload))
        self.link: Link

    async def connect(self, url: str) -> None:
        self.link = await Link.open(url, on_push=self.hub.on_push, on_read=self.hub.on_read)
        await self.hub.connect(self.link)


@pytest.fixture
async def hubs(store_url: str) -> AsyncIterator[Hubs]:
    hubs = Hubs()
    await hubs.connect(store_url)
    yield hubs
    await hubs.link.close()


def frames(*seqs: int) -> list[bytes]:
    return [text_frame(encode_chunk(chunk(seq))) for seq in seqs]


async def test_first_joiners_at_the_same_moment_share_one_confirmation(
    hubs: Hubs, store: Store
) -> None:
    listeners = [Listener() for _ in range(3)]
    subscriptions = [hubs.hub.join(listener, Sink.CLIENT) for listener in listeners]
    assert not any(subscription.confirmed.done() for subscription in subscriptions)
    await asyncio.gather(*(subscription.confirmed for subscription in subscriptions))
    assert await store.publish(chunk(1)) == 1
    await eventually(lambda: all(listener.got == frames(1) for listener in listeners))


async def test_a_channel_that_is_left_and_joined_in_one_breath_is_live_from_its_own_confirmation(
    hubs: Hubs, store: Store
) -> None:
    old, new = Listener(), Listener()
    first = hubs.hub.join(old, Sink.CLIENT)
    hubs.hub.leave(old)
    second = hubs.hub.join(new, Sink.CLIENT)
    await first.confirmed
    await second.confirmed
    assert await store.publish(chunk(1)) == 1
    await eventually(lambda: new.got == frames(1))
    assert old.got == []


async def test_a_message_before_its_own_confirmation_belongs_to_a_subscription_that_is_over(
    hubs: Hubs, store: Store
) -> None:
    old, new = Listener(), Listener()
    await hubs.hub.join(old, Sink.CLIENT).confirmed
    publishing = asyncio.ensure_future(store.publish(chunk(1)))
    await asyncio.sleep(0)  # it is written, ahead of what follows
    hubs.hub.leave(old)
    await publishing
    second = hubs.hub.join(new, Sink.CLIENT)
    await second.confirmed
    await store.publish(chunk(2))
    await eventually(lambda: new.got)
    assert new.got == frames(2)


async def test_the_last_one_to_leave_unsubscribes(hubs: Hubs, store: Store) -> None:
    one, two = Listener(), Listener()
    await hubs.hub.join(one, Sink.CLIENT).confirmed
    await hubs.hub.join(two, Sink.BUFFER).confirmed
    hubs.hub.leave(one)
    hubs.hub.leave(one)
    assert await subscribers(store) == 1
    hubs.hub.leave(two)
    await eventually(lambda: _none_left(store))
    assert hubs.hub.channels == 0


async def _none_left(store: Store) -> bool:
    return await subscribers(store) == 0


async def test_a_release_sends_by_number_what_is_not_known_and_then_goes_straight(
    hubs: Hubs, store: Store
) -> None:
    listener, witness = Listener(), Listener()
    await hubs.hub.join(listener, Sink.BUFFER).confirmed
    hubs.hub.join(witness, Sink.CLIENT)
    for seq in (4, 2, 3, 5):
        await store.publish(chunk(seq))
    await eventually(lambda: len(witness.got) == 4)
    assert listener.got == []
    hubs.hub.release(listener, known=frozenset({2, 4}))
    assert listener.got == frames(3, 5)
    await store.publish(chunk(6))
    await eventually(lambda: listener.got == frames(3, 5, 6))
    with pytest.raises(OrderingError):
        hubs.hub.release(listener, known=frozenset())


async def test_a_payload_that_is_no_chunk_is_reported_and_goes_to_nobody(
    hubs: Hubs, store: Store
) -> None:
    straight, buffered = Listener(), Listener()
    await hubs.hub.join(straight, Sink.CLIENT).confirmed
    hubs.hub.join(buffered, Sink.BUFFER)
    await store.link.send("PUBLISH", stream_key("s"), b"\xff no chunk")
    await store.link.send("PUBLISH", stream_key("s"), b'{"type":"chunk","but":"not whole"}')
    await store.publish(chunk(1))
    await eventually(lambda: len(straight.got) == 2)
    hubs.hub.release(buffered, known=frozenset())
    assert buffered.got == frames(1)
    assert hubs.bad == [b"\xff no chunk", b'{"type":"chunk","but":"not whole"}']


async def test_without_a_link_nobody_joins_and_who_waits_is_told(hubs: Hubs) -> None:
    subscription = hubs.hub.join(Listener(), Sink.CLIENT)
    await hubs.link.close()
    with pytest.raises(StoreLost):
        await subscription.confirmed
    with pytest.raises(StoreLost):
        hubs.hub.join(Listener(), Sink.CLIENT)


async def test_a_new_link_takes_all_channels_up_again(
    hubs: Hubs, store: Store, store_url: str
) -> None:
    listener = Listener()
    await hubs.hub.join(listener, Sink.CLIENT).confirmed
    await hubs.link.close()
    await store.publish(chunk(1))
    await hubs.connect(store_url)
    assert await store.publish(chunk(2)) == 1
    await eventually(lambda: listener.got == frames(2))


class MuteLink:
    """A link whose store never answers."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def push(self, *command: str | bytes) -> None: ...


async def test_a_connection_lost_while_it_is_taken_up_ends_that_whoever_left_meanwhile() -> None:
    """Found by the model: the hub waited for a confirmation whose client had gone, until the
    node's time-out of 5 s, by which its recovery came later.
    """
    hub, listener = Hub(10_000, lambda _: None, lambda *_: None), Listener()
    first, second = MuteLink(), MuteLink()
    await hub.connect(first)
    hub.join(listener, Sink.CLIENT)
    first.lost.set_result(None)
    await asyncio.sleep(0)
    connecting = asyncio.ensure_future(hub.connect(second))
    await asyncio.sleep(0)
    hub.leave(listener)
    second.lost.set_result(None)
    with pytest.raises(StoreLost):
        await asyncio.wait_for(connecting, 2)


# --- through a node ---


async def test_two_first_joiners_of_a_channel_are_both_served(
    node: RunningNode, store: Store
) -> None:
    async with (
        node.client("history_then_subscribe") as one,
        node.client("history_then_subscribe") as two,
    ):
        await asyncio.gather(one.frames(2), two.frames(2))
        assert await subscribers(store) == 1
        await store.publish(chunk(1))
        assert await one.frames(1) == await two.frames(1) == ["chunk 1"]


async def test_a_channel_whose_clients_all_left_can_be_joined_again(
    node: RunningNode, store: Store
) -> None:
    for seq in range(1, 11):
        async with node.client("history_then_subscribe") as user:
            assert await user.frames(2) == ["history", "welcome"]
            assert await store.publish(chunk(seq)) == 1
            assert await user.frames(1) == [f"chunk {seq}"]


async def test_five_hundred_clients_on_one_node_all_get_everything(
    start: StartNode, store: Store
) -> None:
    node = await start()
    sessions = [f"s{number % 50}" for number in range(500)]

    async def live(session_id: str, here: asyncio.Barrier) -> list[str]:
        async with node.client("buffered_merge", session_id) as user:
            await user.frames(2)
            await here.wait()
            return await user.frames(5)

    here = asyncio.Barrier(501)
    reading = [asyncio.create_task(live(session_id, here)) for session_id in sessions]
    async with asyncio.timeout(60):
        await here.wait()
        for seq in range(1, 6):
            for session_id in set(sessions):
                assert await store.publish(chunk(seq, session_id)) == 1
        expected = [f"chunk {seq}" for seq in range(1, 6)]
        assert [await words for words in reading] == [expected] * 500
    assert await node.metric("chunk7_node_deliveries_total") == 2_500
    await node.end()
    assert len({row["connection_id"] for row in node.table("leaves")}) == 500


async def test_bad_messages_are_counted_and_recorded(node: RunningNode, store: Store) -> None:
    async with node.client("history_then_subscribe") as user:
        await _publish_bad(user, store)
    assert await node.metric("chunk7_node_bad_messages_total") == 1
    await node.end()
    [event] = [row for row in node.table("events") if row["kind"] == "bad_message"]
    assert (event["session_id"], event["detail"]) == ("s", "b'nonsense'")


async def _publish_bad(user: User, store: Store) -> None:
    await user.frames(2)
    await store.link.send("PUBLISH", stream_key("s"), "nonsense")
    await store.publish(chunk(1))
    assert await user.frames(1) == ["chunk 1"]
