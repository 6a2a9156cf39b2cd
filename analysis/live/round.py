"""One round of a load test: its rows, picked out of everybody's records, as a run folder.

`rounds/NAME/` gets a manifest and a `raw/` of its own, so everything that judges a finished run
judges the round, while it runs and afterwards. After the last time `raw/` goes: the tables have it.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chunk7.analysis.faults import is_conductor
from chunk7.analysis.gather import gather
from chunk7.analysis.live.records import Fresh
from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.analysis.results import write_summary
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import Study, study
from chunk7.wire.account import Explored
from chunk7.wire.plan import Plan
from chunk7.wire.record_messages import END_MARK, sealed
from chunk7.wire.whole_files import written

AFTER_NS = 1_000_000_000
"""Beyond its end, for what is noted as connections close."""
Clocks = Mapping[str, list[Fresh]]
"""Every measurement of a process's clock, by process."""
_BY_CONNECTION = ("leaves", "receipts", "closed")
_BY_SESSION = ("published", "opened", "joins")
_BY_RUN = ("order", "order_done", "order_stopped", "memory", "commands")


class LiveRound:
    """Takes rows until it is closed.

    `ended_ns` is when it ends by its timetable, or was stopped. `rows` counts what it took, `open`
    is how many connections have no end yet, `fresh` whether rows came since the last judging.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        began_ns: int,
        traits: Mapping[str, Traits],
        explored: Mapping[str, Explored],
    ) -> None:
        self.folder, self.plan, self.began_ns = folder, plan, began_ns
        self.ended_ns = began_ns + round(plan.end_ms * 1e6)
        self.stopped = False
        self.rows = 0
        self.fresh = False
        self._traits = {cell.connect: traits.get(cell.connect, Traits()) for cell in plan.cells}
        names = (cell.name for cell in plan.cells)
        self._explored = {name: explored[name] for name in names if name in explored}
        self._sessions = pa.array(
            [
                plan.session_id(cell, session)
                for cell in range(len(plan.cells))
                for session in range(plan.sessions)
            ]
        )
        self._ids: set[int] = set()
        self._open: set[int] = set()
        self._processes: set[str] = set()
        self._killed: set[str] = set()
        shutil.rmtree(folder, ignore_errors=True)  # of a judge that was ended in the middle
        (folder / "raw").mkdir(parents=True)
        self._write_manifest()

    @property
    def has_connections(self) -> bool:
        """Whether anybody has begun to connect."""
        return bool(self._ids)

    @property
    def open_count(self) -> int:
        """How many connections have no end on record."""
        return len(self._open)

    @property
    def processes(self) -> frozenset[str]:
        """Who recorded something of it."""
        return frozenset(self._processes)

    @property
    def silenced(self) -> frozenset[str]:
        """Who will not write on: those killed on purpose, and the conductor, who writes each fault
        down as it strikes and nothing else."""
        return frozenset(p for p in self._processes if p in self._killed or is_conductor(p))

    def end(self, at_ns: int) -> None:
        """It was stopped, or another round has begun: cells not begun by then are none of it."""
        if at_ns >= self.ended_ns:
            return
        self.stopped, self.ended_ns = True, at_ns
        began = [
            cell
            for number, cell in enumerate(self.plan.cells)
            if number == 0 or self.began_ns + self.plan.cell_start_ms(number) * 1e6 < at_ns
        ]
        self.plan = msgspec.structs.replace(self.plan, cells=began)
        self._write_manifest()

    def take(self, fresh: Fresh, shift_ns: int) -> None:
        """Write down the rows of it; `shift_ns` is added to instants to compare them with ours.

        Raises WriteError where there is no room for them.
        """
        rows = fresh.rows()
        rows = rows.filter(self._mine(fresh.table, rows, shift_ns))
        if not rows.num_rows:
            return
        self._processes.add(fresh.process)
        if is_conductor(fresh.process) and fresh.table == "events":
            deaths = pc.equal(rows["kind"], "fault_planned_death")
            self._killed |= set(rows.filter(deaths)["detail"].to_pylist())
        self._append(fresh, rows)
        self.rows += rows.num_rows
        self.fresh = self.fresh or fresh.table != "health"

    def judge(self, against: tuple[str, ...], clocks: Clocks) -> Study:
        """As far as it has come. Raises RecordError for records that contradict each other."""
        self.fresh = False
        self._write_clocks(clocks)
        gather(self.folder)
        return study(load_run(self.folder), against, running=True)

    def close(self, against: tuple[str, ...], clocks: Clocks, whole: frozenset[str]) -> Study:
        """For the last time; `whole` are the processes that wrote down all they had to.

        One that was stopped has chunks that nobody can know about, and perhaps an empty cell.
        Raises RecordError as `judge`; `raw/` then stays.
        """
        self._write_clocks(clocks)
        for path in (self.folder / "raw").glob("*.arrows"):
            if path.stem.rpartition(".")[0] in whole:
                with written(path), path.open("ab") as file:
                    file.write(END_MARK)
        cut = sorted(self._processes - whole - self._killed) if self.stopped else []
        lines = tuple(f"{name} was cut short: its records have no end" for name in cut)
        gather(self.folder)
        judged = study(load_run(self.folder), (*against, *lines), running=self.stopped)
        write_summary(self.folder, judged.summary)
        shutil.rmtree(self.folder / "raw")
        return judged

    # --- which rows ---

    def _mine(self, table: str, rows: pa.Table, shift_ns: int) -> Any:
        if table in _BY_SESSION:
            mine = pc.is_in(rows["session_id"], value_set=self._sessions)
            self._learn(table, rows.filter(mine))
            return mine
        if table in _BY_CONNECTION:
            ids = pa.array(self._ids, pa.int64())
            mine = pc.is_in(rows["connection_id"], value_set=ids)
            if table == "closed":
                self._open -= set(rows.filter(mine)["connection_id"].to_pylist())
            return mine
        if table == "returns":
            mine = pc.is_in(rows["first_id"], value_set=pa.array(self._ids, pa.int64()))
            self._learn(table, rows.filter(mine))
            return mine
        within = self._within(rows["at_ns"].to_numpy() + shift_ns)
        if table == "events":
            pairs = zip(rows.to_pylist(), within, strict=True)
            return pa.array([self._is_event(row, bool(inside)) for row, inside in pairs])
        return pa.array(within)

    def _within(self, at_ns: Any) -> Any:
        return np.logical_and(at_ns >= self.began_ns, at_ns <= self.ended_ns + AFTER_NS)

    def _is_event(self, row: dict[str, Any], within: bool) -> bool:
        if row["session_id"] is not None:
            return bool(pc.is_in(pa.scalar(row["session_id"]), value_set=self._sessions).as_py())
        if row["kind"] in _BY_RUN:
            return run_of(row) == self.plan.run
        return within

    def _learn(self, table: str, rows: pa.Table) -> None:
        if table == "opened":
            self._open |= set(rows["connection_id"].to_pylist())
        if table != "published":
            self._ids |= set(rows["connection_id"].to_pylist())

    # --- writing ---

    def _append(self, fresh: Fresh, rows: pa.Table) -> None:
        path = self.folder / "raw" / f"{fresh.process}.{fresh.table}.arrows"
        new = not path.exists()
        with written(path), path.open("ab") as file:
            if new:
                file.write(sealed(fresh.schema.serialize()))
            for batch in rows.combine_chunks().to_batches():
                file.write(sealed(batch.serialize()))

    def _write_clocks(self, clocks: Clocks) -> None:
        """Clocks are measured when a process starts and ends: all of those that take part."""
        for process in self._processes & clocks.keys():
            (self.folder / "raw" / f"{process}.clocks.arrows").unlink(missing_ok=True)
            for measured in clocks[process]:
                self._append(measured, measured.rows())

    def _write_manifest(self) -> None:
        extra = {"round": self.plan.number, "stopped": self.stopped}
        manifest = Manifest(
            plan=self.plan, traits=self._traits, explored=self._explored, extra=extra
        )
        write_manifest(self.folder, manifest)


def run_of(event: dict[str, Any]) -> str | None:
    """The run that a producer's event of _BY_RUN names."""
    detail = event["detail"] or ""
    if event["kind"] in ("order_done", "order_stopped"):
        return str(detail)
    try:
        run = json.loads(detail).get("run")
    except (ValueError, AttributeError):
        return None
    return run if isinstance(run, str) else None
