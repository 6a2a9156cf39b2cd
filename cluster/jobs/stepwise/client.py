"""One client of a schedule on a real store, and what its node remembers of it."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chunk7.cluster.jobs.stepwise.turns import unpaused
from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel
from chunk7.delivery.effects import Cursor, Sink
from chunk7.delivery.errors import Chunk7Error
from chunk7.delivery.following import Entries, Following
from chunk7.delivery.frames import Frame, LiveFrame, StoredFrame, chunks_in
from chunk7.delivery.handover import Handover, hold
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.delivery.stepping import Steps
from chunk7.wire.store.store import Store


@dataclass(slots=True)
class SteppedClient:
    """`numbers` has the session's chunks by (message, index); receipts are such numbers."""

    policy: ClientModel
    numbers: Mapping[tuple[str, int], int]
    steps: Steps
    memory: Any
    node: int = 0
    begun: bool = False
    recovering: bool = False
    """`steps` are those of its node's recovery."""
    after_seq: int = 0
    handover: Handover | None = None
    has_history: bool = False
    following: Following | None = None
    looked: int | None = None
    poked: bool = False
    fetches: deque[tuple[int, int]] = field(default_factory=deque)
    fetching: Steps | None = None
    receipts: list[int] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    gone: bool = False
    """It has left for good: nothing is due to it."""

    def rejoin(self, node: int, steps: Steps, resume: int | Cursor) -> None:
        """It joins again; nothing of its old node comes along."""
        self.node, self.steps, self.begun = node, steps, False
        self.after_seq = resume if isinstance(resume, int) else 0
        self._be_unserved()

    def leave(self) -> None:
        """It has left for good."""
        self.begun, self.gone = False, True
        self._be_unserved()

    def _be_unserved(self) -> None:
        self.handover, self.following, self.has_history, self.fetching = None, None, False, None
        self.looked, self.poked = None, False
        self.recovering = False
        self.fetches.clear()

    @property
    def joined(self) -> bool:
        """Whether its join is over."""
        return self.recovering or self.steps.effect is None

    @property
    def follows(self) -> bool:
        """Whether its node keeps its position: it has joined, by an ordering with a recovery."""
        kept = self.handover is not None and self.handover.position is not None
        return kept and self.joined

    @property
    def at_hole(self) -> bool:
        """Whether a chunk that is not the next one has come, and the node is to recover."""
        held = self.handover is not None and self.handover.sink is Sink.BUFFER
        return held and self.follows and not self.recovering

    def recover(self, connect: ConnectOrdering) -> None:
        """From now on live chunks are held, and its node does what the ordering has for that."""
        assert self.handover is not None
        position = self.handover.position
        assert position is not None
        assert connect.recovery is not None
        self.handover, self.recovering = hold(self.handover), True
        self.steps = unpaused(Steps(connect.recovery(position)))

    def receive(self, frame: Frame) -> None:
        """The client takes a frame, then asks for what it misses."""
        self.receipts += self._numbers_of(chunks_in(frame))
        self.memory, shown = self.policy.take(self.memory, frame)
        self.shown.update(self._numbers_of(shown))
        self.has_history = self.has_history or isinstance(frame, StoredFrame)
        if not self.has_history:
            return
        self.memory, wanted = self.policy.ask(self.memory)
        if wanted is not None:
            self.fetches.append(wanted)

    def receive_live(self, chunks: Iterable[Chunk]) -> None:
        """The client takes live chunks, one after the other."""
        for chunk in chunks:
            self.receive(LiveFrame(chunk))

    async def tail(self, store: Store, session_id: str) -> None:
        """Its node reads the stream that it follows, and sends or holds what is new."""
        if self.following is None:
            raise Chunk7Error("the schedule tails a stream that nobody follows")
        new = await store.entries_with_ids(session_id, self.following.cursor)
        self.following, sent = self.following.take(new)
        self.receive_entries(sent)

    async def look(self, store: Store, session_id: str) -> None:
        """Its node reads the history, and sends it what is new."""
        if self.looked is None or not self.poked:
            raise Chunk7Error("the schedule looks where nothing says so")
        new = await store.history(session_id, self.looked)
        self.poked, self.looked = False, max([self.looked, *(chunk.seq for chunk in new)])
        self.receive_live(new)

    def receive_entries(self, entries: Entries) -> None:
        """The same of a stream, with their ids."""
        for entry, chunk in entries:
            self.receive(LiveFrame(chunk, entry))

    def _numbers_of(self, chunks: tuple[Chunk, ...]) -> list[int]:
        return [self.numbers[chunk.message_id, chunk.index] for chunk in chunks]
