"""Raw records of many processes -> one Parquet file a table, on one clock.

| file | a row is | from |
|---|---|---|
| `published.parquet` | a chunk | published |
| `joins.parquet` | a join; what is known of its end beside it | joins, leaves |
| `connections.parquet` | a visit with its receipts as lists | opened, closed, receipts |
| `returns.parquet` | a try of a user to come back | returns |
| `alignments.parquet` | how a target's connection was read | sightings, texts, resumes |
| `health.parquet`, `events.parquet`, `clocks.parquet` | as recorded | the same |
| `processes.parquet` | a process: whether it ended properly, and how its clock was shifted | all |

Every row names its `process`. Each file is written beside its name and renamed, so a reader sees
it whole or not at all, and its pages have checksums. `connections.parquet` is sorted by cell and
opening; a row group holds connections of one cell, with about RECEIPTS_PER_GROUP receipts and no
more than CONNECTIONS_PER_GROUP connections, so that judging needs the memory of one group and not
of the run. Gathering needs that of RECEIPTS_AT_ONCE receipts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chunk7.analysis.sightings import settle
from chunk7.delivery.errors import RecordError
from chunk7.wire.records import TABLES, ReadBack, RecordStream, cut_in_head, read_back
from chunk7.wire.whole_files import whole_file

VERSION = "1"
RECEIPTS_PER_GROUP = 500_000
CONNECTIONS_PER_GROUP = 5_000
RECEIPTS_AT_ONCE = 10_000_000
"""Receipts sorted in memory; for every so many the raw files are read once more."""
ROWS_AT_ONCE = 1_000_000
"""Rows of a raw file looked at together."""
RECEIPT_COLUMNS = ("seq", "digest", "via", "at_ns")

_PARTS = {
    "published": "producer", "joins": "node", "leaves": "node",
    "opened": "loadtest", "returns": "loadtest",
}  # fmt: skip
_SETTLED = ("sightings", "texts", "resumes")
"""Tables of which chunk7.analysis.sightings makes receipts."""
_NEVER_NULL = {
    "receipts": TABLES["receipts"].names,
    **{name: ["connection_id"] for name in ("joins", "leaves", "opened", "closed")},
    "returns": ["connection_id", "first_id", "lost_ns", "opening_ns"],
}


@dataclass(frozen=True, slots=True)
class RecordedProcess:
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


def gather(run_dir: Path) -> list[RecordedProcess]:
    """Write the Parquet files of a run folder from its `raw/`; who recorded, and how it ended.

    A process that was killed is no error: what it flushed is used. Raises RecordError, naming the
    file, for one that is foreign or damaged, and for records that contradict each other;
    WriteError for a table that cannot be written.
    """
    raw = run_dir / "raw"
    if not raw.is_dir():
        raise RecordError(f"{run_dir} is no run folder: it has no {raw.name}/")
    with damage_named(raw):
        after_seq = settle(raw)
        paths = [path for path in sorted(raw.glob("*.arrows")) if _name_of(path)[1] not in _SETTLED]
        return _gather(run_dir, paths, after_seq)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn what unusable files make Python and Arrow raise into one line that names `path`."""
    try:
        yield
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = str(error).strip().split("\n")[0]
        raise RecordError(f"{path}: cannot be read: {reason}") from error


def _gather(run_dir: Path, paths: list[Path], after_seq: dict[int, int]) -> list[RecordedProcess]:
    streams = {path: _read(path) for path in paths}
    receipts = {path: back for path, back in streams.items() if _name_of(path)[1] == "receipts"}
    processes = _processes(streams)
    shifts = {process.process: process.shift_ns for process in processes}
    tables = _tables({p: back for p, back in streams.items() if p not in receipts}, shifts)
    streams.clear()
    rows = [tuple(getattr(p, name) for name in _PROCESS_SCHEMA.names) for p in processes]
    _write(run_dir / "processes.parquet", _from_rows(rows, _PROCESS_SCHEMA))
    for name in ("published", "health", "events", "clocks"):
        _write(run_dir / f"{name}.parquet", tables.pop(name))
    _write(run_dir / "joins.parquet", _joins(tables.pop("joins"), tables.pop("leaves")))
    opened = _with_after_seq(tables.pop("opened"), after_seq)
    connections = _connections(opened, tables.pop("closed"))
    _write(run_dir / "returns.parquet", _returns(tables.pop("returns"), connections))
    source = _ReceiptFiles(
        {path: shifts[_name_of(path)[0]] for path in receipts}, connections["connection_id"]
    )
    _write_connections(
        run_dir / "connections.parquet", connections, source.offsets(), source.columns
    )
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
    if cut_in_head(path):
        return ReadBack(process, "", TABLES[table].empty_table(), complete=False)
    back = _latest_only(path) if table == "receipts" else read_back(path)
    if not back.table.schema.equals(TABLES[table]):
        raise RecordError(f"{path}: its columns are not those of {table}")
    for name in _NEVER_NULL.get(table, ()):
        if back.table[name].null_count:
            raise RecordError(f"{path}: has rows without {name}")
    return back


