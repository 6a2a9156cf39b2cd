"""A load test written down by hand, in the order of time, by the recorders of real processes.

Instants are milliseconds. `Scene.write` says what is to be noted when; `Scene.play` notes all that
is due and flushes every process, so that a test decides what is on disk as the judge looks.
"""

import heapq
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chunk7.delivery.chunk import digest
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import Via

BUG = Cell("history_then_subscribe", "publish_then_save")
FIX = Cell("buffered_merge", "atomic_lua")
DURATION_MS, SETTLE_MS = 1_000, 600
ROUND_MS = DURATION_MS + SETTLE_MS
"""Length of a round of one cell."""
CHUNK_EVERY_MS, READ_MS, SUBSCRIBED_MS, SAVED_MS = 50, 5, 15, 2
"""The bug: who joins reads after 5 ms and is subscribed after 15; a chunk is saved after 2 ms."""


def ns(at_ms: float) -> int:
    return round((10_000 + at_ms) * 1e6)


def a_plan(run: str, number: int = 1, cells: tuple[Cell, ...] = (BUG,), **other: Any) -> Plan:
    fields: dict[str, Any] = {
        "seed": 7, "sessions": 1, "duration_ms": DURATION_MS, "settle_ms": SETTLE_MS, "lead_ms": 0,
    }  # fmt: skip
    return Plan(run=run, number=number, cells=list(cells), **(fields | other))


class Scene:
    """Producer, node and Locust of one cluster, none of which has written anything yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.raw = folder / "raw"
        self.raw.mkdir(parents=True)
        self._recorders = {n: Recorder(self.raw, n) for n in ("producer", "node-1", "locust")}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._ids = itertools.count(1)
        self._now_ms = 0.0

    def write(self, at_ms: float, process: str, table: str, **values: Any) -> None:
        """A row, once that instant has come."""
        note = lambda: self._recorders[process].add(table, **values)  # noqa: E731
        heapq.heappush(self._due, (at_ms, next(self._count), note))

    def play(self, until_ms: float, dead: tuple[str, ...] = ()) -> None:
        """Everything until then, each second's health of all but the dead; then the flush."""
        while self._due and self._due[0][0] <= until_ms:
            heapq.heappop(self._due)[2]()
        seconds = [*range(int(self._now_ms) + 1_000, int(until_ms), 1_000), until_ms]
        self._now_ms = until_ms
        for name, recorder in self._recorders.items():
            if name not in dead:
                for at_ms in seconds:
                    recorder.add("health", at_ns=ns(at_ms), loop_lag_ms=1.0)
                recorder.flush()

    def end(self) -> None:
        """Everybody closes their records."""
        self.play(20_000)
        for recorder in self._recorders.values():
            recorder.close()

    def round(
        self,
        plan: Plan,
        at_ms: float,
        joins_ms: tuple[float, ...] = (190,),
        stopped_ms: float | None = None,
    ) -> None:
        """A whole round: in each cell somebody joins so long after its start, and leaves as
        planned; or until somebody presses stop."""
        stop_ms = float("inf") if stopped_ms is None else stopped_ms
        detail = msgspec.json.encode(plan).decode()
        self.write(at_ms, "producer", "events", at_ns=ns(at_ms), kind="order", detail=detail)
        if stopped_ms is not None:
            stop = {"kind": "order_stopped", "detail": plan.run}
            self.write(stopped_ms, "producer", "events", at_ns=ns(stopped_ms), **stop)
        for cell in range(len(plan.cells)):
            start_ms = at_ms + cell * ROUND_MS
            instants = [start_ms + CHUNK_EVERY_MS * k for k in range(1, 20)]
            published = [instant for instant in instants if instant < stop_ms]
            self._publish(plan, cell, published)
            for join_ms in joins_ms:
                if start_ms + join_ms < stop_ms:
                    self._visit(plan, cell, start_ms, start_ms + join_ms, published, stop_ms)

    def _publish(self, plan: Plan, cell: int, published: list[float]) -> None:
        lag_ms = SAVED_MS if plan.cells[cell] == BUG else 0
        session = f"{plan.run}-{cell}-0"
        for seq, instant in enumerate(published, 1):
            self.write(
                instant + lag_ms, "producer", "published",
                cell=cell, write=plan.cells[cell].write, session_id=session, message_id="m",
                index=seq, seq=seq, digest=digest("m", seq, "text", False), final=False,
                intended_ns=ns(instant), started_ns=ns(instant),
                publish_sent_ns=ns(instant), publish_done_ns=ns(instant),
                save_sent_ns=ns(instant + lag_ms), save_done_ns=ns(instant + lag_ms), receivers=1,
            )  # fmt: skip

    def _visit(
        self, plan: Plan, cell: int, start_ms: float, join_ms: float, published: list[float],
        stop_ms: float,
    ) -> None:  # fmt: skip
        named = {"connection_id": next(self._ids), "session_id": f"{plan.run}-{cell}-0"}
        bug = plan.cells[cell] == BUG
        leave_ms = start_ms + DURATION_MS + 0.8 * SETTLE_MS
        closed_ms = min(leave_ms, stop_ms)
        self.write(
            join_ms, "locust", "opened", **named, cell=cell,
            connect=plan.cells[cell].connect, write=plan.cells[cell].write, user=1, after_seq=0,
            join_earliest_ns=ns(start_ms), join_latest_ns=ns(start_ms + DURATION_MS),
            intended_ns=ns(join_ms), opening_ns=ns(join_ms), leave_ns=ns(leave_ms),
        )  # fmt: skip
        read_ms, subscribed_ms = join_ms + READ_MS, join_ms + SUBSCRIBED_MS
        if not bug:
            read_ms, subscribed_ms = subscribed_ms, read_ms
        self.write(
            join_ms + 16, "node-1", "joins", **named, node="node-1", after_seq=0,
            connect=plan.cells[cell].connect, subscribe_shared=False, accepted_ns=ns(join_ms + 1),
            read_sent_ns=ns(read_ms), read_done_ns=ns(read_ms), history_count=1,
            history_first_seq=1, history_last_seq=1, welcomed_ns=ns(join_ms + 16),
            subscribe_sent_ns=ns(subscribed_ms), subscribe_done_ns=ns(subscribed_ms),
        )  # fmt: skip
        for seq, instant in enumerate(published, 1):
            saved = instant + (SAVED_MS if plan.cells[cell] == BUG else 0)
            if saved <= read_ms:
                self._receive(named["connection_id"], seq, join_ms + 16, Via.HISTORY)
            elif instant >= subscribed_ms:
                self._receive(named["connection_id"], seq, max(instant + 1, join_ms + 16), Via.LIVE)
        self.write(
            closed_ms, "locust", "closed", connection_id=named["connection_id"],
            connected_ns=ns(join_ms + 1), history_ns=ns(join_ms + 16), welcome_ns=ns(join_ms + 16),
            closed_ns=ns(closed_ms), by_server=False, close_code=1000, close_reason="",
            heartbeats=0, fetches=0,
        )  # fmt: skip
        self.write(
            closed_ms + 1, "node-1", "leaves", connection_id=named["connection_id"], node="node-1",
            live_count=1, fetch_count=0, ended_ns=ns(closed_ms + 1), close_code=1000,
        )  # fmt: skip

    def _receive(self, connection_id: Any, seq: int, at_ms: float, via: int) -> None:
        content = digest("m", seq, "text", False)
        row = {"connection_id": connection_id, "seq": seq, "digest": content, "via": via}
        self.write(at_ms, "locust", "receipts", **row, at_ns=ns(at_ms))
