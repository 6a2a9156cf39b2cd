"""Follows a growing record file: each read gives the whole batches that came since the last.

The format is Arrow's IPC stream (Arrow Columnar Format, "Encapsulated message format"): a mark of
four 0xFF, the length of the metadata as a little-endian int32, the metadata (a FlatBuffer that has
the length of the body), the body. A length of 0 ends the stream. What is whole can so be told from
what is still being written without trying to decode it, and nothing is read twice.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from chunk7.delivery.errors import RecordError
from chunk7.wire.records import SCHEMA_VERSION, TABLES

MARK = b"\xff\xff\xff\xff"
END_MARK = MARK + bytes(4)
LARGEST_METADATA_BYTES = 1 << 20
LARGEST_BODY_BYTES = 1 << 30
_HEAD_BYTES = 8
_BODY_LENGTH_FIELD = 3
"""Of a FlatBuffer `Message`: version, header's type, header, body length (Message.fbs)."""


class RecordTail:
    """One file `PROCESS.TABLE.arrows`, which may not have its head yet.

    `schema` and `boot_id` are known once the head is written, `complete` says that the end mark
    was reached. Every method raises RecordError, naming the file, for one that is not ours, is
    damaged, or became another file or a shorter one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process, _, self.table = path.stem.rpartition(".")
        if self.table not in TABLES or not self.process:
            raise RecordError(f"{path}: not a record file: no table is called {self.table!r}")
        self.schema: pa.Schema | None = None
        self.boot_id = ""
        self.complete = False
        self.offset = 0
        self._identity: tuple[int, int] | None = None

    def read(self, most_bytes: int | None = None) -> list[pa.RecordBatch]:
        """The whole batches since the last read; after `most_bytes` the rest is left for later."""
        batches: list[pa.RecordBatch] = []
        try:
            with self.path.open("rb") as file:
                self._check_same(file)
                for message in self._messages(file, most_bytes):
                    if self.schema is None:
                        self._take_schema(message)
                    else:
                        batches.append(self._batch(message))
        except (pa.ArrowException, OSError, ValueError, struct.error, MemoryError) as error:
            reason = str(error).strip().split("\n")[0]
            raise RecordError(f"{self.path}: not a record file: {reason}") from error
        return batches

    def _check_same(self, file: BinaryIO) -> None:
        status = Path(self.path).stat()
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            raise RecordError(f"{self.path}: was replaced by another file")
        self._identity = identity
        if file.seek(0, 2) < self.offset:
            raise RecordError(f"{self.path}: has become shorter")

    def _messages(self, file: BinaryIO, most_bytes: int | None) -> Iterator[bytes]:
        """Whole messages from `offset` on, which moves behind each as it has been used."""
        size, first = file.seek(0, 2), self.offset
        while most_bytes is None or self.offset - first < most_bytes:
            length = self._message_length(file, size)
            if length is None:
                return
            file.seek(self.offset)
            yield file.read(length)
            self.offset += length

    def _message_length(self, file: BinaryIO, size: int) -> int | None:
        """Of the message at `offset`; None when it is not all there, or is the end mark."""
        file.seek(self.offset)
        head = file.read(_HEAD_BYTES)
        if head[:4] != MARK[: len(head)]:
            raise ValueError(f"no message begins at byte {self.offset}")
        if self.complete and head:
            raise ValueError("something follows its end")
        if len(head) < _HEAD_BYTES:
            return None
        length = int.from_bytes(head[4:], "little", signed=True)
        if length == 0:
            if size > self.offset + _HEAD_BYTES:
                raise ValueError("something follows its end")
            self.complete, self.offset = True, self.offset + _HEAD_BYTES
            return None
        if not 0 < length <= LARGEST_METADATA_BYTES:
            raise ValueError(f"a message at byte {self.offset} claims metadata of {length} bytes")
        metadata = file.read(length)
        if len(metadata) < length:
            return None
        whole = _HEAD_BYTES + length + body_length(metadata)
        return whole if self.offset + whole <= size else None

    def _take_schema(self, message: bytes) -> None:
        schema = pa.ipc.read_schema(pa.py_buffer(message))
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        version = metadata.get("schema")
        if version != SCHEMA_VERSION:
            raise RecordError(f"{self.path}: record schema {version}, not {SCHEMA_VERSION}")
        if not schema.equals(TABLES[self.table]):
            raise RecordError(f"{self.path}: its columns are not those of {self.table}")
        self.schema, self.boot_id = schema, metadata.get("boot_id", "")

    def _batch(self, message: bytes) -> pa.RecordBatch:
        batch: Any = pa.ipc.read_record_batch(pa.ipc.read_message(message), self.schema)
        batch.validate(full=True)
        return batch


def body_length(metadata: bytes) -> int:
    """The body's length, out of a message's metadata; raises ValueError, struct.error.

    A FlatBuffer begins with the place of its table; the table with the way back to its vtable,
    which has two bytes of its own length, two of the table's, and two for the place of each field.
    """
    [table] = struct.unpack_from("<I", metadata, 0)
    [back] = struct.unpack_from("<i", metadata, table)
    vtable, slot = table - back, 4 + 2 * _BODY_LENGTH_FIELD
    if vtable < 0:
        raise ValueError("a message without a table of its fields")
    [known] = struct.unpack_from("<H", metadata, vtable)
    field = struct.unpack_from("<H", metadata, vtable + slot)[0] if known > slot else 0
    length = struct.unpack_from("<q", metadata, table + field)[0] if field else 0
    if not 0 <= length <= LARGEST_BODY_BYTES:
        raise ValueError(f"a message claims a body of {length} bytes")
    return int(length)
