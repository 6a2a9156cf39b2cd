"""Run an ordering for one client: each effect, as it comes, against the real store and socket."""

import asyncio
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Cursor,
    Follow,
    LookWhenPoked,
    Pause,
    ReadHead,
    ReadHistory,
    ReadStatus,
    ReadStream,
    ReadTail,
    Release,
    ReleaseAfter,
    SendControl,
    SendEnd,
    SendHistory,
    SendWelcome,
    Sink,
    Start,
    StreamRead,
    Subscribe,
    Unsubscribe,
)
from chunk7.delivery.errors import OrderingError, StoreLost
from chunk7.delivery.handover import detach
from chunk7.delivery.ordering import ConnectOrdering, ConnectSteps, Join
from chunk7.delivery.stepping import Steps
from chunk7.nodes.backend import Backend
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.feeds.stream import StreamFeed
from chunk7.nodes.history_budget import HistoryBudget
from chunk7.nodes.join_facts import JoinFacts
from chunk7.nodes.stored import Stored
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.clock import now_ns
from chunk7.wire.frames import HeartbeatFrame, WelcomeFrame, encode, history_pieces
from chunk7.wire.store.heads import head_and_epoch, session_epoch
from chunk7.wire.store.store import Store
from chunk7.wire.store.window import read_window

_REFUSED: dict[type[Any], str] = {
    Start: "a run's timetable starts it",
    LookWhenPoked: "it has no notices",
    ReadStatus: "it has no statuses yet",
    SendEnd: "it has no end frames yet",
    SendControl: "it has no control frames yet",
}


