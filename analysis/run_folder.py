"""A gathered run folder in memory: frames, and the receipts batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.gather import RECEIPT_COLUMNS, VERSION
from analysis.manifest import Manifest, read_manifest
from delivery.errors import RecordError

Instants = NDArray[np.float64]
"""Nanoseconds since the run's origin, NaN where it did not happen; exact for a hundred days."""

_NULLABLE = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


@dataclass(frozen=True, slots=True)
class Receipts:
    """Receipts of the connections `first_row`.. of `Run.connections`, grouped by connection.

    `offsets` has the shape (connections + 1,), the others (receipts,) in the order received.
    """

    first_row: int
    offsets: NDArray[np.int64]
    seq: NDArray[np.int64]
    digest: NDArray[np.int64]
    via: NDArray[np.uint8]
    at_ns: Instants


@dataclass(frozen=True, slots=True)
class Run:
    """The tables of a run as pandas frames, columns as in docs/results.md.

    `connections` leaves out the receipts; `receipts()` reads them group by group.
    `origin_ns` is the first instant of the run, which `instants` subtracts.
    """

    folder: Path
    manifest: Manifest
    processes: pd.DataFrame
    published: pd.DataFrame
    joins: pd.DataFrame
    connections: pd.DataFrame
    health: pd.DataFrame
    events: pd.DataFrame
    clocks: pd.DataFrame
    origin_ns: int

    def instants(self, frame: pd.DataFrame, column: str) -> Instants:
        """A `_ns` column as Instants."""
        values = frame[column].to_numpy(dtype="int64", na_value=np.iinfo(np.int64).min)
        missing = frame[column].isna().to_numpy()
        return np.where(missing, np.nan, (values - self.origin_ns * ~missing).astype(float))

    def receipts(self) -> Iterator[Receipts]:
        """Every receipt of the run, each batch being of connections of one cell."""
        first_row = 0
        with pq.ParquetFile(self.folder / "connections.parquet") as file:
            names = [f"receipt_{name}" for name in RECEIPT_COLUMNS]
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names)
                yield _receipts(table, first_row, self.origin_ns)
                first_row += table.num_rows


def load_run(run_dir: Path) -> Run:
    """Read a gathered folder; raises RecordError for one that is not, or is foreign."""
    manifest = read_manifest(run_dir)
    names = ("processes", "published", "joins", "connections", "health", "events", "clocks")
    frames = {name: _frame(run_dir / f"{name}.parquet") for name in names}
    _check_cells(run_dir, manifest, frames["published"], frames["connections"])
    firsts = [frames["published"]["started_ns"].min(), frames["connections"]["opening_ns"].min()]
    origin_ns = min((int(first) for first in firsts if not pd.isna(first)), default=0)
    return Run(folder=run_dir, manifest=manifest, origin_ns=origin_ns, **frames)


def _check_cells(
    run_dir: Path, manifest: Manifest, published: pd.DataFrame, connections: pd.DataFrame
) -> None:
    """Every record is of a cell of the manifest, and of that cell's orderings."""
    cells = manifest.order.cells
    for frame, side in ((published, "write"), (connections, "connect")):
        for cell, name in frame[["cell", side]].drop_duplicates().itertuples(index=False):
            if not 0 <= cell < len(cells) or getattr(cells[cell], side) != name:
                raise RecordError(f"{run_dir}: contradictory records: cell {cell} with {name}")


def _frame(path: Path) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if (schema.metadata or {}).get(b"schema") != VERSION.encode():
                raise RecordError(f"{path}: not a table of schema {VERSION}")
            plain = [f.name for f in schema if not pa.types.is_list(f.type)]
            table = file.read(columns=plain)
    except (OSError, pa.ArrowInvalid) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    return table.to_pandas(types_mapper=_NULLABLE.get)


def _receipts(table: pa.Table, first_row: int, origin_ns: int) -> Receipts:
    lists = [table[f"receipt_{name}"].combine_chunks() for name in RECEIPT_COLUMNS]
    seq, digest, via, at_ns = (column.flatten().to_numpy() for column in lists)
    offsets: Any = lists[0].offsets.to_numpy().astype(np.int64)
    return Receipts(
        first_row=first_row,
        offsets=offsets - offsets[0],
        seq=seq.astype(np.int64),
        digest=digest.astype(np.int64),
        via=via,
        at_ns=(at_ns - origin_ns).astype(float),
    )
