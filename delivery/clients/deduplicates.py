"""Shows each chunk once, by what it says it is; asks for nothing, and starts over."""

from collections.abc import Callable, Hashable
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import Taken
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.frames import Frame, chunks_in


class Deduplicates(TakesAll):
    """Shows the first of each `identity`, which the bug report takes to be (message, index)."""

    def __init__(
        self,
        identity: Callable[[Chunk], Hashable] = lambda chunk: (chunk.message_id, chunk.index),
    ) -> None:
        self._identity = identity

    def start(self) -> Hashable:
        return frozenset()

    def take(self, memory: Any, frame: Frame) -> Taken:
        shown = []
        for chunk in chunks_in(frame):
            identity = self._identity(chunk)
            if identity not in memory:
                memory |= {identity}
                shown.append(chunk)
        return memory, tuple(shown)
