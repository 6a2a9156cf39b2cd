"""The hub against a model, over random histories of clients, store and connection.

The store's side is played here: commands wait on their way to it, answers and messages on their
way back, and each may take any time. The model knows only what a client may expect: chunks of the
subscription that it joined, from the confirmation on, and of those what a handover leaves.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from node_kit import chunk, frames_in

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError, StoreLost
from chunk7.nodes.feeds.buffer import BufferFull
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.transports.websocket import text_frame
from chunk7.wire.frames import encode_chunk

SESSIONS = ("a", "b")
CLIENTS = ("a0", "a1", "a2", "b0")
MOST_SEQ = 12
FITS = 4
"""Chunks that a buffer holds."""
PAYLOADS = {
    (session, seq): encode_chunk(chunk(seq, session, text=f"{seq:02d}"))
    for session in SESSIONS
    for seq in range(10, 10 + MOST_SEQ)
}
"""All of one length."""


class Wire:
    """The hub's link: what it pushes waits in `sent`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.lost: asyncio.Future[None] = loop.create_future()
        self.sent: deque[tuple[str, bytes]] = deque()
        self.coming: deque[list[bytes]] = deque()
        self.executed: dict[bytes, int] = {}
        """By channel that the store has subscribed: the number of its SUBSCRIBE."""
        self.subscribed = count
        self.confirmed = count

    def push(self, command: str, channel: bytes) -> None:
        if self.lost.done():
            raise StoreLost("gone")
        self.sent.append((command, channel))


@dataclass
class Real:
    """A client as the hub sees it."""

    session_id: str
    got: list[bytes] = field(default_factory=list)

    def write_live(self, frames: bytes, count: int = 1) -> None:
        self.got += frames_in(frames, count)

    def __hash__(self) -> int:
        return id(self)


@dataclass
class Expected:
    """A client as the model sees it: `held` None: it has no buffer."""

    real: Real
    generation: int
    held: list[int] | None
    after_seq: int = 0
    has: set[int] = field(default_factory=set)
    full: bool = False
    due: list[int] = field(default_factory=list)

    def take(self, seq: int) -> None:
        if self.held is not None:
            self.held.append(seq)
            self.full = self.full or len(self.held) > FITS
        elif not self.has:
            self.due.append(seq)
        elif seq not in self.has:
            self.due.append(seq)
            if seq > max(self.has):
                self.has = set()


class HubMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        size = len(PAYLOADS["a", 10])
        self.hub: Any = self.call(self._make(FITS * size))
        self.wire = Wire(self.loop, 0)
        self.connecting: asyncio.Task[None] | None = None
        self.here: dict[str, Expected] = {}
        self.generations: dict[str, int] = {}
        """By session with clients: the subscription that they share."""
        self.count = 0
        """SUBSCRIBEs so far: a generation is the number of its own."""
        self.confirmed: set[int] = set()
        self.connect()

    async def _make(self, max_bytes: int) -> Hub:
        return Hub(max_bytes, lambda _: None, lambda *_: None)

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def turn(self) -> None:
        """Let the loop run what is due."""
        for _ in range(3):
            self.call(asyncio.sleep(0))

    # --- the connection ---

    @property
    def connected(self) -> bool:
        return not self.wire.lost.done()

    def connect(self) -> None:
        """A new link: every session that has clients is subscribed anew."""
        self.wire = Wire(self.loop, self.count)
        self.connecting = self.loop.create_task(self.hub.connect(self.wire))
        self.turn()
        for session in self.generations:
            self.subscribe(session)
        for expected in self.here.values():
            expected.generation = self.generations[expected.real.session_id]

    def subscribe(self, session: str) -> None:
        """The model's side of a SUBSCRIBE: one more, of this session."""
        self.count += 1
        self.generations[session] = self.count

    @precondition(lambda self: not self.connected)
    @rule()
    def reconnect(self) -> None:
        self.connect()

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.wire.lost.set_result(None)
        self.turn()
        assert self.connecting is not None
        assert self.connecting.done()
        if not self.connecting.cancelled():
            self.connecting.exception()  # StoreLost, where it was not through

    # --- clients ---

    @rule(
        name=st.sampled_from(CLIENTS),
        to=st.sampled_from(Sink),
        after_seq=st.sampled_from((0, 0, 12)),
    )
    def join(self, name: str, to: Sink, after_seq: int) -> None:
        real = self.here[name].real if name in self.here else Real(name[0])
        if not self.connected or name in self.here:
            with pytest.raises(OrderingError if self.connected else StoreLost):
                self.hub.join(real, to, after_seq)
            return
        if name[0] not in self.generations:
            self.subscribe(name[0])
        subscription = self.call(self._join(real, to, after_seq))
        generation = self.generations[name[0]]
        assert subscription.confirmed.done() == (generation in self.confirmed)
        held: list[int] | None = [] if to is Sink.BUFFER else None
        self.here[name] = Expected(real, generation, held, after_seq if held is not None else 0)

    async def _join(self, real: Real, to: Sink, after_seq: int) -> Any:
        return self.hub.join(real, to, after_seq)

    @rule(name=st.sampled_from(CLIENTS), known=st.frozensets(st.integers(10, 21), max_size=4))
    def release(self, name: str, known: frozenset[int]) -> None:
        expected = self.here.get(name)
        if expected is None or expected.held is None:
            with pytest.raises(OrderingError):
                self.hub.release(expected.real if expected else Real(name[0]), known)
            return
        if expected.full:
            with pytest.raises(BufferFull):
                self.hub.release(expected.real, known)
            self.leave(name)  # as a node does with it
            return
        self.hub.release(expected.real, known)
        has = set(range(1, expected.after_seq + 1)) | known
        expected.due += sorted(seq for seq in expected.held if seq not in has)
        expected.held, expected.has = None, has

    @rule(name=st.sampled_from(CLIENTS))
    def leave(self, name: str) -> None:
        expected = self.here.pop(name, None)
        self.hub.leave(expected.real if expected else Real(name[0]))
        if expected and not any(other.startswith(name[0]) for other in self.here):
            del self.generations[name[0]]

    # --- the store ---

    @precondition(lambda self: self.connected)
    @rule(steps=st.integers(1, 3))
    def execute(self, steps: int) -> None:
        """The store takes the oldest commands."""
        for _ in range(min(steps, len(self.wire.sent))):
            self._execute()

    def _execute(self) -> None:
        command, channel = self.wire.sent.popleft()
        if command == "SUBSCRIBE":
            self.wire.subscribed += 1
            self.wire.executed[channel] = self.wire.subscribed
            self.wire.coming.append([b"subscribe", channel])
        else:
            assert command == "UNSUBSCRIBE"
            self.wire.executed.pop(channel, None)
            self.wire.coming.append([b"unsubscribe", channel])

    @precondition(lambda self: self.connected)
    @rule(session=st.sampled_from(SESSIONS), seqs=st.lists(st.integers(10, 21), max_size=6))
    def publish(self, session: str, seqs: list[int]) -> None:
        channel = stream_key(session).encode()
        for seq in seqs if channel in self.wire.executed else ():
            number = self.wire.executed[channel]
            self.wire.coming.append(
                [b"message", channel, PAYLOADS[session, seq], b"%d %d" % (number, seq)]
            )

    @precondition(lambda self: self.connected)
    @rule(steps=st.integers(1, 8))
    def arrive(self, steps: int) -> None:
        """The oldest answers and messages reach the hub, in one read."""
        for _ in range(min(steps, len(self.wire.coming))):
            self._arrive()
        self.hub.on_read()

    def _arrive(self) -> None:
        kind, channel, *rest = self.wire.coming.popleft()
        session = channel.decode().removeprefix(stream_key(""))
        if kind == b"message":
            payload, label = rest
            self.hub.on_push([kind, channel, payload])
            number, seq = map(int, label.split())
            self._expect(session, number, seq)
        elif kind == b"subscribe":
            self.hub.on_push([kind, channel, 1])
            self.wire.confirmed += 1
            self.confirmed.add(self.wire.confirmed)
        else:
            self.hub.on_push([kind, channel, 0])

    def _expect(self, session: str, generation: int, seq: int) -> None:
        for expected in self.here.values():
            if expected.real.session_id == session and expected.generation == generation:
                expected.take(seq)

    # --- what must hold ---

    @invariant()
    def each_client_has_what_the_model_says(self) -> None:
        for expected in self.here.values():
            session = expected.real.session_id
            assert expected.real.got == [text_frame(PAYLOADS[session, s]) for s in expected.due]

    @invariant()
    def a_channel_is_heard_from_its_own_confirmation_on(self) -> None:
        for session in SESSIONS:
            live = self.connected and self.generations.get(session) in self.confirmed
            assert (self.hub.heard(session) is not None) == live

    @invariant()
    def channels_are_those_with_clients(self) -> None:
        assert self.hub.channels == len(self.generations)

    def teardown(self) -> None:
        if self.connected:
            self.disconnect()
        self.loop.close()


HubMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestHubAgainstTheModel = HubMachine.TestCase
