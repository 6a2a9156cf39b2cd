"""StackExchange.Redis #1110: a connection is back, and UNSUBSCRIBE comes behind SUBSCRIBE."""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import Confirmed, Publish, Release, SendWelcome, Sink, Subscribe
from chunk7.delivery.node_channel import UNUSED, Asked, ChannelCommand, NodeChannel
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.delivery.position import Position
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


class UnsubscribesFirst(NodeChannel):
    """A new connection is told to forget the channel, and then to subscribe to it."""

    def connect(self) -> Asked:
        after, subscribe = super().connect()
        return after, (ChannelCommand.UNSUBSCRIBE, *subscribe) if subscribe else ()


class UnsubscribesBehind(NodeChannel):
    """The same, and the two have changed places on their way to the connection."""

    def connect(self) -> Asked:
        after, subscribe = super().connect()
        return after, (*subscribe, ChannelCommand.UNSUBSCRIBE) if subscribe else ()


def is_restored(_position: Position) -> ConnectSteps:
    """The listener is told that the connection is back; nothing is read again."""
    yield Confirmed()
    yield Release(known=frozenset())
    yield SendWelcome()


@connect_ordering(recovery=is_restored)
def listens(_join: Join) -> ConnectSteps:
    """Who only listens."""
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    yield Release(known=frozenset())


@write_ordering()
def publishes(chunk: Chunk) -> WriteSteps:
    """Nothing is stored or numbered."""
    yield Publish(chunk)


CUT_OFF = ("store_kill_pubsub",)


def restored(hub: NodeChannel) -> ExploreCell:
    """One listener, to whom is due what begins after it was told that the connection is back."""
    due = Contract.FROM_WELCOME
    return ExploreCell(listens, publishes, chunks=2, faults=CUT_OFF, hub=hub, contract=due)


CASE = FieldCase(
    name="stackexchange_redis_1110",
    title="StackExchange.Redis: the connection is back, and unsubscribed again",
    links=(
        "https://github.com/StackExchange/StackExchange.Redis/issues/273",
        "https://github.com/StackExchange/StackExchange.Redis/issues/1110",
        "https://github.com/StackExchange/StackExchange.Redis/pull/1947",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "a new connection is sent SUBSCRIBE, and UNSUBSCRIBE behind it",
            restored(UnsubscribesBehind()),
            Failure.LOSSY,
        ),
        variant(
            "as it was meant",
            "UNSUBSCRIBE, and SUBSCRIBE behind it",
            restored(UnsubscribesFirst()),
        ),
        variant(
            "as merged",
            "SUBSCRIBE only: what is lost is subscribed no more",
            restored(UNUSED),
        ),
        variant(
            "as reported, and the node asks",
            "chunks are stored and numbered, and it compares its position with the head",
            ExploreCell(
                CONNECT_ORDERINGS["positioned_merge"],
                WRITE_ORDERINGS["atomic_lua"],
                chunks=2,
                faults=CUT_OFF,
                hub=UnsubscribesBehind(),
            ),
        ),
    ),
)
