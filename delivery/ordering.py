"""What an ordering is: a generator function over effects, with the few facts drivers need.

@connect_ordering(client=ClientPolicy.DEDUPLICATES)
def subscribe_then_history(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.CLIENT)
    yield Confirmed()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()
"""

import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel
from chunk7.delivery.clients import CLIENTS
from chunk7.delivery.effects import BEGINNING, ConnectEffect, Cursor, WriteEffect
from chunk7.delivery.own_client import OwnClient, resolve_client
from chunk7.delivery.position import Position

ConnectSteps = Generator[ConnectEffect, Any, None]
WriteSteps = Generator[WriteEffect, Any, None]
Ending = Callable[[tuple[Chunk, ...]], WriteSteps]


class Feed(StrEnum):
    """How live chunks travel. A connect and a write ordering pair when they use the same feed."""

    PUBSUB = "pubsub"
    STREAM = "stream"


class ClientPolicy(StrEnum):
    """What the ordering asks of the client: the shipped policies (`delivery/clients/`)."""

    TAKES_ALL = "takes_all"
    DEDUPLICATES = "deduplicates"
    FILLS_GAPS = "fills_gaps"


@dataclass(frozen=True, slots=True)
class Join:
    """One client joining one session. It already has every chunk up to `after_seq`.

    A client that resumes after cursors, not numbers, has what the stream has up to `after`.
    """

    session_id: str
    after_seq: int = 0
    after: Cursor = BEGINNING
    message_id: str | None = None
    """The message from which on the client wants to see, None: it wants all of the session."""

    @classmethod
    def resuming(
        cls, session_id: str, resume: int | Cursor, message_id: str | None = None
    ) -> "Join":
        """The join of a client whose policy resumes there."""
        if isinstance(resume, int):
            return cls(session_id, resume, message_id=message_id)
        return cls(session_id, after=resume, message_id=message_id)


@dataclass(frozen=True, slots=True)
class ConnectOrdering:
    """What a node does when a client joins. `name` is unique in a registry.

    With a `recovery` the node keeps the client's position, and does that whenever it has left the
    client behind (`chunk7.delivery.recovery`). Such an ordering subscribes into a buffer.
    """

    name: str
    steps: Callable[[Join], ConnectSteps]
    feed: Feed = Feed.PUBSUB
    client: ClientPolicy | ClientModel = ClientPolicy.TAKES_ALL
    recovery: Callable[[Position], ConnectSteps] | None = None

    @property
    def client_model(self) -> ClientModel:
        """The client's half."""
        return CLIENTS[self.client] if isinstance(self.client, ClientPolicy) else self.client

    @property
    def mends(self) -> bool:
        """Whether a hole that a join leaves is filled: the client asks, or the node sees it."""
        return self.client_model.asks or self.recovery is not None


@dataclass(frozen=True, slots=True)
class WriteOrdering:
    """What the producer does with one chunk, and with an `ending` after its last.

    An ending is given all chunks of the session, in their order and without numbers; what it does
    is written as one more chunk would be, by the producer of the last.
    """

    name: str
    steps: Callable[[Chunk], WriteSteps]
    feed: Feed = Feed.PUBSUB
    ending: Ending | None = None


def connect_ordering(
    *,
    feed: Feed = Feed.PUBSUB,
    client: ClientPolicy | ClientModel | type[ClientModel] | str = ClientPolicy.TAKES_ALL,
    recovery: Callable[[Position], ConnectSteps] | None = None,
) -> Callable[[Callable[[Join], ConnectSteps]], ConnectOrdering]:
    """Make a generator function a connect ordering of the same name.

    `client` may be a policy of one's own: a class without arguments, an object, or `file.py:Name`,
    which is sought from the function's file on.
    Raises UsageError when there is none.
    """

    def decorate(steps: Callable[[Join], ConnectSteps]) -> ConnectOrdering:
        policy = _policy(client, steps)
        return ConnectOrdering(steps.__name__, steps, feed, policy, recovery)

    return decorate


def _policy(
    client: ClientPolicy | ClientModel | type[ClientModel] | str, steps: Callable[..., Any]
) -> ClientPolicy | ClientModel:
    if isinstance(client, type):
        return OwnClient(client.__name__, client())
    if not isinstance(client, str):
        return OwnClient(type(client).__name__, client)
    if client in set(ClientPolicy):
        return ClientPolicy(client)
    return resolve_client(client, "client", Path(inspect.getfile(steps)).parent)


def write_ordering(
    *, feed: Feed = Feed.PUBSUB, ending: Ending | None = None
) -> Callable[[Callable[[Chunk], WriteSteps]], WriteOrdering]:
    """Make a generator function a write ordering of the same name."""
    return lambda steps: WriteOrdering(steps.__name__, steps, feed, ending)


def pair(connect: ConnectOrdering, write: WriteOrdering) -> bool:
    """Whether the two can work together: they use the same feed."""
    return connect.feed is write.feed
