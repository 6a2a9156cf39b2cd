"""Raw records of many processes -> one Parquet file a table, on one clock.

| file | a row is | from |
|---|---|---|
| `published.parquet` | a chunk | published |
| `joins.parquet` | a join; what is known of its end beside it | joins, leaves |
| `connections.parquet` | a connection with its receipts as lists | opened, closed, receipts |
| `health.parquet`, `events.parquet`, `clocks.parquet` | as recorded | the same |
| `processes.parquet` | a process: whether it ended properly, and how its clock was shifted | all |

Every row names its `process`. Each file is written beside its name and renamed, so a reader sees
it whole or not at all, and its pages have checksums. `connections.parquet` is sorted by cell and
opening; a row group holds connections of one cell, with about RECEIPTS_PER_GROUP receipts and no
more than CONNECTIONS_PER_GROUP connections, so that judging needs the memory of one group and not
of the run.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from delivery.errors import RecordError
from wire.records import TABLES, ReadBack, read_back

VERSION = "1"
RECEIPTS_PER_GROUP = 500_000
CONNECTIONS_PER_GROUP = 5_000
RECEIPT_COLUMNS = ("seq", "digest", "via", "at_ns")

_PARTS = {"published": "producer", "joins": "node", "leaves": "node", "opened": "loadtest"}
_NEVER_NULL = {
    "receipts": TABLES["receipts"].names,
    **{name: ["connection_id"] for name in ("joins", "leaves", "opened", "closed")},
}
_HEAD_MARK = b"\xff\xff\xff\xff"
_LARGEST_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """One recording process. Instants are on the run's clock.

    `part` is producer, node or loadtest, '' when it wrote none of their tables. `complete` is
    false when it ended without closing its records. `known_until_ns` is the last instant up to
    which it certainly wrote down every receipt. `aligned` is false when its clock is not the one
    of the others and nobody measured the difference.
    """

    process: str
    part: str
    boot_id: str
    complete: bool
    aligned: bool
    shift_ns: int
    known_until_ns: int | None


_PROCESS_SCHEMA = pa.schema(
    [
        ("process", pa.string()),
        ("part", pa.string()),
        ("boot_id", pa.string()),
        ("complete", pa.bool_()),
        ("aligned", pa.bool_()),
        ("shift_ns", pa.int64()),
        ("known_until_ns", pa.int64()),
    ]
)


def gathered_schema(name: str) -> pa.Schema:
    """The columns of NAME.parquet."""
    if name == "processes":
        return _PROCESS_SCHEMA
    if name == "joins":
        return _beside(_empty("joins"), _empty("leaves")).schema
    if name == "connections":
        rows = _beside(_empty("opened"), _empty("closed")).schema
        return _with_receipts(rows)
    return _empty(name).schema


def gather(run_dir: Path) -> list[Process]:
    """Write the Parquet files of a run folder from its `raw/`; who recorded, and how it ended.

    A process that was killed is no error: what it flushed is used. Raises RecordError, naming the
    file, for one that is foreign or damaged, and for records that contradict each other.
    """
    raw = run_dir / "raw"
    if not raw.is_dir():
        raise RecordError(f"{run_dir} is no run folder: it has no {raw.name}/")
    with damage_named(raw):
        return _gather(run_dir, sorted(raw.glob("*.arrows")))


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn what unusable files make Python and Arrow raise into one line that names `path`."""
    try:
        yield
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = str(error).strip().split("\n")[0]
        raise RecordError(f"{path}: cannot be read: {reason}") from error


def _gather(run_dir: Path, paths: list[Path]) -> list[Process]:
    streams = {path: _read(path) for path in paths}
    processes = _processes(streams)
    tables = _tables(streams, {process.process: process.shift_ns for process in processes})
    streams.clear()
    rows = [tuple(getattr(p, name) for name in _PROCESS_SCHEMA.names) for p in processes]
    _write(run_dir / "processes.parquet", _from_rows(rows, _PROCESS_SCHEMA))
    for name in ("published", "health", "events", "clocks"):
        _write(run_dir / f"{name}.parquet", tables.pop(name))
    _write(run_dir / "joins.parquet", _joins(tables.pop("joins"), tables.pop("leaves")))
    connections = _connections(tables.pop("opened"), tables.pop("closed"))
    offsets, columns = _grouped_receipts(tables.pop("receipts"), connections["connection_id"])
    _write_connections(run_dir / "connections.parquet", connections, offsets, columns)
    return processes


# --- reading -------------------------------------------------------------------------------


