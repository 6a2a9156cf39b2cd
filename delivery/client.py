"""What a client keeps, shows, asks for and resumes after: one small class a `ClientPolicy`.

Pure: a client's memory is a hashable value that comes in and goes out, so that the explorer can
compare states. `shown` is whether a received chunk gets into the text that the reader sees; a
chunk that is received and never shown is as lost to the reader as one that never came.

A client that has lost its connection joins again. `nodes/demo/chat-client.js`, whatever its policy,
then resumes after the last number up to which it has shown everything: `Resumes`, and `FillsGaps`
by itself. Behind a hole it may have shown more, and is sent that again; to resume after the highest
number instead would give the hole up. A client that keeps nothing starts over: it asks for all.
The load test's users read with `GapTracker` itself, and come back as chat-client.js does.
"""

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.gaps import GapTracker
from chunk7.delivery.ordering import ClientPolicy


class ClientModel(Protocol):
    """A client's half of an ordering."""

    asks: bool
    """Whether it makes use of head numbers and of fetch; if not, heartbeats change nothing."""

    def start(self) -> Hashable:
        """The memory of one that has received nothing."""

    def take(self, memory: Any, chunk: Chunk) -> tuple[Hashable, bool]:
        """A chunk came; (memory, shown)."""

    def learn_head(self, memory: Any, head_seq: int) -> Hashable:
        """A welcome or heartbeat came."""

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        """After each frame: the range to fetch now, both ends included, or None.

        Not before the connection's first history frame has come: until then a client cannot tell
        a hole from what is on its way. Who runs a client holds to that.
        """

    def misses(self, memory: Any) -> bool:
        """Whether it knows of a hole that has not been filled."""

    def resume_after(self, memory: Any) -> int:
        """The `after_seq` with which it connects again."""


class TakesAll:
    """Shows whatever comes."""

    asks = False

    def start(self) -> Hashable:
        return None

    def take(self, memory: Any, chunk: Chunk) -> tuple[Hashable, bool]:
        return memory, True

    def learn_head(self, memory: Hashable, head_seq: int) -> Hashable:
        return memory

    def ask(self, memory: Hashable) -> tuple[Hashable, tuple[int, int] | None]:
        return memory, None

    def misses(self, memory: Any) -> bool:
        return False

    def resume_after(self, memory: Any) -> int:
        return 0


class Deduplicates(TakesAll):
    """Shows the first of each `identity`, which the bug report takes to be (message, index)."""

    def __init__(
        self,
        identity: Callable[[Chunk], Hashable] = lambda chunk: (chunk.message_id, chunk.index),
    ) -> None:
        self._identity = identity

    def start(self) -> Hashable:
        return frozenset()

    def take(self, memory: Any, chunk: Chunk) -> tuple[Hashable, bool]:
        identity = self._identity(chunk)
        return memory | {identity}, identity not in memory


class Resumes:
    """A client that also keeps the numbers it has shown, to resume after the last gapless one.

    What was shown without a number (0) cannot be resumed after: it does not count.
    """

    def __init__(self, client: ClientModel) -> None:
        self._client = client
        self.asks = client.asks

    def start(self) -> Hashable:
        return self._client.start(), GapTracker().snapshot()

    def take(self, memory: Any, chunk: Chunk) -> tuple[Hashable, bool]:
        tracker = GapTracker.restored(memory[1])
        kept, shown = self._client.take(memory[0], chunk)
        if shown:
            tracker.receive(chunk.seq)
        return (kept, tracker.snapshot()), shown

    def learn_head(self, memory: Any, head_seq: int) -> Hashable:
        return self._client.learn_head(memory[0], head_seq), memory[1]

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        kept, wanted = self._client.ask(memory[0])
        return (kept, memory[1]), wanted

    def misses(self, memory: Any) -> bool:
        return self._client.misses(memory[0])

    def resume_after(self, memory: Any) -> int:
        return GapTracker.restored(memory[1]).resume_after


class FillsGaps:
    """Runs `GapTracker`: shows each number once, fetches holes, resumes behind its last run."""

    asks = True

    def start(self) -> Hashable:
        return GapTracker().snapshot()

    def take(self, memory: Any, chunk: Chunk) -> tuple[Hashable, bool]:
        tracker = GapTracker.restored(memory)
        new = tracker.receive(chunk.seq)
        return tracker.snapshot(), new

    def learn_head(self, memory: Any, head_seq: int) -> Hashable:
        tracker = GapTracker.restored(memory)
        tracker.learn_head(head_seq)
        return tracker.snapshot()

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        tracker = GapTracker.restored(memory)
        wanted = tracker.wanted()
        return tracker.snapshot(), wanted

    def misses(self, memory: Any) -> bool:
        return GapTracker.restored(memory).missing() is not None

    def resume_after(self, memory: Any) -> int:
        return GapTracker.restored(memory).resume_after


CLIENTS: dict[ClientPolicy, ClientModel] = {
    ClientPolicy.TAKES_ALL: TakesAll(),
    ClientPolicy.DEDUPLICATES: Deduplicates(),
    ClientPolicy.FILLS_GAPS: FillsGaps(),
}
