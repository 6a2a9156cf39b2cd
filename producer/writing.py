"""Chunks under way: each runs its write ordering against the store, and is written down.

A chunk is started, never waited for, so a late one does not delay the next. Order in a session
holds all the same: tasks run in the order they were started, a store command is sent before its
caller first suspends, all go over one link, and replies wake their callers in that order.
"""

import asyncio
from typing import Any, assert_never

from chunk7.delivery.chunk import Chunk, End, digest
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
    SetStatus,
    WriteEffect,
)
from chunk7.delivery.errors import OrderingError, StoreError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.stepping import Steps
from chunk7.producer.journal import Journal
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.written import Written
from chunk7.wire.clock import now_ns
from chunk7.wire.store.store import Store

MAX_UNDER_WAY = 10_000
"""Chunks of a cell that may be under way; one more is not started, and recorded as such."""
SATURATED = "producer saturated"


class CellWriter:
    """Writes the chunks of one cell. `write` is the ordering's name as the cell gives it."""

    def __init__(
        self,
        connection: StoreConnection,
        journal: Journal,
        cell: int,
        write: str,
        ordering: WriteOrdering,
        save_lag_ms: float,
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._cell = cell
        self._write = write
        self._ordering = ordering
        self._save_lag_s = save_lag_ms / 1_000
        self._under_way: set[asyncio.Task[None]] = set()
        self.saved = 0
        """Chunks that are in the history or the stream."""

    def start(self, chunk: Chunk, intended_ns: int) -> None:
        """Begin to write a chunk now, whatever became of the ones before."""
        written = Written(
            self._cell,
            self._write,
            chunk.session_id,
            chunk.message_id,
            chunk.index,
            0,
            digest(chunk.message_id, chunk.index, chunk.text, chunk.final),
            chunk.final,
            intended_ns,
            now_ns(),
        )
        if len(self._under_way) >= MAX_UNDER_WAY:
            written.error = SATURATED
            self._end(written, chunk)
            return
        self._journal.under_way += 1
        task = asyncio.create_task(self._run(chunk, written))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self, within_s: float) -> None:
        """Wait for the chunks under way; those that take longer are abandoned and recorded so."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_s)
        abandoned = list(self._under_way)
        for task in abandoned:
            task.cancel()
        await asyncio.gather(*abandoned, return_exceptions=True)

    async def _run(self, chunk: Chunk, written: Written) -> None:
        written.started_ns = now_ns()
        try:
            steps = Steps(self._ordering.steps(chunk))
            while steps.effect is not None:
                steps.advance(await self._perform(steps.effect, written))
        except (StoreError, OrderingError) as error:
            written.error = str(error)
        except asyncio.CancelledError:
            written.error = "abandoned: the producer ended before the store answered"
            raise
        finally:
            self._journal.under_way -= 1
            self._end(written, chunk)

    def _end(self, written: Written, chunk: Chunk) -> None:
        self.saved += written.save_done_ns is not None
        self._journal.written(written, chunk.text)

    async def _perform(self, effect: WriteEffect, written: Written) -> Any:
        """Carry out one effect; its answer as chunk7.delivery.effects names it."""
        store = self._connection.store
        match effect:
            case Pause():
                return await asyncio.sleep(self._save_lag_s) if self._save_lag_s else None
            case NextSeq():
                written.seq = await store.next_seq(written.session_id)
                return written.seq
            case Begin():
                return await store.begin(written.session_id)
            case Poke():
                raise OrderingError("a live producer does not perform Poke: nodes have no notices")
            case AwaitReplicas():
                raise OrderingError(
                    "a live producer does not perform AwaitReplicas: WAIT would stop all sessions"
                )
            case Clear():
                return await store.clear(written.session_id)
            case Publish() | Save() | SaveAndPublish() | NumberSaveAndPublish() | Append():
                return await _write(store, effect, written)
            case SetStatus():
                raise OrderingError("a producer does not set a status yet: only explore does")
            case _:
                raise OrderingError(f"{effect!r} is no effect of a write ordering")


ChunkEffect = Publish | Save | SaveAndPublish | NumberSaveAndPublish | Append


async def _write(store: Store, effect: ChunkEffect, written: Written) -> Any:
    """One command, or transaction, that carries the chunk; notes its instants."""
    check_chunk(effect.chunk, written.session_id)
    written.seq = effect.chunk.seq
    publishes = not isinstance(effect, Save)
    saves = not isinstance(effect, Publish)
    sent_ns = now_ns()
    if publishes and written.publish_sent_ns is None:
        written.publish_sent_ns = sent_ns
    if saves and written.save_sent_ns is None:
        written.save_sent_ns = sent_ns
    answer, written.seq = await carry_out(store, effect)
    done_ns = store.link.heard_ns
    if publishes and written.publish_done_ns is None:
        written.publish_done_ns = done_ns
        written.receivers = answer if isinstance(answer, int) else None
    if saves and written.save_done_ns is None:
        written.save_done_ns = done_ns
    return answer


async def carry_out(store: Store, effect: ChunkEffect) -> tuple[Any, int]:
    """The effect's answer, as chunk7.delivery.effects names it, and the chunk's number."""
    chunk = effect.chunk
    match effect:
        case Publish():
            return await store.publish(chunk), chunk.seq
        case Save():
            await store.save(chunk)
            return None, chunk.seq
        case SaveAndPublish():
            return await store.save_and_publish(chunk), chunk.seq
        case NumberSaveAndPublish():
            seq, receivers = await store.number_save_and_publish(chunk)
            return receivers, seq
        case Append():
            return await store.append(chunk), chunk.seq
        case _:
            assert_never(effect)


def check_chunk(chunk: Chunk, session_id: str) -> None:
    """An ordering of somebody else's may hand us anything. Raises OrderingError."""
    if not isinstance(chunk, Chunk) or chunk.session_id != session_id:
        raise OrderingError(f"{chunk!r} is no chunk of the session {session_id}")
    if isinstance(chunk, End):
        raise OrderingError("a producer does not write an end yet: only explore does")
    if type(chunk.seq) is not int or not 0 <= chunk.seq < 2**31:
        raise OrderingError(f"seq {chunk.seq!r} is not an integer of 0 to 2^31 - 1")
