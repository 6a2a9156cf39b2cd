"""Users of the load test without Locust: visits in greenlets, what was told and written down."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent

from chunk7.loadtest.options import LoadOptions
from chunk7.loadtest.rounds import ROUND, Round, to_message
from chunk7.loadtest.targets.connection import Connection
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Cell, Plan, SessionPlan, Timetable
from chunk7.wire.records import read_back

CELL = Cell("subscribe_then_history", "atomic_lua")


def make_round(duration_ms: int = 500, settle_ms: int = 100, **fields: Any) -> Round:
    """One that begins now: a cell, a session `s` that streams all the time, no producer."""
    plan = Plan(
        run="r", cells=[CELL], seed=7, sessions=1, users=1, duration_ms=duration_ms,
        settle_ms=settle_ms, lead_ms=0, **fields,
    )  # fmt: skip
    sessions = [SessionPlan("s", 0, 0.0, float(duration_ms), 10)]
    return Round(1, Timetable(plan, now_ns(), 0, boot_id(), sessions), now_ns())


@dataclass
class Users:
    """Those of one process that writes into `records`. `told`: what Locust would have been told."""

    records: Path
    host: str
    told: list[tuple[str, float | None, Exception | None]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def visit(self, round_: Round, users: int = 1) -> None:
        """All visits of a round, at their moments; everything is written down at the end."""
        parsed = SimpleNamespace(worker=False)
        takers: dict[str, Any] = {}
        runner = SimpleNamespace(
            register_message=takers.__setitem__,
            send_message=lambda _, data: self.failed.append(data),
            worker_index=0,
            environment=SimpleNamespace(parsed_options=parsed),
        )
        worker = WorkerState(runner)
        options = LoadOptions(
            host=self.host, producer="", plan=round_.timetable.plan, store_delay=None,
            records=self.records, fill_gaps=frozenset(), once=True, adapter=None,
        )  # fmt: skip
        worker.start(options)
        data = to_message(round_.number, round_.timetable, round_.first_user, round_.user_step)
        takers[ROUND](SimpleNamespace(data=data))
        current = worker.wait_for_round(0, 1.0)
        assert current is not None
        greenlets = [gevent.spawn(self._follow, worker, current, user) for user in range(users)]
        gevent.joinall(greenlets, timeout=60, raise_error=True)
        worker.stop()
        worker.close()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """What was written down; nothing where there was nothing to write."""
        path = self.records / f"locust.{table}.arrows"
        return read_back(path).table.to_pylist() if path.exists() else []

    def phases(self) -> list[tuple[str, bool]]:
        """What was told of, in its order, and whether it went well."""
        return [(name, exception is None) for name, _, exception in self.told]

    def _follow(self, worker: WorkerState, round_: Round, user: int) -> None:
        for visit in round_.visits(user):
            gevent.sleep(max(0.0, (round_.instant_ns(visit.join_ms) - now_ns()) / 1e9))
            Connection(worker, round_, user, visit, self._fire).run()

    def _fire(self, name: str, ms: float | None, exception: Exception | None = None) -> None:
        self.told.append((name, ms, exception))
