"""What processes write down while they run: facts in columns, never verdicts.

Every process appends to `<folder>/<process>.<table>.arrows`, an Arrow IPC stream, one record batch
a second. A killed process loses at most what it had not flushed. `chunk7.wire.records` reads it.
"""

from pathlib import Path
from typing import Any

from chunk7.wire.clock import boot_id
from chunk7.wire.receipt_columns import TABLE, ReceiptColumns
from chunk7.wire.record_batches import RecordBatches
from chunk7.wire.record_file import RecordFile
from chunk7.wire.tables import COLUMNS, SCHEMA_VERSION


def unclaimed(folder: Path, process: str) -> str:
    """`process`, or `process-2`, `process-3` and so on: the first that has no records in `folder`.

    For a process that may be started again on the same folder, and alone bears its name there.
    """
    name, life = process, 1
    while any(folder.glob(f"{name}.*.arrows")):
        life += 1
        name = f"{process}-{life}"
    return name


class Recorder:
    """One process's records, in memory until `flush`, which the process calls every second."""

    def __init__(self, folder: Path, process: str) -> None:
        self._folder = folder
        self._process = process
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COLUMNS}
        self._files: dict[str, tuple[RecordFile, RecordBatches]] = {}
        self._boot_id = boot_id()
        self._receipts = ReceiptColumns()

    def add(self, table: str, **values: Any) -> None:
        """Note one row; columns not named are null. Raises KeyError for an unknown one."""
        names = COLUMNS[table]
        if not values.keys() <= names.keys():
            raise KeyError(f"{table} has no column {sorted(values.keys() - names.keys())}")
        self._rows[table].append(tuple(values.get(name) for name in names))

    def add_row(self, table: str, row: tuple[Any, ...]) -> None:
        """The same for a whole row in the schema's order."""
        self._rows[table].append(row)

    def add_receipt(self, connection_id: int, seq: int, digest: int, via: int, at_ns: int) -> None:
        """Note a row of `receipts`: the hot path. Raises OverflowError for no such `seq`."""
        self._receipts.add(connection_id, seq, digest, via, at_ns)

    def flush(self) -> None:
        """Append what has gathered as one batch a table, and hand it to the system.

        Raises OSError when the folder takes no more: rows stay until they are written, so that a
        later flush has them, and none that were not are closed over.
        """
        for table, rows in self._rows.items():
            if rows:
                file, batches = self._file(table)
                file.append(batches.batch(rows))
                self._rows[table] = []
        if receipts := self._receipts:
            file, batches = self._file(TABLE)
            file.append(batches.batch_of(len(receipts), receipts.columns()))
            self._receipts = ReceiptColumns()

    def close(self) -> None:
        """Flush, and mark every stream as complete. Raises OSError as `flush`."""
        self.flush()
        for file, _ in self._files.values():
            file.close(complete=True)
        self._files = {}

    def _file(self, table: str) -> tuple[RecordFile, RecordBatches]:
        if table not in self._files:
            self._files[table] = self._open(table)
        return self._files[table]

    def _open(self, table: str) -> tuple[RecordFile, RecordBatches]:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._process}.{table}.arrows"
        metadata = {
            "schema": SCHEMA_VERSION,
            "table": table,
            "process": self._process,
            "boot_id": self._boot_id,
        }
        batches = RecordBatches(COLUMNS[table], metadata)
        return RecordFile(path, batches.head()), batches