def _latest_only(path: Path) -> ReadBack:
    """Of receipts just the latest one: that is all that is asked of their process."""
    stream, rows = RecordStream(path), [TABLES["receipts"].empty_table()]
    if not stream.schema.equals(TABLES["receipts"]):
        raise RecordError(f"{path}: its columns are not those of receipts")
    for batch in stream.batches():
        for name in batch.schema.names:
            if batch[name].null_count:
                raise RecordError(f"{path}: has rows without {name}")
        if batch.num_rows:
            latest = int(np.argmax(batch["at_ns"].to_numpy()))
            # Taken, not sliced: a slice would keep its whole batch in memory.
            rows.append(pa.Table.from_batches([batch.take(pa.array([latest]))]))
    table = pa.concat_tables([part.replace_schema_metadata(None) for part in rows])
    if table.num_rows:
        table = table.slice(int(np.argmax(table["at_ns"].to_numpy())), 1).combine_chunks()
    return ReadBack(stream.process, stream.boot_id, table, stream.complete)


# --- processes and clocks ------------------------------------------------------------------


def _processes(streams: dict[Path, ReadBack]) -> list[RecordedProcess]:
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


def _process(
    name: str, tables: dict[str, ReadBack], boot: str, offset: int | None
) -> RecordedProcess:
    shift = offset or 0
    instants = [
        pc.max(tables[table].table[column]).as_py()
        for table, column in (("receipts", "at_ns"), ("closed", "closed_ns"), ("health", "at_ns"))
        if table in tables
    ]
    known = max((at for at in instants if at is not None), default=None)
    return RecordedProcess(
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
    """Every record table but the receipts, of all processes, on the run's clock, with `process`."""
    parts = {name: [_empty(name)] for name in TABLES if name not in ("receipts", *_SETTLED)}
    for path, back in streams.items():
        process, name = _name_of(path)
        table = _shift(back.table.replace_schema_metadata(None), shifts[process])
        names = pa.repeat(pa.scalar(process), table.num_rows)
        parts[name].append(table.append_column("process", names))
    return {name: pa.concat_tables(tables) for name, tables in parts.items()}


def _empty(name: str) -> pa.Table:
    return TABLES[name].append(pa.field("process", pa.string())).empty_table()


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


def _with_after_seq(opened: pa.Table, after_seq: dict[int, int]) -> pa.Table:
    """`opened`, with what clients that resumed turned out to have said."""
    if not after_seq:
        return opened
    ids = pa.array(list(after_seq), pa.int64())
    found = pa.array(list(after_seq.values()), pa.int32()).take(
        pc.index_in(opened["connection_id"], value_set=ids).combine_chunks()
    )
    place = opened.schema.get_field_index("after_seq")
    return opened.set_column(
        place, opened.field(place), pc.coalesce(found, opened["after_seq"].combine_chunks())
    )


def _connections(opened: pa.Table, closed: pa.Table) -> pa.Table:
    for table in (opened, closed):
        if pc.count_distinct(table["connection_id"]).as_py() != table.num_rows:
            raise ValueError("contradictory records: a connection_id was used twice")
    by = [(name, "ascending") for name in ("cell", "opening_ns", "connection_id")]
    return _beside(opened.sort_by(by), closed)


def _returns(returns: pa.Table, connections: pa.Table) -> pa.Table:
    """In the order of the visits that they are part of, and of time."""
    firsts = connections["connection_id"].combine_chunks()
    strange = pc.index_in(returns["first_id"], value_set=firsts).null_count
    if strange:
        raise ValueError(f"contradictory records: {strange} returns of connections never opened")
    ids = pa.chunked_array([*returns["connection_id"].chunks, firsts], pa.int64())
    if pc.count_distinct(ids).as_py() != len(ids):
        raise ValueError("contradictory records: a connection_id was used twice")
    return returns.sort_by([("first_id", "ascending"), ("opening_ns", "ascending")])


class _ReceiptFiles:
    """All receipts of a run, read again for every RECEIPTS_AT_ONCE of them.

    `files` maps each file to what is added to its instants, `ids` are the connections in the order
    in which they are written. Sorting them all at once would need memory for all.
    """

    def __init__(self, files: dict[Path, int], ids: pa.ChunkedArray) -> None:
        self._files = files
        self._ids = ids.combine_chunks()

    def offsets(self) -> Any:
        """Where each connection's receipts begin, shape (connections + 1,)."""
        counts = np.zeros(len(self._ids), np.int64)
        for _, position in self._pieces():
            counts += np.bincount(position, minlength=len(counts))
        return np.concatenate(([0], np.cumsum(counts)))

    def columns(self, first: int, end: int) -> list[pa.Array]:
        """RECEIPT_COLUMNS of the connections first..end, each one's in the order received."""
        fields = [TABLES["receipts"].field(name) for name in RECEIPT_COLUMNS]
        parts = [[np.zeros(0, field.type.to_pandas_dtype())] for field in fields]
        places = [np.zeros(0, np.int64)]
        for table, position in self._pieces():
            these = (position >= first) & (position < end)
            places.append(position[these] - first)
            for part, name in zip(parts, RECEIPT_COLUMNS, strict=True):
                part.append(table[name].to_numpy()[these])
        # 16-bit keys are sorted by radix, ten times as fast as wider ones.
        where = np.concatenate(places).astype(np.min_scalar_type(end - first))
        order = np.argsort(where, kind="stable")
        return [pa.array(np.concatenate(part)[order]) for part in parts]

    def _pieces(self) -> Iterator[tuple[pa.Table, Any]]:
        """Some rows, on the run's clock, and the place of each one's connection in `ids`."""
        for path, shift_ns in self._files.items():
            if cut_in_head(path):
                continue
            held: list[pa.RecordBatch] = []
            rows = 0
            for batch in RecordStream(path).batches():
                held.append(batch)
                rows += batch.num_rows
                if rows >= ROWS_AT_ONCE:
                    yield self._placed(held, shift_ns)
                    held, rows = [], 0
            if held:
                yield self._placed(held, shift_ns)

    def _placed(self, batches: list[pa.RecordBatch], shift_ns: int) -> tuple[pa.Table, Any]:
        table = _shift(pa.Table.from_batches(batches).combine_chunks(), shift_ns)
        position = pc.index_in(table["connection_id"], value_set=self._ids)
        if position.null_count:
            raise ValueError(
                f"contradictory records: {position.null_count} receipts of connections never opened"
            )
        return table, position.to_numpy()


# --- writing -------------------------------------------------------------------------------


def _from_rows(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = [[row[i] for row in rows] for i in range(len(schema))]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def _write(path: Path, table: pa.Table) -> None:
    table = table.replace_schema_metadata({"schema": VERSION})
    with whole_file(path) as partial:
        pq.write_table(table, partial, write_page_checksum=True)


def _write_connections(
    path: Path,
    connections: pa.Table,
    offsets: Any,
    columns_of: Callable[[int, int], list[pa.Array]],
) -> None:
    """`columns_of` gives the RECEIPT_COLUMNS of the connections first..end."""
    schema = _with_receipts(connections.schema).with_metadata({"schema": VERSION})
    texts = [field.name for field in schema if field.type == pa.string()]
    with (
        whole_file(path) as partial,
        pq.ParquetWriter(partial, schema, use_dictionary=texts, write_page_checksum=True) as writer,
    ):
        for groups in _spans(list(_groups(connections["cell"].to_numpy(), offsets)), offsets):
            span_first, span_end = groups[0][0], groups[-1][1]
            columns = columns_of(span_first, span_end)
            for first, end in groups:
                bounds = offsets[first : end + 1]
                begin, length = bounds[0] - offsets[span_first], bounds[-1] - bounds[0]
                index = pa.array(bounds - bounds[0], pa.int32())
                lists = [
                    pa.ListArray.from_arrays(index, column.slice(begin, length))
                    for column in columns
                ]
                part = connections.slice(first, end - first).combine_chunks()
                writer.write_table(pa.table([*part.columns, *lists], schema))


def _spans(groups: list[tuple[int, int]], offsets: Any) -> Iterator[list[tuple[int, int]]]:
    """Groups that follow each other, as many as have RECEIPTS_AT_ONCE receipts, or one."""
    span: list[tuple[int, int]] = []
    for first, end in groups:
        if span and offsets[end] - offsets[span[0][0]] > RECEIPTS_AT_ONCE:
            yield span
            span = []
        span.append((first, end))
    if span:
        yield span


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
