"""What one driver has read from the store and not yet let go of, within the node's budget.

Chunks are decoded for the ordering, a slice at a time, so that a long history does not hold up
other clients; what is sent are the stored bytes, as they are, of those chunks that it passes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from chunk7.delivery.chunk import Chunk
from chunk7.nodes.history_budget import HistoryBudget, cost_bytes
from chunk7.wire.frames import decode_chunk, encode_chunk

SLICE = 500
"""Chunks decoded in one turn of the event loop: about a millisecond."""


class Stored:
    """The newest read of one driver; `let_go` ends its claim on the budget.

    `read_count`: stored chunks read so far, of all reads.
    """

    def __init__(self, budget: HistoryBudget) -> None:
        self._budget = budget
        self._claimed_bytes = 0
        self.read_count = 0
        self._chunks: tuple[Chunk, ...] = ()
        self._payloads: list[bytes] = []

    async def read(self, ask: Callable[[], Awaitable[list[bytes]]]) -> list[bytes]:
        """The answer to `ask`; asked again when there was no room for it.

        What is behind an answer without room is dropped before we wait.
        """
        payloads = await ask()
        needed_bytes = cost_bytes(payloads)
        if self._budget.try_take(needed_bytes):
            self._claimed_bytes += needed_bytes
            return payloads
        del payloads
        await self._budget.take(needed_bytes)
        self._claimed_bytes += needed_bytes
        return await ask()

    async def decode(
        self, payloads: list[bytes], after_seq: int = 0, to_seq: int | None = None
    ) -> tuple[Chunk, ...]:
        """The chunks with after_seq < seq (<= to_seq). Raises msgspec.MsgspecError."""
        self.read_count += len(payloads)
        kept: list[tuple[Chunk, bytes]] = []
        for begin in range(0, len(payloads), SLICE):
            if begin:
                await asyncio.sleep(0)
            for payload in payloads[begin : begin + SLICE]:
                chunk = decode_chunk(payload)
                if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq):
                    kept.append((chunk, payload))
        self._chunks = tuple(chunk for chunk, _ in kept)
        self._payloads = [payload for _, payload in kept]
        return self._chunks

    def payloads_of(self, chunks: Sequence[Chunk]) -> Iterator[bytes]:
        """Their JSON: the stored bytes of those that were read, in the order in which they were."""
        position, end = 0, len(self._chunks)
        for chunk in chunks:
            while position < end and self._chunks[position] is not chunk:
                position += 1
            yield self._payloads[position] if position < end else encode_chunk(chunk)

    def let_go(self) -> None:
        """Forget it, and make room for others."""
        self._chunks, self._payloads = (), []
        self._budget.give_back(self._claimed_bytes)
        self._claimed_bytes = 0
