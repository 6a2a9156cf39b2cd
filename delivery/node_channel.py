"""One channel of the store as a node knows it, on its one connection.

The node subscribes when the first of its clients joins and unsubscribes when the last one leaves:

    join         SUBSCRIBE, if nobody is there yet
    leave        UNSUBSCRIBE, after the last one
    confirm      the store's confirmation of a SUBSCRIBE has come
    resubscribe  SUBSCRIBE again: the store may have forgotten us, and said nothing
    lose         the connection has ended
    connect      on a new one: SUBSCRIBE, if somebody is there

Each answers with what to send, in the order in which it reaches the connection: nothing or one
command here, and several where a hub of one's own (a bug's, say) sends more.

The store executes commands in the order in which they were sent, and confirmations come back in
that order, with the published chunks. So a confirmation belongs to the oldest SUBSCRIBE that has
none; of several on their way the channel's own is the newest, for an older one was for clients that
had all left before it was sent. And what comes before the own confirmation was published for them.

Pure: the live hub asks these and keeps the value, sends the command, and knows who is there. The
explorer and the reproducer ask the same. Where nobody leaves, a SUBSCRIBE is executed and confirmed
there in one event.
"""

from enum import StrEnum
from typing import NamedTuple


class ChannelCommand(StrEnum):
    """What a node sends to the store for a channel."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"


class NodeChannel(NamedTuple):
    """A hashable value, equal when the same follows from it.

    `wanted`: the node has clients there. `unconfirmed` SUBSCRIBEs wait for their confirmation.
    `live`: what comes is for those clients.
    """

    wanted: bool = False
    unconfirmed: int = 0
    live: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the newest SUBSCRIBE has its confirmation."""
        return self.live and not self.unconfirmed

    def join(self) -> "Asked":
        """A client comes; what to send."""
        return (self, ()) if self.wanted else self._replace(wanted=True)._subscribe()

    def leave(self, last: bool) -> "Asked":
        """One of its clients goes, perhaps the last; what to send."""
        if not last or not self.wanted:
            return self, ()
        return self._replace(wanted=False, live=False), (ChannelCommand.UNSUBSCRIBE,)

    def confirm(self) -> "NodeChannel":
        """The oldest confirmation due has come."""
        left = self.unconfirmed - 1
        return self._replace(unconfirmed=left, live=self.live or (self.wanted and not left))

    def resubscribe(self) -> "Asked":
        """The store may have forgotten the subscription; what to send. Live chunks go on."""
        return self._subscribe() if self.confirmed else (self, ())

    def lose(self) -> "NodeChannel":
        """The connection has ended: nothing that was sent on it will be answered."""
        return self._replace(unconfirmed=0, live=False)

    def connect(self) -> "Asked":
        """There is a new connection; what to send."""
        return self._subscribe() if self.wanted else (self, ())

    def _subscribe(self) -> "Asked":
        return self._replace(unconfirmed=self.unconfirmed + 1), (ChannelCommand.SUBSCRIBE,)


Asked = tuple[NodeChannel, tuple[ChannelCommand, ...]]
"""The channel after an event, and what to send to the store for it, in that order."""

UNUSED = NodeChannel()
"""Nobody is there, and nothing is on its way."""
