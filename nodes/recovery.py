"""The clients whose positions the node keeps, and what it does when it has left one behind.

Three things show it: the subscription was lost and is back; a live chunk is not the next number
(`Hub` sees that); a heartbeat finds the head past the position. A chunk has a whole beat's time to
come, as for `Unheard`. What is done is the ordering's own recovery (`chunk7.delivery.recovery`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import Chunk7Error, StoreLost
from chunk7.delivery.handover import Handover
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.delivery.position import Position
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.join import Driver
from chunk7.nodes.transports.websocket import Client

MAX_IN_VAIN = 3
"""Recoveries on heartbeats in a row that may bring a client nothing: a number may be nobody's."""
MAX_AT_ONCE = 16
"""Recoveries that read at a time; after a lost subscription all clients need one."""
RECOVER_WITHIN_S = 30.0


class FollowedClient:
    """A client that has joined, and what is known of its position since the last heartbeat."""

    __slots__ = ("in_vain", "new_driver", "ordering", "seen", "store_was_lost", "task")

    def __init__(self, ordering: ConnectOrdering, new_driver: Callable[[], Driver]) -> None:
        self.ordering = ordering
        self.new_driver = new_driver
        self.task: asyncio.Task[None] | None = None
        self.seen = Position()
        self.in_vain = 0
        self.store_was_lost = False


class Recoveries:
    """Recovers each client that is left behind, one recovery a client at a time.

    `head(session_id)` reads a session's head; `on_recovered` is called after each recovery. One
    that fails closes the client, which comes back and says what it has; but for a lost store,
    after which all recover anyway.
    """

    def __init__(
        self,
        hub: Hub,
        head: Callable[[str], Awaitable[int]],
        on_recovered: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._head = head
        self._on_recovered = on_recovered
        self._followed: dict[Client, FollowedClient] = {}
        self._heads: dict[str, tuple[int, int | None]] = {}
        self._before: dict[str, tuple[int, int | None]] = {}
        self._by_session: dict[str, list[Client]] = {}
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        hub.on_hole = self.start

    def follow(
        self, client: Client, ordering: ConnectOrdering, new_driver: Callable[[], Driver]
    ) -> None:
        """The client has joined; does nothing for an ordering without a recovery."""
        if ordering.recovery is not None:
            self._followed[client] = FollowedClient(ordering, new_driver)
            handover = self._handover(client)
            if handover is not None and handover.sink is Sink.BUFFER:
                self.start(client)  # at a hole since its release

    def forget(self, client: Client) -> None:
        """The client is gone."""
        followed = self._followed.pop(client, None)
        if followed is not None and followed.task is not None:
            followed.task.cancel()

    def start(self, client: Client) -> None:
        """Recover for the client, whose live chunks are held, unless that is under way."""
        followed = self._followed.get(client)
        if followed is not None and followed.task is None:
            followed.task = asyncio.create_task(self._run(client, followed))

    def start_all(self) -> None:
        """The subscription is back: everybody may have missed something."""
        for client, followed in self._followed.items():
            subscription = self._hub.subscription(client)
            if subscription is not None:
                followed.store_was_lost = True
                subscription.hold(client)
                self.start(client)

    def begin(self) -> None:
        """A new round of heartbeats, for those who are followed now."""
        self._before, self._heads = self._heads, {}
        self._by_session = {}
        for client in self._followed:
            self._by_session.setdefault(client.session_id, []).append(client)

    def beat(self, heads: Iterable[tuple[str, int]]) -> None:
        """Sessions with their heads, as of now: recover for whoever was behind all this beat.

        Of a round, each session counts once.
        """
        for session_id, head_seq in heads:
            clients = [c for c in self._by_session.pop(session_id, ()) if c in self._followed]
            if not clients:
                continue
            heard = self._hub.heard(session_id)
            self._heads[session_id] = head_seq, heard
            head_before, heard_before = self._before.get(session_id, (0, None))
            mute = heard is not None and heard == heard_before
            behind = [c for c in clients if self._check(c, head_before if mute else 0, head_seq)]
            if behind and mute:
                self._hub.resubscribe(session_id)
            for client in behind:
                self.start(client)

    def _check(self, client: Client, head_before: int, head_seq: int) -> bool:
        """Whether the client is behind, and its live chunks are held from now on.

        `head_before` is what its position should have reached by now, 0 if nobody can say.
        """
        followed, subscription = self._followed[client], self._hub.subscription(client)
        position = self._position(client)
        if subscription is None or position is None or followed.task is not None:
            return False
        seen = followed.seen
        followed.seen = position
        if head_seq < seen.top:  # this head is younger than that position: numbers begin anew
            followed.in_vain, followed.seen = 0, Position()
            return subscription.check(client, head_seq)
        if not position.missing and head_before <= position.top:
            followed.in_vain = 0
            return False
        followed.in_vain = followed.in_vain + 1 if position == seen else 1
        return followed.in_vain <= MAX_IN_VAIN and subscription.check(
            client, max(head_before, position.top)
        )

    def _handover(self, client: Client) -> Handover | None:
        subscription = self._hub.subscription(client)
        return None if subscription is None else subscription.of(client)

    def _position(self, client: Client) -> Position | None:
        handover = self._handover(client)
        return None if handover is None else handover.position

    async def _run(self, client: Client, followed: FollowedClient) -> None:
        try:
            async with self._turns, asyncio.timeout(RECOVER_WITHIN_S):
                await self._recover(client, followed)
        except StoreLost:
            followed.task = None  # all begin again once it is back
        except (Chunk7Error, TimeoutError, OSError):
            client.close(1011, "recovery_failed")
        else:
            followed.task = None
            self._on_recovered()

    async def _recover(self, client: Client, followed: FollowedClient) -> None:
        if followed.store_was_lost:
            await self._begin_anew(client)
        subscription, position = self._hub.subscription(client), self._position(client)
        recovery = followed.ordering.recovery
        if subscription is None or position is None or recovery is None:
            return  # it is leaving
        driver = followed.new_driver()
        driver.confirmation = subscription.confirmed
        await driver.drive(recovery(position))
        followed.store_was_lost = False

    async def _begin_anew(self, client: Client) -> None:
        """The store may have come back with less than it had: its numbers begin anew."""
        head_seq = await self._head(client.session_id)
        subscription, position = self._hub.subscription(client), self._position(client)
        if subscription is not None and position is not None and head_seq < position.top:
            subscription.check(client, head_seq)