def _name_of(path: Path) -> tuple[str, str]:
    """(process, table) from PROCESS.TABLE.arrows."""
    process, _, table = path.stem.rpartition(".")
    if table not in TABLES or not process:
        raise RecordError(f"{path}: not a record file: no table is called {table!r}")
    return process, table


def _read(path: Path) -> ReadBack:
    process, table = _name_of(path)
    if _cut_in_head(path):
        return ReadBack(process, "", TABLES[table].empty_table(), complete=False)
    back = read_back(path)
    if not back.table.schema.equals(TABLES[table]):
        raise RecordError(f"{path}: its columns are not those of {table}")
    for name in _NEVER_NULL.get(table, ()):
        if back.table[name].null_count:
            raise RecordError(f"{path}: has rows without {name}")
    return back


def _cut_in_head(path: Path) -> bool:
    """Whether the process was killed before the stream's head was on disk, whole."""
    with path.open("rb") as file:
        head = file.read(8)
    if len(head) < 8:
        return head[:4] == _HEAD_MARK[: len(head)]
    length = int.from_bytes(head[4:], "little")
    cut = path.stat().st_size < len(head) + length
    return head[:4] == _HEAD_MARK and length < _LARGEST_HEAD_BYTES and cut


# --- processes and clocks ------------------------------------------------------------------


def _processes(streams: dict[Path, ReadBack]) -> list[Process]:
    by_process: dict[str, dict[str, ReadBack]] = defaultdict(dict)
    for path, back in streams.items():
        process, table = _name_of(path)
        by_process[process][table] = back
    boots = {
        name: max(back.boot_id for back in tables.values()) for name, tables in by_process.items()
    }
    offsets = _boot_offsets(by_process, boots)
    return [
        _process(name, tables, boots[name], offsets.get(boots[name]))
        for name, tables in by_process.items()
    ]


def _boot_offsets(
    by_process: dict[str, dict[str, ReadBack]], boots: dict[str, str]
) -> dict[str, int]:
    """What to add to the instants of each boot: nothing when there is but one.

    A process killed before its first flush has no boot id, and nothing to shift.
    """
    if len({boots[name] for name, tables in by_process.items() if _has_rows(tables)}) <= 1:
        return dict.fromkeys(boots.values(), 0)
    best: dict[str, tuple[int, int]] = {}
    for name, tables in by_process.items():
        if "clocks" not in tables:
            continue
        for row in tables["clocks"].table.to_pylist():
            measured = (row["uncertainty_ns"], row["offset_ns"])
            best[boots[name]] = min(best.get(boots[name], measured), measured)
    return {boot: offset for boot, (_, offset) in best.items()}


def _has_rows(tables: dict[str, ReadBack]) -> bool:
    return any(back.table.num_rows for back in tables.values())


def _process(name: str, tables: dict[str, ReadBack], boot: str, offset: int | None) -> Process:
    shift = offset or 0
    instants = [
        pc.max(tables[table].table[column]).as_py()
        for table, column in (("receipts", "at_ns"), ("closed", "closed_ns"), ("health", "at_ns"))
        if table in tables
    ]
    known = max((at for at in instants if at is not None), default=None)
    return Process(
        process=name,
        part=next((part for table, part in _PARTS.items() if table in tables), ""),
        boot_id=boot,
        complete=all(back.complete for back in tables.values()),
        aligned=offset is not None or not _has_rows(tables),
        shift_ns=shift,
        known_until_ns=None if known is None else known + shift,
    )


# --- tables --------------------------------------------------------------------------------


def _tables(streams: dict[Path, ReadBack], shifts: dict[str, int]) -> dict[str, pa.Table]:
    """Every record table, of all processes, shifted to the run's clock and with `process`.

    Receipts, much the longest table, are named by their connection and carry no process.
    """
    parts: dict[str, list[pa.Table]] = {name: [_empty(name)] for name in TABLES}
    for path, back in streams.items():
        process, name = _name_of(path)
        table = _shift(back.table.replace_schema_metadata(None), shifts[process])
        if name != "receipts":
            names = pa.repeat(pa.scalar(process), table.num_rows)
            table = table.append_column("process", names)
        parts[name].append(table)
    return {name: pa.concat_tables(tables) for name, tables in parts.items()}


def _empty(name: str) -> pa.Table:
    schema = TABLES[name]
    if name != "receipts":
        schema = schema.append(pa.field("process", pa.string()))
    return schema.empty_table()


