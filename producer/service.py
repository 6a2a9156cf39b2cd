"""The producer between its control API and its streaming: at most one timetable at a time."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.producer.answers import Answer
from chunk7.producer.demo import Demo
from chunk7.producer.journal import Journal
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.streaming import Streaming
from chunk7.producer.timetable import Script, scripts, session_plans
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Plan, Timetable, check


class Producer:
    """Takes orders. Streams run in `group`, so that a failure of ours ends the process."""

    def __init__(
        self,
        connection: StoreConnection,
        journal: Journal,
        answers: Sequence[Answer],
        orderings: Mapping[str, WriteOrdering],
        group: asyncio.TaskGroup,
    ) -> None:
        self.connection = connection
        self.journal = journal
        self.demo = Demo(connection, answers, orderings, group)
        self.timetable: Timetable | None = None
        self.stopped = False
        """Whether there is no timetable because the one that there was has been stopped."""
        self._answers = answers
        self._orderings = orderings
        self._group = group
        self._streaming: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def take(self, plan: Plan) -> Timetable:
        """Stop what is under way and begin with this plan; UsageError leaves all as it is."""
        self._check(plan)
        async with self._changing:
            written = await asyncio.to_thread(scripts, plan, self._answers)
            await self._stop()
            timetable = Timetable(
                plan=plan,
                epoch_ns=now_ns(),
                epoch_unix_ns=time.time_ns(),
                boot_id=boot_id(),
                sessions=session_plans(plan, written),
            )
            return self._begin(timetable, written)

    async def resume(self, timetable: Timetable) -> Timetable:
        """Go on with a timetable that a producer which died had begun, from this moment on.

        What was due meanwhile is left out: nobody ever sent it. Whoever has ordered another one of
        this producer since it was started keeps that. Raises UsageError for one of another machine,
        whose clock is not ours.
        """
        self._check(timetable.plan)
        if timetable.boot_id != boot_id():
            raise UsageError("boot_id: a timetable can be resumed on the machine of its epoch only")
        async with self._changing:
            if self.timetable is not None:
                return self.timetable
            written = await asyncio.to_thread(scripts, timetable.plan, self._answers)
            return self._begin(timetable, written, resumed_ns=now_ns())

    def _begin(
        self, timetable: Timetable, written: Sequence[Script], resumed_ns: int = 0
    ) -> Timetable:
        self.timetable, self.stopped = timetable, False
        self.journal.may_be_killed = bool(timetable.plan.faults)
        streaming = Streaming(
            timetable, written, self._orderings, self.connection, self.journal, resumed_ns
        )
        self._streaming = self._group.create_task(streaming.run())
        return timetable

    def _check(self, plan: Plan) -> None:
        check(plan)
        for number, cell in enumerate(plan.cells):
            if cell.write not in self._orderings:
                raise UsageError(f"cells[{number}].write: unknown write ordering {cell.write!r}")

    async def stop(self) -> None:
        """Stop streaming and forget the timetable; nothing happens without one."""
        async with self._changing:
            self.stopped = self.stopped or self.timetable is not None
            await self._stop()

    async def close(self) -> None:
        """Stop all, single answers included."""
        await asyncio.gather(self.stop(), self.demo.stop())

    async def finished(self) -> None:
        """Wait until the current timetable has been streamed."""
        if self._streaming is not None:
            await asyncio.wait([self._streaming])

    async def _stop(self) -> None:
        self.timetable = None
        if self._streaming is not None:
            self._streaming.cancel()
            await asyncio.wait([self._streaming])
            self._streaming = None
