"""One timetable under way: every session's chunks, each started at its intended instant."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from chunk7.delivery.errors import StoreError
from chunk7.delivery.ordering import Feed, WriteOrdering
from chunk7.producer.counting import Executed, between, executed
from chunk7.producer.journal import Journal
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.timetable import Script
from chunk7.producer.writing import CellWriter
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import Timetable

FINISH_WITHIN_S = 10.0
"""After a cell's last chunk was started, beyond the save lag."""
STOP_WITHIN_S = 0.5
KEYS_AT_ONCE = 50
COUNT_WITHIN_S = 1.0
"""Longest time for the store to say what it has executed."""
log = logging.getLogger("producer")


class Streaming:
    """Streams one timetable. `scripts` has one entry a session, `orderings` every cell's write.

    What was due before `resumed_ns` is left out; 0: nothing is.
    """

    def __init__(
        self,
        timetable: Timetable,
        scripts: Sequence[Script],
        orderings: Mapping[str, WriteOrdering],
        connection: StoreConnection,
        journal: Journal,
        resumed_ns: int = 0,
    ) -> None:
        self._resumed_ns = resumed_ns
        self._timetable = timetable
        self._scripts = scripts
        self._connection = connection
        self._journal = journal
        plan = timetable.plan
        for cell in plan.cells:
            journal.metrics.announce(cell.write)
        self._feeds = [orderings[cell.write].feed for cell in plan.cells]
        self._writers = [
            CellWriter(
                connection, journal, number, cell.write, orderings[cell.write], plan.save_lag_ms
            )
            for number, cell in enumerate(plan.cells)
        ]

    async def run(self) -> None:
        """Stream every cell; ends after the last one's costs are measured. Cancelling stops it."""
        plan = self._timetable.plan
        kind = "order_resumed" if self._resumed_ns else "order"
        self._journal.event(kind, detail=msgspec.json.encode(plan).decode())
        self._journal.flush()  # before the first chunk: readers know whose chunks come
        try:
            async with asyncio.TaskGroup() as cells:
                for cell in self._cells_left():
                    cells.create_task(self._stream_cell(cell))
        except asyncio.CancelledError:
            self._journal.event("order_stopped", detail=plan.run)
            raise
        finally:
            # Stopped: what is under way may end, briefly. Otherwise nothing is left here.
            await asyncio.gather(*(writer.finish(STOP_WITHIN_S) for writer in self._writers))
            self._journal.flush()

    def _cells_left(self) -> Iterator[int]:
        """Those whose clients are not gone yet."""
        for cell in range(len(self._timetable.plan.cells)):
            gone_ns = self._after_epoch_ns(self._timetable.plan.cell_gone_ms(cell))
            if gone_ns > self._resumed_ns:
                yield cell

    async def _stream_cell(self, cell: int) -> None:
        plan = self._timetable.plan
        writer = self._writers[cell]
        await asyncio.sleep(max(0.0, (self._instant_ns(cell, 0) - now_ns()) / 1e9))
        whole = self._instant_ns(cell, 0) >= self._resumed_ns
        before = asyncio.create_task(
            executed(self._connection.store)
        )  # sent before the first chunk
        await asyncio.gather(*(self._walk(cell, session) for session in range(plan.sessions)))
        await writer.finish(FINISH_WITHIN_S + plan.save_lag_ms / 1_000)
        if cell == len(plan.cells) - 1:
            self._journal.event("order_done", detail=plan.run)
        self._journal.flush()
        await self._measure_memory(cell)
        if whole:  # of a part of it the count would be too low
            await self._measure_commands(cell, before)

    async def _walk(self, cell: int, session: int) -> None:
        """Start one session's chunks, sleeping in between. A late one is started at once."""
        start = self._writers[cell].start
        of_session = self._timetable.plan.session_id(cell, session)
        for offset_ms, chunk in self._scripts[session].chunks(of_session):
            intended_ns = self._instant_ns(cell, offset_ms)
            if intended_ns < self._resumed_ns:
                continue
            await asyncio.sleep(max(0.0, (intended_ns - now_ns()) / 1e9))  # 0: the others' turn
            start(chunk, intended_ns)

    def _instant_ns(self, cell: int, offset_ms: float) -> int:
        return self._after_epoch_ns(self._timetable.plan.cell_start_ms(cell) + offset_ms)

    def _after_epoch_ns(self, at_ms: float) -> int:
        return self._timetable.epoch_ns + round(at_ms * 1e6)

    async def _measure_memory(self, cell: int) -> None:
        """What the cell's histories or streams take in the store, asked for in its settle time."""
        plan = self._timetable.plan
        ends_ns = self._after_epoch_ns(plan.cell_start_ms(cell + 1))
        try:
            async with asyncio.timeout((ends_ns - now_ns()) / 1e9):
                stored = await self._memory_bytes(cell)
        except (StoreError, TimeoutError) as error:
            reason = str(error) or "the settle time was too short"
            log.warning("memory of cell %d was not measured: %s", cell, reason)
            return
        found = {
            "run": plan.run, "cell": cell, "bytes": stored, "chunks": self._writers[cell].saved
        }  # fmt: skip
        self._journal.event("memory", detail=json.dumps(found))
        self._journal.flush()

    async def _memory_bytes(self, cell: int) -> int:
        plan = self._timetable.plan
        layout = self._connection.store.layout
        key_of = layout.stream if self._feeds[cell] is Feed.STREAM else layout.history
        keys = [key_of(plan.session_id(cell, session)) for session in range(plan.sessions)]
        total = 0
        for first in range(0, len(keys), KEYS_AT_ONCE):
            asked = [
                ("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys[first : first + KEYS_AT_ONCE]
            ]
            replies = self._connection.store.link.send_all(*asked)
            total += sum(size or 0 for size in await asyncio.gather(*replies))
        return total

    async def _measure_commands(self, cell: int, before: "asyncio.Task[Executed]") -> None:
        """What the store executed from the cell's start until its clients were gone."""
        plan = self._timetable.plan
        gone_ns = self._after_epoch_ns(plan.cell_gone_ms(cell))
        ends_ns = self._after_epoch_ns(plan.cell_start_ms(cell + 1))
        await asyncio.sleep((gone_ns - now_ns()) / 1e9)
        try:
            if now_ns() >= ends_ns:  # the next cell's commands have begun
                raise StoreError("the settle time was too short")
            async with asyncio.timeout(COUNT_WITHIN_S):
                calls = between(await before, await executed(self._connection.store))
        except (StoreError, TimeoutError) as error:
            reason = str(error) or f"no answer within {COUNT_WITHIN_S:g} s"
            log.warning("commands of cell %d were not counted: %s", cell, reason)
            return
        found = {"run": plan.run, "cell": cell, "calls": calls}
        self._journal.event("commands", detail=json.dumps(found))
        self._journal.flush()
