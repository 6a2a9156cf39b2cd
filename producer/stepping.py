"""A producer that writes one chunk when it is told to, through the real store, by any ordering."""

from types import TracebackType
from typing import Any, Self

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Append,
    AwaitReplicas,
    Begin,
    Clear,
    NextSeq,
    NumberSaveAndPublish,
    Pause,
    Poke,
    Publish,
    Save,
    SaveAndPublish,
    WriteEffect,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.stepping import Steps
from chunk7.producer.writing import carry_out, check_chunk
from chunk7.wire.store.layout import Layout
from chunk7.wire.store.store import Store


class ChunkProducer:
    """Writes the chunks of one session's one message. Opens its connection with its block.

    ttl_s: of what is saved. Raises as `chunk7.wire.store.link.Link.open` and `send`, and
    OrderingError for what an ordering yields that is no effect of one.
    """

    def __init__(
        self, url: str, layout: Layout, ordering: WriteOrdering, session_id: str, ttl_s: int
    ) -> None:
        self._url, self._layout, self._ttl_ms = url, layout, ttl_s * 1_000
        self._ordering = ordering
        self._session_id = session_id
        self._store: Store | None = None
        self._index = 0

    async def __aenter__(self) -> Self:
        self._store = await Store.open(self._url, "chunk7-steer", self._ttl_ms, None, self._layout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._store is not None:
            await self._store.close()

    async def write(self, text: str) -> Chunk:
        """Every effect of the next chunk, in the ordering's order; the chunk as it was numbered."""
        chunk = Chunk(self._session_id, f"{self._session_id}-m", self._index, text)
        self._index += 1
        steps = Steps(self._ordering.steps(chunk))
        while steps.effect is not None:
            answer, seq = await self._perform(steps.effect, chunk.seq)
            chunk = chunk.numbered(seq)
            steps.advance(answer)
        return chunk

    async def _perform(self, effect: WriteEffect, seq: int) -> tuple[Any, int]:
        """The effect's answer, and the chunk's number as far as it is known now."""
        store = self._store
        assert store is not None, "it writes only within its block"
        match effect:
            case Pause():
                return None, seq
            case NextSeq():
                seq = await store.next_seq(self._session_id)
                return seq, seq
            case Begin():
                await store.begin(self._session_id)
                return None, seq
            case Poke():
                raise OrderingError("a live producer does not perform Poke: nodes have no notices")
            case AwaitReplicas():
                raise OrderingError(
                    "a live producer does not perform AwaitReplicas: WAIT would stop all sessions"
                )
            case Clear():
                await store.clear(self._session_id)
                return None, seq
            case Publish() | Save() | SaveAndPublish() | NumberSaveAndPublish() | Append():
                check_chunk(effect.chunk, self._session_id)
                return await carry_out(store, effect)
            case _:
                raise OrderingError(f"{effect!r} is no effect of a write ordering")