class Driver:
    """Performs the effects of one client's orderings: its join, later its fetches.

    `facts` and `subscription` are there to be read at any time, also after a failure.
    """

    def __init__(
        self,
        client: Client,
        backend: Backend,
        hub: Hub,
        tail: StreamFeed,
        node: str,
        ordering: ConnectOrdering,
        work_ms: float,
        budget: HistoryBudget,
    ) -> None:
        self.facts = JoinFacts()
        self.confirmation: asyncio.Future[int] | None = None
        self._client = client
        self._backend = backend
        self._hub = hub
        self._tail = tail
        self._node = node
        self._ordering = ordering
        self._work_s = work_ms / 1_000
        self.after_seq = 0
        """What the client is taken to have."""
        self._joining = False
        self._epoch: str | None = None
        """What the head was of, as it was last read."""
        self._stored = Stored(budget)
        self._down = backend.down
        self._began_ns = now_ns()

    async def join(self, join: Join, epoch: str | None = None) -> None:
        """Run the client's connect ordering; raises as `drive`.

        `epoch` is what the client's `after_seq` is of, None if it does not say.
        """
        self._joining = True
        if epoch is not None and await _is_over(epoch, self._backend.store, self._client):
            join = Join(join.session_id)
        self.after_seq = join.after_seq
        try:
            generator = self._ordering.steps(join)
        except Exception as error:
            raise OrderingError(f"{self._ordering.name} does not start: {error}") from error
        await self.drive(generator)

    async def drive(self, generator: ConnectSteps) -> None:
        """Run a generator of effects to its end.

        Raises OrderingError, StoreError, BufferFull, msgspec.MsgspecError for a history that
        holds something else than chunks, and OSError when the client's connection breaks. A loss
        of the store after the driver was made is final for it, though the node reconnects.
        """
        steps = Steps(generator)
        try:
            while steps.effect is not None:
                try:
                    answer = await self._perform(steps.effect)
                except (AttributeError, TypeError, ValueError) as error:
                    raise OrderingError(f"cannot perform {steps.effect!r}: {error}") from error
                if self._down.done():
                    raise StoreLost(self._down.result())
                steps.advance(answer)
        finally:
            self._stored.let_go()

    @property
    def read_count(self) -> int:
        """Stored chunks that were read, wanted or not."""
        return self._stored.read_count

    def subscribed_ns(self) -> int | None:
        """When the store confirmed the subscription, whether or not the ordering waited for it."""
        if self.facts.subscribe_shared:
            return self.facts.subscribe_sent_ns
        if self.confirmation is None or not self.confirmation.done():
            return None
        return None if self.confirmation.exception() else self.confirmation.result()

    def window_s(self) -> float | None:
        """The join's W; None while one of its ends is not known."""
        return self.facts.window_s(self.subscribed_ns(), self._ordering.feed)

    async def _perform(self, effect: Any) -> Any:
        """Do it; the answer that the effect's docstring promises."""
        match effect:
            case Pause():
                if self._work_s:
                    await asyncio.wait([self._down], timeout=self._work_s)
            case Subscribe(to=sink):
                positioned = self._ordering.recovery is not None
                subscription = self._hub.join(self._client, sink, self.after_seq, positioned)
                self.confirmation = confirmed = subscription.confirmed
                self.facts.note_subscribe(subscription.sent_ns, shared=confirmed.done())
            case Confirmed():
                await self._confirmed()
            case Unsubscribe():
                self._unsubscribe()
            case ReadHistory(after_seq=after_seq, to_seq=to_seq):
                return await self._read_history(after_seq, to_seq)
            case ReadStream(after=after):
                return await self._read_stream(after)
            case ReadHead():
                head_seq, self._epoch = await head_and_epoch(
                    self._backend.store, self._client.session_id
                )
                return head_seq
            case ReadTail():
                return await self._backend.store.tail(self._client.session_id)
            case SendHistory(chunks=chunks):
                await self._send_history(chunks)
            case SendWelcome(head_seq=head_seq):
                self._client.write(text_frame(encode(self._welcome(head_seq))))
                self.facts.welcomed_ns = now_ns()
            case Release(known=known):
                self._hub.release(self._client, known)
            case Follow(after=after, to=sink):
                await self._follow(after, sink)
            case ReleaseAfter(after=after):
                self._tail.release(self._client, after)
            case _:
                why = _REFUSED.get(type(effect), "it is no effect of a join")
                raise OrderingError(f"a node does not perform {type(effect).__name__}: {why}")
        return None

    def _unsubscribe(self) -> None:
        subscription = self._hub.subscription(self._client)
        detach(subscription.of(self._client) if subscription else None)
        self._hub.leave(self._client)
        self.confirmation = None

    async def _confirmed(self) -> None:
        if self.confirmation is None:
            raise OrderingError("the ordering waits for a subscription that it did not ask for")
        await asyncio.shield(self.confirmation)
        self.facts.subscribe_done_ns = self.subscribed_ns()

    async def _follow(self, after: Cursor, to: Sink) -> None:
        """From a cursor there is no handover; from `$` there is one, with an instant of its own."""
        sent_ns = now_ns()
        await self._tail.follow(self._client, after, to)
        if after == NEWEST:
            self.facts.note_subscribe(sent_ns, shared=False)
            self.facts.subscribe_done_ns = now_ns()

    async def _read_history(self, after_seq: int, to_seq: int | None) -> tuple[Chunk, ...]:
        """A join reads it in one command, as its ordering says; a fetch only what it needs."""
        store, session_id = self._backend.store, self._client.session_id

        async def ask() -> list[bytes]:
            payloads: list[bytes] = await self._read(
                store.saved(session_id)
                if self._joining
                else read_window(store, session_id, after_seq + 1, to_seq)
            )
            return payloads

        return await self._stored.decode(await self._stored.read(ask), after_seq, to_seq)

    async def _read_stream(self, after: Cursor) -> StreamRead:
        store, session_id = self._backend.store, self._client.session_id
        cursor = after

        async def ask() -> list[bytes]:
            nonlocal cursor
            read: tuple[list[bytes], Cursor] = await self._read(store.entries(session_id, after))
            payloads, cursor = read
            return payloads

        payloads = await self._stored.read(ask)
        return StreamRead(await self._stored.decode(payloads, after_seq=-1), cursor)

    async def _read(self, reading: Any) -> Any:
        """The link writes when first stepped, and says when it heard the reply."""
        self.facts.read_sent_ns = now_ns()
        answer = await reading
        self.facts.read_done_ns = self._backend.store.link.heard_ns
        return answer

    def _welcome(self, head_seq: int | None) -> WelcomeFrame:
        facts = self.facts
        return WelcomeFrame(
            self._node,
            self._ordering.name,
            head_seq,
            _middle_ms(self._began_ns, facts.read_sent_ns, facts.read_done_ns),
            _middle_ms(self._began_ns, facts.subscribe_sent_ns, self.subscribed_ns()),
            self._epoch,
        )

    async def _send_history(self, chunks: Any) -> None:
        self.facts.note_history(chunks)
        subscription = self._hub.subscription(self._client)
        if subscription is not None:
            subscription.note(self._client, (chunk.seq for chunk in chunks))
        await self._client.write_history(history_pieces(self._stored.payloads_of(chunks)))


def _middle_ms(began_ns: int, sent_ns: int | None, done_ns: int | None) -> float | None:
    """When the store executed it: the middle is the estimate (docs/verdicts.md)."""
    if sent_ns is None or done_ns is None:
        return None
    return round(((sent_ns + done_ns) / 2 - began_ns) / 1e6, 3)


async def _is_over(epoch: str, store: Store, client: Client) -> bool:
    """Whether the session's numbers are of another epoch, of which the client has nothing.

    It is told of that one before all else: what follows begins anew. Should the epoch change only
    now, a heartbeat will say so.
    """
    now = await session_epoch(store, client.session_id)
    if now == epoch:
        return False
    if now is not None:
        client.write(text_frame(encode(HeartbeatFrame(0, now))))
    return True
