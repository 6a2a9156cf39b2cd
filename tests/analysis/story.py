"""Write a run folder by hand, through the recorders that real processes use.

Instants are milliseconds. Every argument not named gets the value of an uneventful run, so that a
test says only what it is about.
"""

from pathlib import Path
from typing import Any

from chunk7.analysis.manifest import Manifest, TargetFacts, Traits, write_manifest
from chunk7.delivery.chunk import digest
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.tables import Via

MS = 1_000_000
CELL = Cell("history_then_subscribe", "publish_then_save")
SECOND = Cell("buffered_merge", "atomic_lua")
START_MS = 1_000
"""Instants of a story count from here, so that none is the clock's zero."""


def ns(at_ms: float | None) -> int | None:
    return None if at_ms is None else round((START_MS + at_ms) * MS)


def content(seq: int, session: str = "s") -> int:
    """Digest of the story's chunk `seq`."""
    return digest(session, seq, f"text {seq}", False)


class Story:
    """One producer, one node and one load generator writing down what they are told."""

    def __init__(
        self,
        folder: Path,
        cells: list[Cell] | None = None,
        settle_ms: int = 500,
        traits: dict[str, Traits] | None = None,
        target: TargetFacts | None = None,
    ) -> None:
        self.folder = folder
        cells = cells or [CELL]
        plan = Plan(
            run="r", cells=cells, seed=7, sessions=1, duration_ms=1_000, settle_ms=settle_ms
        )
        traits = {cell.connect: Traits() for cell in cells} | (traits or {})
        (folder / "raw").mkdir(parents=True)
        write_manifest(
            folder, Manifest(plan=plan, traits=traits, settle_ms=settle_ms, target=target)
        )
        self.cells = cells
        self.recorders: dict[str, Recorder] = {}

    def of(self, process: str) -> Recorder:
        if process not in self.recorders:
            self.recorders[process] = Recorder(self.folder / "raw", process)
        return self.recorders[process]

    def chunk(self, seq: int, at_ms: float, save_ms: float | None = None, **other: Any) -> None:
        """Chunk `seq`: published at `at_ms`, saved at `save_ms` (at once), answers taking 0 ms.

        `numbered=False`: the producer never learnt the number.
        """
        session = other.setdefault("session_id", "s")
        saved = at_ms if save_ms is None else save_ms
        cell = other.setdefault("cell", 0)
        row = {
            "write": self.cells[cell].write,
            "message_id": session,
            "index": seq,
            "seq": seq if other.pop("numbered", True) else 0,
            "digest": content(seq, session),
            "final": False,
            "intended_ns": ns(at_ms),
            "started_ns": ns(at_ms),
            "publish_sent_ns": ns(at_ms),
            "publish_done_ns": ns(at_ms),
            "save_sent_ns": ns(saved),
            "save_done_ns": ns(saved),
            "receivers": 1,
        }
        self.of("producer").add("published", **(row | other))

    def connection(
        self,
        connection_id: int,
        receipts: list[tuple[float, int]] | list[tuple[Any, ...]] = (),  # type: ignore[assignment]
        open_ms: float = 0,
        leave_ms: float = 5_000,
        process: str = "locust",
        end: bool = True,
        **other: Any,
    ) -> None:
        """A client; `receipts` are (at_ms, seq[, via[, digest]]) in the order received."""
        cell = other.pop("cell", 0)
        session = other.pop("session_id", "s")
        opened = {
            "connection_id": connection_id,
            "cell": cell,
            "connect": self.cells[cell].connect,
            "write": self.cells[cell].write,
            "session_id": session,
            "user": connection_id,
            "after_seq": 0,
            "join_earliest_ns": ns(open_ms),
            "join_latest_ns": ns(open_ms + 100),
            "intended_ns": ns(open_ms),
            "opening_ns": ns(open_ms),
            "leave_ns": ns(leave_ms),
        }
        closed = {
            "connection_id": connection_id,
            "connected_ns": ns(open_ms + 1),
            "history_ns": ns(open_ms + 2),
            "welcome_ns": ns(open_ms + 3),
            "closed_ns": ns(leave_ms),
            "by_server": False,
            "close_code": 1000,
            "close_reason": "",
            "heartbeats": 0,
            "fetches": 0,
        }
        recorder = self.of(process)
        recorder.add("opened", **_updated(opened, other))
        for at_ms, seq, *rest in receipts:
            via, content_ = (*rest, *(Via.LIVE, content(seq, session))[len(rest) :])
            row = (connection_id, seq, content_, via, ns(at_ms))
            recorder.add_row("receipts", row)
        if end:
            recorder.add("closed", **_updated(closed, other))

    def returned(
        self,
        connection_id: int,
        first_id: int,
        lost_ms: float,
        history_ms: float | None,
        process: str = "locust",
        **other: Any,
    ) -> None:
        """A try to come back, which opened a millisecond before its history; None: it failed."""
        opened_ms = lost_ms + 1 if history_ms is None else history_ms - 1
        row = {
            "connection_id": connection_id,
            "first_id": first_id,
            "lost_ns": ns(lost_ms),
            "lost_code": 1006,
            "lost_reason": "",
            "opening_ns": ns(opened_ms),
            "connected_ns": None if history_ms is None else ns(opened_ms),
            "history_ns": ns(history_ms),
            "after_seq": 0,
            "error": "refused" if history_ms is None else None,
        }
        self.of(process).add("returns", **(row | other))

    def join(
        self,
        connection_id: int,
        read_ms: tuple[float, float] | None = (2, 2),
        subscribe_ms: tuple[float, float] | None = (3, 3),
        process: str = "node",
        leaves: dict[str, Any] | None = None,
        **other: Any,
    ) -> None:
        """What the node wrote of it; (sent, done) each."""
        row = {
            "connection_id": connection_id,
            "session_id": "s",
            "node": process,
            "connect": self.cells[0].connect,
            "after_seq": 0,
            "accepted_ns": ns(0),
            "history_count": 0,
            "subscribe_shared": False,
            "welcomed_ns": ns(9_000),
        }
        for name, pair in (("read", read_ms), ("subscribe", subscribe_ms)):
            sent, done = pair or (None, None)
            row |= {f"{name}_sent_ns": ns(sent), f"{name}_done_ns": ns(done)}
        self.of(process).add("joins", **(row | other))
        if leaves is not None:
            self.of(process).add("leaves", connection_id=connection_id, node=process, **leaves)

    def healthy(self, *processes: str, loop_lag_ms: float = 1.0) -> None:
        """A second of each process's health, at 9 s."""
        for process in processes:
            self.of(process).add("health", at_ns=ns(9_000), loop_lag_ms=loop_lag_ms)

    def fault(
        self, detail: str, began_ms: float, ended_ms: float | None, process: str = "faults"
    ) -> None:
        """`detail` is NAME TARGET; without an end the fault still lasted as records ended."""
        for kind, at_ms in (("fault_began", began_ms), ("fault_ended", ended_ms)):
            if at_ms is not None:
                self.of(process).add("events", kind=kind, at_ns=ns(at_ms), detail=detail)

    def planned_death(self, process: str, at_ms: float) -> None:
        """That `process` is killed on purpose."""
        row = {"kind": "fault_planned_death", "at_ns": ns(at_ms), "detail": process}
        self.of("faults").add("events", **row)

    def end(self, *killed: str) -> Path:
        """Close all records but those of the killed, which only flushed; the run folder."""
        for process, recorder in self.recorders.items():
            recorder.flush() if process in killed else recorder.close()
        return self.folder


def clean(folder: Path, cells: list[Cell] | None = None) -> Story:
    """Two connections that receive the one chunk there is."""
    story = Story(folder, cells=cells)
    story.chunk(1, 10)
    for number in (1, 2):
        story.connection(number, [(11, 1)])
        story.join(number)
    story.healthy("producer", "node", "locust")
    return story


def _updated(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`row` with those of `other` that it has."""
    return row | {name: value for name, value in other.items() if name in row}
