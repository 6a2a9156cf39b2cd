"""Carries out the faults of a load test: strikes when its timetable says so, and writes that down.

The timetable is the producer's, so whatever is planned for a load test, by an option or in the web
UI, is carried out by whoever follows the producer. What the load test's users do themselves is
theirs. The records are those of a process called `faults`: `fault_began` and `fault_ended`, each
with the fault's name and whom it hit, and `fault_planned_death` of each process that was killed.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from chunk7.cluster.jobs.progress import Stopped, Timetables
from chunk7.delivery.errors import Chunk7Error
from chunk7.faults.live import Conducted, Controls
from chunk7.faults.schedule import PlannedStrike, lag_ms, parse_faults, strikes
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Timetable
from chunk7.wire.recorder import Recorder, unclaimed

PROCESS = "faults"
WITHIN_S = 60.0
"""Longest time for a fault to be done, or undone."""
LATE_MS = 250.0
"""A strike this much behind its moment is left out: the timetable was heard of too late."""
_POLL_S = 0.2


class FaultRecords:
    """Events of the faults, on disk as soon as they are known."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recorder: Recorder | None = None

    def add(self, kind: str, detail: str, at_ns: int | None = None) -> None:
        """One event; the file is made with the first."""
        if self._recorder is None:
            self._recorder = Recorder(self._folder, unclaimed(self._folder, PROCESS))
        at_ns = now_ns() if at_ns is None else at_ns
        self._recorder.add("events", at_ns=at_ns, kind=kind, session_id=None, detail=detail)
        self._recorder.flush()

    def planned_death(self, process: str) -> None:
        """This recording process is about to be killed."""
        self.add("fault_planned_death", process)

    def close(self) -> None:
        """No more will come."""
        if self._recorder is not None:
            self._recorder.close()


@contextmanager
def fault_records(folder: Path) -> Iterator[FaultRecords]:
    """Records of faults in a folder of raw records, complete when the block ends in order."""
    records = FaultRecords(folder)
    yield records
    records.close()


async def conduct(
    controls: Controls, timetable: Timetable, records: FaultRecords, over: asyncio.Event
) -> None:
    """Every strike of a timetable from now on, until all are undone.

    Once the timetable is `over` no further strike begins, and one that is under way does its harm
    to its end and is undone at once: half of a failover is nothing that anybody could undo. To
    cancel this is quicker, and leaves the harm: for a cluster that ends as well.

    Raises Chunk7Error when one could not be carried out: what the run says would not be true.
    """
    plan = timetable.plan
    if plan.faults and timetable.boot_id != boot_id():
        raise Chunk7Error("--fault: not on a cluster of another machine, whose clock is not ours")
    lag = lag_ms(parse_faults(plan.faults, plan.duration_ms))
    if lag:
        await controls.set_lag(lag)
    try:
        async with asyncio.TaskGroup() as group:
            for strike in strikes(plan):
                due_ns = timetable.epoch_ns + round(strike.at_ms * 1e6)
                if not isinstance(strike.fault, Conducted):
                    continue
                if due_ns <= now_ns() - LATE_MS * 1e6:
                    records.add("fault_left_out", strike.name)
                    continue
                striking = strike.fault.live(controls, strike.draw, strike.values)
                group.create_task(_strike(striking, strike, due_ns, records, over))
    except ExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


async def _strike(
    live: AsyncGenerator[str, None],
    strike: PlannedStrike,
    due_ns: int,
    records: FaultRecords,
    over: asyncio.Event,
) -> None:
    if await _comes(over, (due_ns - now_ns()) / 1e9):
        return
    began_ns = now_ns()
    try:
        async with aclosing(live) as striking:
            async with asyncio.timeout(WITHIN_S):
                whom = await anext(striking)
            records.add("fault_began", f"{strike.name} {whom}", began_ns)
            await _comes(over, strike.for_ms / 1_000)
            async with asyncio.timeout(WITHIN_S):
                while await anext(striking, None) is not None and not over.is_set():
                    pass
        records.add("fault_ended", f"{strike.name} {whom}")
    except TimeoutError:
        raise Chunk7Error(f"--fault {strike.name}: not done within {WITHIN_S:g} s") from None
    except Chunk7Error as error:
        raise Chunk7Error(f"--fault {strike.name}: {error}") from error


async def _comes(over: asyncio.Event, within_s: float) -> bool:
    """Wait for it no longer than that; whether it came."""
    try:
        async with asyncio.timeout(max(0.0, within_s)):
            await over.wait()
    except TimeoutError:
        return False
    return True


async def follow_timetables(
    controls: Controls, timetables: Timetables, records: FaultRecords
) -> None:
    """Conduct one timetable after the other, until cancelled; raises as `conduct`.

    A timetable finds the cluster whole: what strikes of the one before is undone first, and as soon
    as that is stopped. When this is cancelled the cluster ends, and nothing is undone.
    """
    before: int | None = None
    conducting: asyncio.Task[None] | None = None
    over = asyncio.Event()
    try:
        while True:
            timetable = await timetables()
            if isinstance(timetable, Stopped):
                controls.timetable = None  # a producer that comes back has nothing to go on with
                over.set()
            elif timetable is not None and timetable.epoch_ns != before:
                before = timetable.epoch_ns
                if conducting is not None:
                    over.set()
                    await conducting
                controls.timetable, over = timetable, asyncio.Event()
                conducting = asyncio.create_task(conduct(controls, timetable, records, over))
            if conducting is not None and conducting.done():
                conducting.result()
            await asyncio.sleep(_POLL_S)
    finally:
        if conducting is not None:
            conducting.cancel()
            await asyncio.wait([conducting], timeout=WITHIN_S)
