"""One client of a schedule on a real store, and what its node remembers of it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import ClientModel
from chunk7.delivery.effects import Cursor
from chunk7.delivery.handover import Handover
from chunk7.delivery.stepping import Steps


@dataclass(slots=True)
class SteppedClient:
    """`numbers` has the session's chunks by (message, index); receipts are such numbers."""

    policy: ClientModel
    numbers: Mapping[tuple[str, int], int]
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

    def rejoin(self, node: int, steps: Steps, after_seq: int) -> None:
        """It joins again; nothing of its old node comes along."""
        self.node, self.steps, self.after_seq, self.begun = node, steps, after_seq, False
        self.handover, self.cursor, self.has_history, self.fetching = None, None, False, None
        self.fetches.clear()

    def receive(self, chunks: tuple[Chunk, ...]) -> None:
        """One frame: its chunks are taken, then the client asks for what it misses."""
        for chunk in chunks:
            number = self.numbers[chunk.message_id, chunk.index]
            self.memory, shown = self.policy.take(self.memory, chunk)
            self.receipts.append(number)
            if shown:
                self.shown.add(number)
        self._ask()

    def learn_head(self, head_seq: int) -> None:
        """A welcome or heartbeat has come."""
        self.memory = self.policy.learn_head(self.memory, head_seq)
        self._ask()

    def _ask(self) -> None:
        if not self.has_history:
            return
        self.memory, wanted = self.policy.ask(self.memory)
        if wanted is not None:
            self.fetches.append(wanted)
