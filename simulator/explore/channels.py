"""The nodes' hubs as an automaton: how the session's channel stands at a node, is a small integer.

What a hub makes of a join or of a confirmation is asked of its own value, the one that the live
node keeps (`chunk7.delivery.node_channel`), once for every one that an exploration comes to.
"""

from collections.abc import Callable
from typing import NamedTuple

from chunk7.delivery.node_channel import UNUSED, ChannelCommand, NodeChannel
from chunk7.simulator.explore.state import State, put

NOBODY = 0
"""How a channel stands before anybody has come, and when nothing is left of those who had."""


class ChannelStanding(NamedTuple):
    """A channel as its node knows it, and the commands that the store has yet to execute."""

    channel: NodeChannel
    sent: tuple[ChannelCommand, ...] = ()

    def asking(self, asked: tuple[NodeChannel, ChannelCommand | None]) -> "ChannelStanding":
        """After the hub's answer: what it now is, and what it sends."""
        channel, command = asked
        return ChannelStanding(channel, self.sent if command is None else (*self.sent, command))


class Channels:
    """Every standing that an exploration has come to; the first is that of `hub`, unused."""

    def __init__(self, hub: NodeChannel = UNUSED) -> None:
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
            channel, sent = event(self._standings[number])
            # Whether it is live before, nobody asks: nothing that is not for its clients comes.
            after = ChannelStanding(channel._replace(live=channel.confirmed), sent)
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

    def _number(self, standing: ChannelStanding) -> int:
        number = self._numbers.setdefault(standing, len(self._standings))
        if number == len(self._standings):
            self._standings.append(standing)
        return number


def join(standing: ChannelStanding) -> ChannelStanding:
    """A client subscribes."""
    return standing.asking(standing.channel.join())


def resubscribe(standing: ChannelStanding) -> ChannelStanding:
    """The node takes it that the store may have forgotten it."""
    return standing.asking(standing.channel.resubscribe())


def take_effect(standing: ChannelStanding) -> ChannelStanding:
    """The store executes the SUBSCRIBE that was sent, and the node hears of it at once."""
    return ChannelStanding(standing.channel.confirm(), standing.sent[1:])


def reconnect(standing: ChannelStanding) -> ChannelStanding:
    """The connection has ended, with all that was on its way; there is a new one."""
    return ChannelStanding(standing.channel.lose()).asking(standing.channel.lose().connect())
