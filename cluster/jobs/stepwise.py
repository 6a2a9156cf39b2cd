"""One schedule on a real store, one atomic event at a time: each waits for the one before it.

The rules are those of `simulator.explore.world`, with everything that belongs to the store done by
the store: commands are commands, a subscription is a connection's, and a published chunk is where
the store sent it. Nothing sleeps; a step is over when the store has answered.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from chunk7.delivery.chunk import Chunk, history_key, stream_key
from chunk7.delivery.client import Client
from chunk7.delivery.effects import (
    NEWEST,
    Append,
    Confirmed,
    Cursor,
    Follow,
    NextSeq,
    NumberSaveAndPublish,
    Pause,
    Publish,
    ReadHead,
    ReadHistory,
    ReadStream,
    Release,
    Save,
    SaveAndPublish,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.errors import Chunk7Error, OrderingError, StoreError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.handover import Handover, attach, release
from chunk7.delivery.ordering import Join
from chunk7.delivery.stepping import Steps
from chunk7.delivery.store import MemoryStore
from chunk7.faults import STRIKES
from chunk7.faults.fault import (
    ClientView,
    Consequence,
    Disconnect,
    GiveUp,
    Rejoin,
    Situation,
    Strike,
    TrimTo,
)
from chunk7.simulator.explore.naming import effect_name
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.simulator.explore.state import SENT, SUBSCRIBED, UNSUBSCRIBED, Cell, session_chunks
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

ANSWER_WITHIN_S = 10.0
"""A store that does not answer a step for this long is taken to be gone."""


class Relay:
    """A node's one Pub/Sub connection."""

    def __init__(self, url: str, channel: str) -> None:
        self.state = UNSUBSCRIBED
        self._url = url
        self._channel = channel
        self._link: Link | None = None
        self._pushes: asyncio.Queue[Any] = asyncio.Queue()

    async def subscribe(self) -> None:
        """The store executes the SUBSCRIBE that was sent, and confirms it."""
        self._link = await Link.open(self._url, "chunk7-relay", on_push=self._pushes.put_nowait)
        self._link.push("SUBSCRIBE", self._channel)
        push = await self._pushes.get()
        if push[0] != b"subscribe":
            raise StoreError(f"the store answers SUBSCRIBE with {push!r}")
        self.state = SUBSCRIBED

    async def next_chunk(self) -> Chunk:
        """The oldest published chunk that the node has not taken yet."""
        return decode_chunk((await self._pushes.get())[2])

    async def disconnect(self, state: int = UNSUBSCRIBED) -> None:
        """The connection ends, with whatever was on its way."""
        self.state = state
        self._pushes = asyncio.Queue()
        if self._link is not None:
            await self._link.close()
            self._link = None


@dataclass(slots=True)
class Joiner:
    """One client, and what its node does for it."""

    steps: Steps
    memory: Any
    node: int = 0
    begun: bool = False
    after_seq: int = 0
    handover: Handover | None = None
    has_history: bool = False
    cursor: Cursor | None = None
    fetches: deque[tuple[int, int]] = field(default_factory=deque)
    fetching: Steps | None = None
    receipts: list[int] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)


