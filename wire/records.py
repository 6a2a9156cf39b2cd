"""What processes write down while they run: facts in columns, never verdicts.

Every process appends to `<folder>/<process>.<table>.arrows`, an Arrow IPC stream, one record batch
a second. A killed process loses at most what it had not flushed; a stream without its end mark, or
cut inside a batch, is readable up to the last whole batch and says so (`ReadBack.complete`). A
batch has checksums (`chunk7.wire.record_messages`): one that was changed is an error.
Instants are `chunk7.wire.clock.now_ns()`, columns end in their unit, null means it did not happen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from chunk7.delivery.errors import RecordError
from chunk7.wire.clock import boot_id
from chunk7.wire.columns import column
from chunk7.wire.record_file import RecordFile
from chunk7.wire.record_messages import (
    LARGEST_METADATA_BYTES,
    MARK,
    MessageReader,
    batch_of,
    check_sealed,
)

SCHEMA_VERSION = "2"


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


_TEXT, _INT, _NS, _BIT = pa.string(), pa.int64(), pa.int64(), pa.bool_()

TABLES: dict[str, pa.Schema] = {
    # Producer: one row a chunk, once its write ordering has ended (or failed).
    "published": _schema(
        cell=pa.int32(),
        write=_TEXT,
        session_id=_TEXT,
        message_id=_TEXT,
        index=pa.int32(),
        seq=pa.int32(),  # 0: never numbered
        digest=pa.uint32(),  # chunk7.delivery.chunk.digest
        final=_BIT,
        intended_ns=_NS,
        started_ns=_NS,
        publish_sent_ns=_NS,
        publish_done_ns=_NS,  # null with publish_sent_ns set: outcome unknown
        save_sent_ns=_NS,
        save_done_ns=_NS,
        receivers=pa.int32(),
        error=_TEXT,
    ),
    # Node: one row a join, as soon as its connect ordering has ended (or failed).
    "joins": _schema(
        connection_id=_INT,
        session_id=_TEXT,
        user_id=_TEXT,
        node=_TEXT,
        connect=_TEXT,
        after_seq=pa.int32(),
        accepted_ns=_NS,
        read_sent_ns=_NS,
        read_done_ns=_NS,
        history_count=pa.int32(),
        history_first_seq=pa.int32(),
        history_last_seq=pa.int32(),
        subscribe_sent_ns=_NS,
        subscribe_done_ns=_NS,  # confirmed by the store; null where nothing waited for it yet
        subscribe_shared=_BIT,  # the node already had the channel: sent = done = attached
        # For a stream followed from its newest entry: when following was asked for, and began.
        welcomed_ns=_NS,
        error=_TEXT,
    ),
    # Node: one row a connection, when it ends.
    "leaves": _schema(
        connection_id=_INT,
        node=_TEXT,
        subscribe_confirmed_ns=_NS,  # for orderings that did not wait for the confirmation
        first_live_ns=_NS,
        live_count=pa.int64(),
        fetch_count=pa.int32(),
        ended_ns=_NS,
        close_code=pa.int32(),
        close_reason=_TEXT,
    ),
    # Load test: one row a visit when its first connection is about to open, which has the same id;
    # nothing else is known if it dies.
    "opened": _schema(
        connection_id=_INT,
        cell=pa.int32(),
        connect=_TEXT,
        write=_TEXT,
        session_id=_TEXT,
        user=pa.int32(),
        after_seq=pa.int32(),
        join_earliest_ns=_NS,  # the join's moment was drawn evenly from earliest..latest
        join_latest_ns=_NS,
        intended_ns=_NS,
        opening_ns=_NS,
        leave_ns=_NS,  # when the user means to leave
    ),
    # Load test: one row a receipt, in the order received.
    "receipts": _schema(
        connection_id=_INT,
        seq=pa.int32(),
        digest=pa.uint32(),
        via=pa.uint8(),  # a Via
        at_ns=_NS,
    ),
    # Load test: one row for each try of a user to come back after it had lost its connection, once
    # it is known how it went. Receipts and the end are those of the visit, `first_id`.
    "returns": _schema(
        connection_id=_INT,  # of this try: the node's join has it
        first_id=_INT,  # of the visit, in `opened` and `closed`
        lost_ns=_NS,  # since when the user has been away, however many tries have failed since
        lost_code=pa.int32(),  # how the connection before ended; null: none had opened
        lost_reason=_TEXT,
        opening_ns=_NS,
        connected_ns=_NS,
        history_ns=_NS,  # null: it brought no history, and the user was still away
        after_seq=pa.int32(),  # what the client said it has, up to this number
        error=_TEXT,
    ),
    # Load test of a target: one row a piece of an answer, in the order received, as its frame
    # says; analysis turns them into receipts (chunk7.analysis.sightings).
    "sightings": _schema(
        connection_id=_INT,
        session_id=_TEXT,
        message_id=_TEXT,
        index=pa.int32(),
        seq=pa.int32(),
        id=_TEXT,  # what a client resumes after
        text=_TEXT,
        via=pa.uint8(),  # a Via
        at_ns=_NS,
    ),
    # Load test of a target: one row a connection that goes on from an earlier one, and what its
    # client said it has; all null: nothing.
    "resumes": _schema(
        connection_id=_INT, previous=_INT, id=_TEXT, seq=pa.int32(), index=pa.int32()
    ),
    # Whoever knows what a target is to deliver (producer, reference): one row a chunk.
    "texts": _schema(
        cell=pa.int32(),
        session_id=_TEXT,
        message_id=_TEXT,
        index=pa.int32(),
        seq=pa.int32(),  # 0: never numbered
        final=_BIT,
        text=_TEXT,
    ),
    # Load test: one row a visit when it is over, whatever number of connections it took.
    "closed": _schema(
        connection_id=_INT,
        connected_ns=_NS,  # the first time; null: never connected
        history_ns=_NS,  # the first
        welcome_ns=_NS,  # the first
        closed_ns=_NS,
        by_server=_BIT,  # the server ended it, or it broke, and the user did not come back
        close_code=pa.int32(),
        close_reason=_TEXT,
        heartbeats=pa.int32(),
        fetches=pa.int32(),
        error=_TEXT,
    ),
    # Every process: one row a second.
    "health": _schema(at_ns=_NS, loop_lag_ms=pa.float64(), rss_bytes=_INT, open_count=pa.int32()),
    # Nodes and producer: at start and at the end.
    "clocks": _schema(at_ns=_NS, offset_ns=_INT, uncertainty_ns=_INT),
    # Nodes and producer: what happened apart from the plan (docs/protocol.md names the kinds).
    "events": _schema(at_ns=_NS, kind=_TEXT, session_id=_TEXT, detail=_TEXT),
}


def unclaimed(folder: Path, process: str) -> str:
    """`process`, or `process-2`, `process-3` and so on: the first that has no records in `folder`.

    For a process that may be started again on the same folder, and alone bears its name there.
    """
    name, life = process, 1
    while any(folder.glob(f"{name}.*.arrows")):
        life += 1
        name = f"{process}-{life}"
    return name


class Via:
    """How a chunk reached the client."""

    HISTORY = 0
    LIVE = 1
    FETCH = 2


class Recorder:
    """One process's records, in memory until `flush`, which the process calls every second."""

    def __init__(self, folder: Path, process: str) -> None:
        self._folder = folder
        self._process = process
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        self._files: dict[str, RecordFile] = {}
        self._boot_id = boot_id()

    def add(self, table: str, **values: Any) -> None:
        """Note one row; columns not named are null. Raises KeyError for an unknown one."""
        names = TABLES[table].names
        if not values.keys() <= set(names):
            raise KeyError(f"{table} has no column {sorted(values.keys() - set(names))}")
        self._rows[table].append(tuple(values.get(name) for name in names))

    def add_row(self, table: str, row: tuple[Any, ...]) -> None:
        """The same for a whole row in the schema's order: the hot path."""
        self._rows[table].append(row)

    def flush(self) -> None:
        """Append what has gathered as one batch a table, and hand it to the system.

        Raises OSError when the folder takes no more: rows stay until they are written, so that a
        later flush has them, and none that were not are closed over.
        """
        for table, rows in self._rows.items():
            if rows:
                self._write(table, rows)
                self._rows[table] = []

    def close(self) -> None:
        """Flush, and mark every stream as complete. Raises OSError as `flush`."""
        self.flush()
        for file in self._files.values():
            file.close(complete=True)
        self._files = {}

    def _write(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        schema = TABLES[table]
        columns = [
            column(values, field.type)
            for field, values in zip(schema, zip(*rows, strict=True), strict=True)
        ]
        if table not in self._files:
            self._files[table] = self._open(table)
        self._files[table].append(pa.record_batch(columns, schema))

    def _open(self, table: str) -> RecordFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._process}.{table}.arrows"
        metadata = {
            "schema": SCHEMA_VERSION,
            "table": table,
            "process": self._process,
            "boot_id": self._boot_id,
        }
        return RecordFile(path, TABLES[table].with_metadata(metadata))


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One stream read back. `complete` is false when its process ended without closing it."""

    process: str
    boot_id: str
    table: pa.Table
    complete: bool


def read_back(path: Path) -> ReadBack:
    """Read a stream up to its last whole batch.

    Raises RecordError, naming the file, when not even the head is readable or it is not ours; and
    the batch, when that was changed since it was written.
    """
    stream = RecordStream(path)
    batches = list(stream.batches())
    table = pa.Table.from_batches(batches, stream.schema)
    return ReadBack(stream.process, stream.boot_id, table, stream.complete)


class RecordStream:
    """A stream read batch by batch, for tables that are larger than memory should hold.

    `complete` is known once `batches` has come to its end. Raises as `read_back`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.complete = False
        with self._damage_named(), path.open("rb") as file:
            head = next(MessageReader().read(file), None)
            if head is None:
                raise ValueError("it has no head")
            self.schema, metadata = read_head(head, path)
            self.process, self.boot_id = metadata["process"], metadata["boot_id"]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every whole batch, from the first, each looked through before it is trusted."""
        reader = MessageReader()
        with self._damage_named(), self._path.open("rb") as file:
            for message in reader.read(file):
                if reader.count:
                    yield batch_of(message, self.schema)
        self.complete = reader.complete

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            reason = str(error).strip().split("\n")[0]
            raise RecordError(f"{self._path}: not a record file: {reason}") from error


def read_head(message: bytes, path: Path) -> tuple[pa.Schema, dict[str, str]]:
    """The schema of a file's first message, and what it says of the file.

    Raises RecordError for one of another version, ValueError and ArrowException for what is none.
    """
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    version = metadata.get("schema")
    if version != SCHEMA_VERSION:
        raise RecordError(f"{path}: record schema {version}, not {SCHEMA_VERSION}")
    check_sealed(message)
    return schema, metadata


def cut_in_head(path: Path) -> bool:
    """Whether the process was killed before the stream's head was on disk, whole."""
    with path.open("rb") as file:
        head = file.read(LARGEST_METADATA_BYTES)
    length = int.from_bytes(head[4:8], "little")
    whole = len(head) >= 8 + length or length > LARGEST_METADATA_BYTES
    return head[:4] == MARK[: len(head)] and not whole and MARK not in head[8:]
