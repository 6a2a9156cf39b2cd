"""Reads what processes wrote down (`chunk7.wire.recorder`), by pyarrow: who records needs none.

A stream without its end mark, or cut inside a batch, is readable up to the last whole batch and
says so (`ReadBack.complete`). A batch has checksums (`chunk7.wire.record_messages`): one that was
changed is an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from chunk7.delivery.errors import RecordError
from chunk7.wire.record_messages import LARGEST_METADATA_BYTES, MARK, MessageReader, check_sealed
from chunk7.wire.tables import COLUMNS, SCHEMA_VERSION

TABLES: dict[str, pa.Schema] = {
    table: pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    for table, columns in COLUMNS.items()
}


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


def batch_of(message: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """The batch that a message is, looked through before it is trusted; raises ArrowException."""
    batch: pa.RecordBatch = pa.ipc.read_record_batch(pa.ipc.read_message(message), schema)
    batch.validate(full=True)
    return batch


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