class Stage:
    """A cell's participants on a real store. Sessions are told apart by `session_id`.

    `receivers` is what PUBLISH answered, by chunk number.
    """

    def __init__(self, cell: Cell, store: Store, url: str, session_id: str) -> None:
        self.receivers: dict[int, int] = {}
        self._cell = cell
        self._store = store
        self._session_id = session_id
        self._client: Client = cell.client_model()
        nodes = 1 + len(cell.faults)
        self._relays = [Relay(url, stream_key(session_id)) for _ in range(nodes)]
        self._chunks = [
            replace(chunk, session_id=session_id) for chunk in session_chunks(cell.chunks)
        ]
        self._numbers = {(c.message_id, c.index): n for n, c in enumerate(self._chunks, 1)}
        self._writing = 0
        self._producer: Steps | None = None
        self._ids = MemoryStore()  # the store's clock cannot be stopped, but it takes ids
        self._next_chunk()
        self.joiners = [Joiner(self._join(0), self._client.start()) for _ in range(cell.joiners)]

    async def close(self) -> None:
        """End the nodes' connections."""
        for relay in self._relays:
            await relay.disconnect()

    async def take(self, step: Step) -> Any:
        """Do one step; what the store answered, or None where it was not asked.

        Raises Chunk7Error when the step is not what its actor would do next, StoreError when the
        store refuses it or does not answer.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._take(step)
        except TimeoutError:
            raise StoreError(
                f"{step.actor} {step.effect}: no answer within {ANSWER_WITHIN_S:g} s"
            ) from None

    async def _take(self, step: Step) -> Any:
        strike = self._strike(step)
        if strike is not None:
            for consequence in strike.consequences:
                await self._suffer(consequence)
            return None
        actor, _, join = step.actor.partition(".join")
        if actor == "producer":
            return await self._produce(step)
        if actor == "store":
            return await self._by_itself(step)
        node = int(actor.removeprefix("node")) - 1
        if not join:
            return await self._relay(step, node)
        return await self._serve(step, self.joiners[int(join) - 1])

    # --- faults ---

    def _strike(self, step: Step) -> Strike | None:
        """The strike that the step is, None for one that is no fault's."""
        situation = Situation(
            tuple(
                ClientView(j.node, j.begun, j.steps.effect is None, j.handover is not None)
                for j in self.joiners
            ),
            None if self._producer is None else self._writing,
            self._producer is not None and isinstance(self._producer.effect, Append),
        )
        strikes = (s for name in self._cell.faults for s in STRIKES[name].strikes(situation))
        return next((strike for strike in strikes if strike[:3] == step), None)

    async def _suffer(self, consequence: Consequence) -> None:
        match consequence:
            case Rejoin(place, node):
                self._rejoin(self.joiners[place], node)
            case Disconnect(node, resubscribes):
                await self._relays[node].disconnect(SENT if resubscribes else UNSUBSCRIBED)
            case TrimTo(max_entries):
                keys = history_key(self._session_id), stream_key(self._session_id)
                await self._store.link.send("LTRIM", keys[0], -max_entries, -1)
                await self._store.link.send("XTRIM", keys[1], "MAXLEN", "=", max_entries)
            case GiveUp(executed, same_ms):
                if executed and self._producer is not None:
                    await self._write(self._producer.effect, same_ms)
                self._next_chunk()

    # --- the producer ---

    def _next_chunk(self) -> None:
        self._producer = None
        while self._producer is None and self._writing < len(self._chunks):
            self._writing += 1
            steps = _unpaused(Steps(self._cell.write.steps(self._chunks[self._writing - 1])))
            self._producer = steps if steps.effect is not None else None

    async def _produce(self, step: Step) -> Any:
        if self._producer is None:
            raise _misplaced(step, "nothing")
        name = step.effect.removesuffix(SAME_MS)
        _expect(step._replace(effect=name), self._producer.effect)
        answer = await self._write(self._producer.effect, same_ms=name != step.effect)
        self._producer.advance(answer)
        if _unpaused(self._producer).effect is None:
            self._next_chunk()
        return answer

    async def _write(self, effect: Any, same_ms: bool) -> Any:
        match effect:
            case NextSeq():
                return await self._store.next_seq(self._session_id)
            case Save(chunk):
                return await self._store.save(chunk)
            case Append(chunk):
                return await self._store.append(chunk, self._ids.append(chunk, same_ms=same_ms))
            case Publish(chunk):
                receivers = await self._store.publish(chunk)
            case SaveAndPublish(chunk):
                receivers = await self._store.save_and_publish(chunk)
            case NumberSaveAndPublish(chunk):
                receivers = (await self._store.number_save_and_publish(chunk))[1]
            case _:
                raise OrderingError(f"{type(effect).__name__} belongs to the other side")
        self.receivers[self._writing] = receivers
        return receivers

    # --- the store, and a node's subscription ---

    async def _by_itself(self, step: Step) -> None:
        sent = [relay for relay in self._relays if relay.state == SENT]
        if step.effect != "subscription" or not sent:
            raise _misplaced(step, "nothing")
        await sent[0].subscribe()

    async def _relay(self, step: Step, node: int) -> None:
        if step.effect != "deliver":
            raise _misplaced(step, "nothing of that kind")
        chunk = await self._relays[node].next_chunk()
        for joiner in self.joiners:
            if joiner.node == node and joiner.handover is not None:
                joiner.handover, sent = joiner.handover.take(chunk.seq, chunk)
                for item in sent:
                    self._receive(joiner, (item,))

    # --- what a node does for one client ---

    def _join(self, after_seq: int) -> Steps:
        return _unpaused(Steps(self._cell.connect.steps(Join(self._session_id, after_seq))))

    def _rejoin(self, joiner: Joiner, node: int) -> None:
        joiner.after_seq = self._client.resume_after(joiner.memory)
        joiner.steps = self._join(joiner.after_seq)
        joiner.node, joiner.begun, joiner.handover, joiner.cursor = node, False, None, None
        joiner.has_history, joiner.fetching = False, None
        joiner.fetches.clear()

    async def _serve(self, step: Step, joiner: Joiner) -> Any:
        match step.effect:
            case "tail":
                await self._tail(joiner)
            case "heartbeat":
                head = await self._store.head(self._session_id)
                self._learn(joiner, head)
                return head
            case "fetch":
                feed = self._cell.connect.feed
                joiner.fetching = Steps(fetch_missing(feed, *joiner.fetches.popleft()))
                answer = await self._perform(joiner, joiner.fetching.effect)
                joiner.fetching.advance(answer)
                return answer
            case "fetched" if joiner.fetching is not None:
                fetching, joiner.fetching = joiner.fetching, None
                await self._perform(joiner, fetching.effect)
            case _:
                _expect(step, joiner.steps.effect)
                joiner.begun = True
                answer = await self._perform(joiner, joiner.steps.effect)
                joiner.steps.advance(answer)
                _unpaused(joiner.steps)
                return answer
        return None

    async def _perform(self, joiner: Joiner, effect: Any) -> Any:
        relay = self._relays[joiner.node]
        match effect:
            case ReadHistory(after_seq, to_seq):
                return await self._store.history(self._session_id, after_seq, to_seq)
            case ReadHead():
                return await self._store.head(self._session_id)
            case ReadStream(after):
                return await self._store.stream(self._session_id, after)
            case Subscribe(to):
                joiner.handover = attach(joiner.handover, to, joiner.after_seq)
                relay.state = SENT if relay.state == UNSUBSCRIBED else relay.state
            case Confirmed():
                if relay.state != SUBSCRIBED:
                    raise OrderingError("the store has not confirmed the subscription yet")
            case SendHistory(chunks):
                joiner.has_history = True
                self._receive(joiner, chunks)
            case SendWelcome(head_seq):
                if head_seq is not None:
                    self._learn(joiner, head_seq)
            case Release(known):
                joiner.handover, held = release(joiner.handover, known)
                for chunk in held:
                    self._receive(joiner, (chunk,))
            case Follow(after):
                newest = after == NEWEST
                read = await self._store.stream(self._session_id, after) if newest else None
                joiner.cursor = after if read is None else read.cursor
            case _:
                raise OrderingError(f"{type(effect).__name__} belongs to the other side")
        return None

    async def _tail(self, joiner: Joiner) -> None:
        if joiner.cursor is None:
            raise Chunk7Error("the schedule tails a stream that nobody follows")
        read = await self._store.stream(self._session_id, joiner.cursor)
        joiner.cursor = read.cursor
        for chunk in read.chunks:
            self._receive(joiner, (chunk,))

    # --- the client ---

    def _receive(self, joiner: Joiner, chunks: tuple[Chunk, ...]) -> None:
        """One frame: its chunks are taken, then the client asks for what it misses."""
        for chunk in chunks:
            number = self._numbers[chunk.message_id, chunk.index]
            joiner.memory, shown = self._client.take(joiner.memory, chunk)
            joiner.receipts.append(number)
            if shown:
                joiner.shown.add(number)
        self._ask(joiner)

    def _learn(self, joiner: Joiner, head_seq: int) -> None:
        joiner.memory = self._client.learn_head(joiner.memory, head_seq)
        self._ask(joiner)

    def _ask(self, joiner: Joiner) -> None:
        if not joiner.has_history:
            return
        joiner.memory, wanted = self._client.ask(joiner.memory)
        if wanted is not None:
            joiner.fetches.append(wanted)


def _unpaused(steps: Steps) -> Steps:
    while type(steps.effect) is Pause:
        steps.advance(None)
    return steps


def _expect(step: Step, effect: Any) -> None:
    if effect is None or effect_name(effect) != step.effect:
        raise _misplaced(step, "nothing" if effect is None else effect_name(effect))


def _misplaced(step: Step, instead: str) -> Chunk7Error:
    return Chunk7Error(f"{step.actor} {step.effect} is not its turn: it does {instead}")
