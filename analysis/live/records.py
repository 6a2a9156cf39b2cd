"""The growing records of a run folder: what came since the last look, by process and table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chunk7.delivery.errors import RecordError
from chunk7.wire.record_tail import RecordTail

_READ_ORDER = (
    "clocks", "health", "closed", "receipts", "returns", "opened", "leaves", "joins", "published",
    "events",
)  # fmt: skip
"""What is named by another row comes before it, so that whoever reads a receipt has read, by the
end of the same look, the connection that it is of, and the order that the connection is part of.
Health comes first: what a process had noted before a row of it is on disk."""
_LONG = ("published", "receipts", "health")
MOST_BYTES = 16 << 20
"""Of one long table, in one look."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """New rows of one process's table."""

    process: str
    table: str
    schema: pa.Schema
    batches: list[pa.RecordBatch]

    def rows(self) -> pa.Table:
        """All of them."""
        return pa.Table.from_batches(self.batches, self.schema)


class Records:
    """Tails of all files in a `raw/`.

    `damaged` has a line for each file that is foreign or damaged, for as long as it is there.
    `latest_ns` says up to when each process certainly wrote everything down, on its own clock;
    `ended` which processes closed their records, `clocks` has all that was measured of each.
    """

    def __init__(self, raw: Path) -> None:
        self._raw = raw
        self._tails: dict[Path, RecordTail] = {}
        self._offsets: dict[str, tuple[int, int]] = {}
        self.damaged: dict[Path, str] = {}
        self.boots: dict[str, str] = {}
        self.clocks: dict[str, list[Fresh]] = {}
        self.latest_ns: dict[str, int] = {}
        self.ended: set[str] = set()
        self.written_unix_s = 0.0
        """When a file was last appended to."""

    def look(self) -> list[Fresh]:
        """What is new; much of it comes in parts, and nothing at the end of them.

        In an order in which nothing comes before what it names.
        """
        self._find()
        found = []
        for table in _READ_ORDER:
            for tail in [tail for tail in self._tails.values() if tail.table == table]:
                fresh = self._read(tail)
                if fresh is not None:
                    self._learn(fresh)
                    found.append(fresh)
        return found[::-1]

    def shift_ns(self, process: str) -> int:
        """What to add to a process's instants: nothing where all are of one boot of one host."""
        boot = self.boots.get(process, "")
        if len(set(self.boots.values())) <= 1:
            return 0
        return self._offsets.get(boot, (0, 0))[1]

    def _find(self) -> None:
        paths = set(self._raw.glob("*.arrows"))
        for path in [path for path in self.damaged if path not in paths]:
            del self.damaged[path]
        for path in [path for path in self._tails if path not in paths]:
            del self._tails[path]
        for path in sorted(paths - self._tails.keys() - self.damaged.keys()):
            try:
                self._tails[path] = RecordTail(path)
            except RecordError as error:
                self.damaged[path] = str(error)

    def _read(self, tail: RecordTail) -> Fresh | None:
        try:
            batches = tail.read(MOST_BYTES if tail.table in _LONG else None)
        except RecordError as error:
            self.damaged[tail.path] = str(error)
            del self._tails[tail.path]
            return None
        if tail.complete:
            self.ended.add(tail.process)
        if tail.schema is None or not batches:
            return None
        self.boots[tail.process] = tail.boot_id
        self.written_unix_s = max(self.written_unix_s, tail.path.stat().st_mtime)
        return Fresh(tail.process, tail.table, tail.schema, batches)

    def _learn(self, fresh: Fresh) -> None:
        if fresh.table == "health":
            newest = pc.max(fresh.rows()["at_ns"]).as_py()
            self.latest_ns[fresh.process] = max(newest or 0, self.latest_ns.get(fresh.process, 0))
        if fresh.table == "clocks":
            self.clocks.setdefault(fresh.process, []).append(fresh)
            boot = self.boots[fresh.process]
            for row in fresh.rows().to_pylist():
                measured = (row["uncertainty_ns"] or 0, row["offset_ns"] or 0)
                self._offsets[boot] = min(self._offsets.get(boot, measured), measured)


def told(damaged: Mapping[Path, str]) -> tuple[str, ...]:
    """The lines, in the order of the files' names."""
    return tuple(damaged[path] for path in sorted(damaged))
