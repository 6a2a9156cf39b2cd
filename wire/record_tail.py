"""Follows a growing record file: each read gives the whole batches that came since the last.

What is whole can be told from what is still being written (`chunk7.wire.record_messages`), and
nothing is read twice.
"""

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from chunk7.delivery.errors import RecordError
from chunk7.wire.record_messages import MessageReader
from chunk7.wire.records import TABLES, batch_of, read_head


class RecordTail:
    """One file `PROCESS.TABLE.arrows`, which may not have its head yet.

    `schema` and `boot_id` are known once the head is written. Every method raises RecordError,
    naming the file, for one that is not ours, is damaged, or became another file or a shorter one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process, _, self.table = path.stem.rpartition(".")
        if self.table not in TABLES or not self.process:
            raise RecordError(f"{path}: not a record file: no table is called {self.table!r}")
        self.schema: pa.Schema | None = None
        self.boot_id = ""
        self._reader = MessageReader()
        self._identity: tuple[int, int] | None = None

    @property
    def complete(self) -> bool:
        """Whether the end mark was reached."""
        return self._reader.complete

    def read(self, most_bytes: int | None = None) -> list[pa.RecordBatch]:
        """The whole batches since the last read; after `most_bytes` the rest is left for later."""
        batches: list[pa.RecordBatch] = []
        try:
            with self.path.open("rb") as file:
                self._check_same(file)
                for message in self._reader.read(file, most_bytes):
                    if self.schema is None:
                        self.schema = self._take_schema(message)
                    else:
                        batches.append(batch_of(message, self.schema))
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = str(error).strip().split("\n")[0]
            raise RecordError(f"{self.path}: not a record file: {reason}") from error
        return batches

    def _check_same(self, file: BinaryIO) -> None:
        status = Path(self.path).stat()
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity):
            raise RecordError(f"{self.path}: was replaced by another file")
        self._identity = identity
        if file.seek(0, 2) < self._reader.offset:
            raise RecordError(f"{self.path}: has become shorter")

    def _take_schema(self, message: bytes) -> pa.Schema:
        schema, metadata = read_head(message, self.path)
        if not schema.equals(TABLES[self.table]):
            raise RecordError(f"{self.path}: its columns are not those of {self.table}")
        self.boot_id = metadata.get("boot_id", "")
        return schema
