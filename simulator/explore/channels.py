"""The nodes' hubs as an automaton: how the session's channel stands at a node, is a small integer.

What a hub makes of a join, of a leave or of a confirmation is asked of its own value, the one that
the live node keeps (`chunk7.delivery.node_channel`), once for every one that an exploration comes
to.
"""

from collections.abc import Callable
from typing import NamedTuple

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.node_channel import UNUSED, Asked, ChannelCommand, NodeChannel
from chunk7.simulator.explore.state import State, put

NOBODY = 0
"""How a channel stands before anybody has come, and when nothing is left of those who had."""

CONFIRMATION = Chunk("", "", -1, "")
"""On its way to a node among the published chunks: a SUBSCRIBE was executed here."""


class ChannelStanding(NamedTuple):
    """A channel as its node knows it, and the commands that the store has yet to execute.

    `listeners` are the node's clients there; they are counted only where some may leave.
    """

    channel: NodeChannel
    sent: tuple[ChannelCommand, ...] = ()
    listeners: int = 0

    def asking(self, asked: Asked) -> "ChannelStanding":
        """After the hub's answer: what it now is, and what it sends."""
        channel, commands = asked
        return self._replace(channel=channel, sent=(*self.sent, *commands))


class Channels:
    """Every standing that an exploration has come to; the first is that of `hub`, unused.

    Where `subscriptions_end`, a SUBSCRIBE is executed in one event and confirmed in a later one.
    """

    def __init__(self, hub: NodeChannel = UNUSED, *, subscriptions_end: bool = False) -> None:
        self.subscriptions_end = subscriptions_end
        self._standings: list[ChannelStanding] = []
        self._numbers: dict[ChannelStanding, int] = {}
        self._known: dict[tuple[int, Callable[[ChannelStanding], ChannelStanding]], int] = {}
        self._number(ChannelStanding(hub))

    def __getitem__(self, number: int) -> ChannelStanding:
        """The standing that has this number."""
        return self._standings[number]

    def after(self, number: int, event: Callable[[ChannelStanding], ChannelStanding]) -> int:
        """How the channel stands after one of the events below."""
        known = self._known.get((number, event))
        if known is None:
            after = event(self._standings[number])
            if not self.subscriptions_end:
                # Nothing that is not for its clients comes, so nobody asks before it is confirmed
                # whether it is live; nor ever how many they are.
                channel = after.channel._replace(live=after.channel.confirmed)
                after = ChannelStanding(channel, after.sent)
            known = self._known[number, event] = self._number(after)
        return known

    def at(
        self, state: State, node: int, event: Callable[[ChannelStanding], ChannelStanding]
    ) -> State:
        """The state after the event at a node's channel."""
        return state._replace(
            channels=put(state.channels, node, self.after(state.channels[node], event))
        )

    def confirmed(self, state: State, node: int) -> bool:
        """Whether the node's subscription is there, as far as the node knows."""
        return self._standings[state.channels[node]].channel.confirmed

    def for_nobody(self, state: State, node: int) -> bool:
        """Whether what comes to the node now is for clients that have left."""
        return self.subscriptions_end and not self[state.channels[node]].channel.live

    def newly_sent(self, before: State, after: State) -> bool:
        """Whether some node has more commands on their way than before."""
        pairs = zip(before.channels, after.channels, strict=True)
        return any(len(self[old].sent) < len(self[new].sent) for old, new in pairs)

    def _number(self, standing: ChannelStanding) -> int:
        number = self._numbers.setdefault(standing, len(self._standings))
        if number == len(self._standings):
            self._standings.append(standing)
        return number


def join(standing: ChannelStanding) -> ChannelStanding:
    """A client subscribes."""
    after = standing.asking(standing.channel.join())
    return after._replace(listeners=standing.listeners + 1)


def leave(standing: ChannelStanding) -> ChannelStanding:
    """One of the clients that have subscribed listens no longer."""
    after = standing.asking(standing.channel.leave(last=standing.listeners == 1))
    return after._replace(listeners=standing.listeners - 1)


def resubscribe(standing: ChannelStanding) -> ChannelStanding:
    """The node takes it that the store may have forgotten it."""
    return standing.asking(standing.channel.resubscribe())


def take_effect(standing: ChannelStanding) -> ChannelStanding:
    """The store executes the SUBSCRIBE that was sent, and the node hears of it at once."""
    return confirm(execute_next(standing))


def execute_next(standing: ChannelStanding) -> ChannelStanding:
    """The store executes the oldest command that was sent."""
    return standing._replace(sent=standing.sent[1:])


def confirm(standing: ChannelStanding) -> ChannelStanding:
    """The node hears that a SUBSCRIBE was executed."""
    return standing._replace(channel=standing.channel.confirm())


def reconnect(standing: ChannelStanding) -> ChannelStanding:
    """The connection has ended, with all that was on its way; there is a new one."""
    lost = standing._replace(channel=standing.channel.lose(), sent=())
    return lost.asking(lost.channel.connect())