def _shift(table: pa.Table, shift_ns: int) -> pa.Table:
    if shift_ns == 0:
        return table
    for position, name in enumerate(table.column_names):
        if name.endswith("_ns") and name not in ("offset_ns", "uncertainty_ns"):
            table = table.set_column(position, name, pc.add(table[name], shift_ns))
    return table


def _beside(left: pa.Table, right: pa.Table) -> pa.Table:
    """`left` with the columns of `right` that it lacks, matched on connection_id; null if none."""
    keys = right["connection_id"].combine_chunks()
    found = right.take(pc.index_in(left["connection_id"], value_set=keys).combine_chunks())
    for name in right.column_names:
        if name not in left.column_names:
            left = left.append_column(name, found[name])
    return left


def _joins(joins: pa.Table, leaves: pa.Table) -> pa.Table:
    """A row a connection: when a proxy tried a second node, the join of the last one."""
    joins = joins.sort_by([("accepted_ns", "descending")])
    _, last = np.unique(joins["connection_id"].to_numpy(), return_index=True)
    return _beside(joins.take(pa.array(last)), leaves)


def _connections(opened: pa.Table, closed: pa.Table) -> pa.Table:
    for table in (opened, closed):
        if pc.count_distinct(table["connection_id"]).as_py() != table.num_rows:
            raise ValueError("contradictory records: a connection_id was used twice")
    by = [(name, "ascending") for name in ("cell", "opening_ns", "connection_id")]
    return _beside(opened.sort_by(by), closed)


def _grouped_receipts(receipts: pa.Table, ids: pa.ChunkedArray) -> tuple[Any, list[pa.Array]]:
    """Receipts grouped by connection, each group in the order received.

    Returns offsets, shape (connections + 1,), and the RECEIPT_COLUMNS, shape (receipts,) each.
    """
    position = pc.index_in(receipts["connection_id"], value_set=ids.combine_chunks())
    if position.null_count:
        raise ValueError(
            f"contradictory records: {position.null_count} receipts of connections never opened"
        )
    # 16-bit keys are sorted by radix, ten times as fast as wider ones.
    where = position.to_numpy().astype(np.min_scalar_type(len(ids)))
    order = np.argsort(where, kind="stable")
    offsets = np.concatenate(([0], np.cumsum(np.bincount(where, minlength=len(ids)))))
    return offsets, [pa.array(receipts[name].to_numpy()[order]) for name in RECEIPT_COLUMNS]


# --- writing -------------------------------------------------------------------------------


def _from_rows(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = [[row[i] for row in rows] for i in range(len(schema))]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def _write(path: Path, table: pa.Table) -> None:
    partial = path.with_suffix(".partial")
    table = table.replace_schema_metadata({"schema": VERSION})
    pq.write_table(table, partial, write_page_checksum=True)
    partial.rename(path)


def _write_connections(
    path: Path, connections: pa.Table, offsets: Any, columns: list[pa.Array]
) -> None:
    schema = _with_receipts(connections.schema).with_metadata({"schema": VERSION})
    partial = path.with_suffix(".partial")
    texts = [field.name for field in schema if field.type == pa.string()]
    with pq.ParquetWriter(
        partial, schema, use_dictionary=texts, write_page_checksum=True
    ) as writer:
        for first, end in _groups(connections["cell"].to_numpy(), offsets):
            bounds = offsets[first : end + 1]
            slices = [column.slice(bounds[0], bounds[-1] - bounds[0]) for column in columns]
            index = pa.array(bounds - bounds[0], pa.int32())
            lists = [pa.ListArray.from_arrays(index, values) for values in slices]
            part = connections.slice(first, end - first).combine_chunks()
            writer.write_table(pa.table([*part.columns, *lists], schema))
    partial.rename(path)


def _with_receipts(connections: pa.Schema) -> pa.Schema:
    types = TABLES["receipts"]
    lists = [
        pa.field(f"receipt_{name}", pa.list_(types.field(name).type)) for name in RECEIPT_COLUMNS
    ]
    return pa.schema([*connections, *lists])


def _groups(cells: Any, offsets: Any) -> Iterator[tuple[int, int]]:
    """Ranges of connections for the row groups."""
    first = 0
    while first < len(cells):
        of_cell = int(np.searchsorted(cells, cells[first], side="right"))
        full = int(np.searchsorted(offsets, offsets[first] + RECEIPTS_PER_GROUP, side="right")) - 1
        end = min(of_cell, max(full, first + 1), first + CONNECTIONS_PER_GROUP)
        yield first, end
        first = end
