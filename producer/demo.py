"""Single answers on demand, for the browser page: few at a time, short, and never recorded."""

import asyncio
import logging
import random
import re
from collections.abc import Mapping, Sequence

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.producer.answers import Answer
from chunk7.producer.journal import Journal
from chunk7.producer.metrics import ProducerMetrics
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.writing import CellWriter
from chunk7.wire.clock import now_ns
from chunk7.wire.demo import (
    DEMO_PREFIX,
    AnswerOrder,
    AnswerPromise,
    AnswerSession,
    Choices,
    WriteChoice,
)
from chunk7.wire.store.heads import heads_and_epochs

MAX_AT_ONCE = 3
MAX_WRITES = 2
LEAD_MS = 400.0
"""From the promise to the first chunk: time to join before it."""
LONGEST_S = 60.0
FINISH_WITHIN_S = 5.0
STORE_WITHIN_S = 2.0

_RANGES: dict[str, tuple[float, float]] = {
    "chunk_rate": (1, 200),
    "chunks": (10, 400),
    "save_lag_ms": (0, 500),
}
_SESSION = re.compile(re.escape(DEMO_PREFIX) + r"[A-Za-z0-9_-]{1,64}")
log = logging.getLogger("producer")


class Busy(Chunk7Error):
    """As many answers as may be are under way."""


class Demo:
    """Takes orders for single answers, whatever the timetable does meanwhile.

    Their chunks are counted and recorded nowhere: a load test beside them would be judged by them.
    """

    def __init__(
        self,
        connection: StoreConnection,
        answers: Sequence[Answer],
        orderings: Mapping[str, WriteOrdering],
        group: asyncio.TaskGroup,
    ) -> None:
        self._connection = connection
        self._answers = answers
        self._orderings = orderings
        self._group = group
        self._under_way: dict[str, asyncio.Task[None] | None] = {}

    def choices(self) -> Choices:
        """What may be ordered."""
        names = {ordering.name: ordering.feed for ordering in self._orderings.values()}
        rate, chunks, lag = _RANGES.values()
        return Choices(
            writes=[WriteChoice(name, feed) for name, feed in names.items()],
            chunk_rate=rate,
            chunks=(int(chunks[0]), int(chunks[1])),
            save_lag_ms=lag,
            longest_s=LONGEST_S,
        )

    async def begin(self, order: AnswerOrder) -> AnswerPromise:
        """Begin to stream an answer.

        Raises UsageError naming the field, Busy, and StoreError or TimeoutError when the
        store does not answer.
        """
        self._check(order)
        self._under_way[order.session_id] = None  # nobody else's from here on
        try:
            return await self._begin(order)
        finally:
            if self._under_way[order.session_id] is None:
                del self._under_way[order.session_id]

    async def stop(self) -> None:
        """Break off what is under way."""
        tasks = [task for task in self._under_way.values() if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _check(self, order: AnswerOrder) -> None:
        if not _SESSION.fullmatch(order.session_id):
            allowed = f"{DEMO_PREFIX} and 1 to 64 letters, digits, - or _"
            raise UsageError(f"session_id: {order.session_id[:80]!r} is not {allowed}")
        for field, (low, high) in _RANGES.items():
            value = getattr(order, field)
            if not low <= value <= high:  # also refuses nan
                raise UsageError(f"{field}: {value:g} is not {low:g} to {high:g}")
        if order.chunks / order.chunk_rate > LONGEST_S:
            raise UsageError(f"chunks: at this chunk_rate they take longer than {LONGEST_S:g} s")
        if not 1 <= len(set(order.writes)) == len(order.writes) <= MAX_WRITES:
            raise UsageError(f"writes: want 1 to {MAX_WRITES} different write orderings")
        for write in order.writes:
            if write not in self._orderings:
                known = ", ".join(self._orderings)
                raise UsageError(f"writes: {write[:80]!r} is none of {known}")
        if order.session_id in self._under_way:
            raise UsageError(f"session_id: {order.session_id} is being streamed")
        if len(self._under_way) >= MAX_AT_ONCE:
            raise Busy(f"{MAX_AT_ONCE} answers are being streamed already; try again in a moment")

    async def _begin(self, order: AnswerOrder) -> AnswerPromise:
        sessions = [
            AnswerSession(f"{order.session_id}-{number}", write, self._orderings[write].feed)
            for number, write in enumerate(order.writes)
        ]
        async with asyncio.timeout(STORE_WITHIN_S):
            store = self._connection.store
            tails = await heads_and_epochs(store, [session.session_id for session in sessions])
        if any(head_seq for head_seq, _ in tails):
            raise UsageError(f"session_id: {order.session_id} has been used")
        answer = random.choice(self._answers)
        count = min(order.chunks, len(answer.texts))
        task = self._group.create_task(self._stream(order, sessions, answer.texts[:count]))
        self._under_way[order.session_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(order.session_id))
        log.info("%s: %d chunks of %s", order.session_id, count, answer.name)
        return AnswerPromise(sessions, answer.name, count, order.chunk_rate, LEAD_MS)

    async def _stream(
        self, order: AnswerOrder, sessions: Sequence[AnswerSession], texts: Sequence[str]
    ) -> None:
        """Start every chunk at its instant, once in each session."""
        journal = Journal(None, ProducerMetrics())  # of its own, for nobody
        writers = [
            CellWriter(
                self._connection,
                journal,
                0,
                session.write,
                self._orderings[session.write],
                order.save_lag_ms,
            )
            for session in sessions
        ]
        first_ns = now_ns() + round(LEAD_MS * 1e6)
        within_s = 0.0
        try:
            for index, text in enumerate(texts):
                intended_ns = first_ns + round(index / order.chunk_rate * 1e9)
                await asyncio.sleep(max(0.0, (intended_ns - now_ns()) / 1e9))
                for writer, session in zip(writers, sessions, strict=True):
                    writer.start(_chunk(session.session_id, index, text, len(texts)), intended_ns)
            within_s = FINISH_WITHIN_S + order.save_lag_ms / 1_000
        finally:
            await asyncio.gather(*(writer.finish(within_s) for writer in writers))
        if journal.totals.errors:
            log.warning("%s: %d chunks were not written", order.session_id, journal.totals.errors)


def _chunk(session_id: str, index: int, text: str, count: int) -> Chunk:
    return Chunk(session_id, f"{session_id}-m0", index, text, index == count - 1)
