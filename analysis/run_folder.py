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

from chunk7.analysis.gather import RECEIPT_COLUMNS, VERSION, damage_named, gathered_schema
from chunk7.analysis.manifest import Manifest, read_manifest
from chunk7.delivery.errors import RecordError

Instants = NDArray[np.float64]
"""Nanoseconds since the run's origin, NaN where it did not happen; exact for a hundred days."""

_NULLABLE = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}

_NEVER_NULL = {
    "processes": ("process", "part", "boot_id", "complete", "aligned", "shift_ns"),
    "published": ("process", "cell", "write", "seq"),
    "joins": ("process", "connection_id"),
    "connections": ("process", "connection_id", "cell", "connect"),
    "returns": ("process", "connection_id", "first_id", "lost_ns", "opening_ns"),
    "health": ("process",),
    "events": ("process", "kind"),
    "clocks": ("process", "offset_ns", "uncertainty_ns"),
}
"""Columns without which a row says nothing; any other may be null."""
_UNIQUE = {
    "processes": "process",
    "joins": "connection_id",
    "connections": "connection_id",
    "returns": "connection_id",
}
_LATER = ("returns",)
"""Tables that folders gathered before there was such a thing do not have: nothing is in them."""


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

    A row of `connections` is one user's visit to a session. When it lost its connection and came
    back, the connections that it took then are rows of `returns`, by the visit's `first_id`, and
    `joins` has those of all of them: only a join of the visit's own id happened at the moment that
    was drawn for it. `connections` leaves out the receipts, which are those of the whole visit;
    `receipts()` reads them group by group.
    `origin_ns` is the first instant of the run, which `instants` subtracts.
    """

    folder: Path
    manifest: Manifest
    processes: pd.DataFrame
    published: pd.DataFrame
    joins: pd.DataFrame
    connections: pd.DataFrame
    returns: pd.DataFrame
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
        """Every receipt of the run, each batch being of connections of one cell.

        Raises RecordError, naming the file, for one that is damaged.
        """
        path, first_row = self.folder / "connections.parquet", 0
        names = [f"receipt_{name}" for name in RECEIPT_COLUMNS]
        cells = self.connections["cell"].to_numpy(dtype=np.int64)
        with damage_named(path), _open(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=names)
                of_cell = cells[first_row : first_row + table.num_rows]
                if len(of_cell) != table.num_rows or np.unique(of_cell).size > 1:
                    raise RecordError(f"{path}: row group {group} is not of one cell")
                receipts = _receipts(table, first_row, self.origin_ns)
                first_row += table.num_rows
                del table  # not kept while these are judged
                yield receipts


def load_run(run_dir: Path | str) -> Run:
    """Read a gathered folder; raises RecordError, naming the file, for one that is none, is
    foreign, damaged, or contradicts itself."""
    folder = Path(run_dir)
    manifest = read_manifest(folder)
    paths = {name: folder / f"{name}.parquet" for name in _NEVER_NULL}
    if (folder / "raw").is_dir() and not all(
        path.exists() for name, path in paths.items() if name not in _LATER
    ):
        raise RecordError(
            f"{folder}: its records are not gathered yet: run `chunk7 report {folder}`, "
            "or analysis.analyse on it"
        )
    frames = {name: _frame(path) for name, path in paths.items()}
    _check_cells(folder, manifest, frames["published"], frames["connections"])
    firsts = [frames["published"]["started_ns"].min(), frames["connections"]["opening_ns"].min()]
    origin_ns = min((int(first) for first in firsts if not pd.isna(first)), default=0)
    return Run(folder=folder, manifest=manifest, origin_ns=origin_ns, **frames)


def _check_cells(
    run_dir: Path, manifest: Manifest, published: pd.DataFrame, connections: pd.DataFrame
) -> None:
    """Every record is of a cell of the manifest, and of that cell's orderings."""
    cells = manifest.plan.cells
    for name_of_file, frame, side in (
        ("published", published, "write"),
        ("connections", connections, "connect"),
    ):
        for cell, name in frame[["cell", side]].drop_duplicates().itertuples(index=False):
            if not 0 <= cell < len(cells) or getattr(cells[cell], side) != name:
                raise RecordError(
                    f"{run_dir / name_of_file}.parquet: contradictory records: cell {cell} "
                    f"with {name}"
                )


def _frame(path: Path) -> pd.DataFrame:
    """All columns but lists; what was checked is that they are ours, whole, and fit together."""
    name = path.stem
    if name in _LATER and not path.exists():
        return _pandas(gathered_schema(name).empty_table())
    with damage_named(path), _open(path) as file:
        schema = file.schema_arrow
        if (schema.metadata or {}).get(b"schema") != VERSION.encode():
            raise RecordError(f"{path}: not a table of schema {VERSION}")
        for field in gathered_schema(name):
            if schema.names.count(field.name) != 1 or schema.field(field.name).type != field.type:
                raise RecordError(f"{path}: its columns are not those of {name}: {field.name}")
        plain = [f.name for f in schema if not pa.types.is_list(f.type)]
        table = file.read(columns=plain)
        table.validate(full=True)
        frame = _pandas(table)
    for column in _NEVER_NULL[name]:
        if frame[column].isna().any():
            raise RecordError(f"{path}: has rows without {column}")
    unique = _UNIQUE.get(name)
    if unique is not None and frame[unique].duplicated().any():
        twice = frame.loc[frame[unique].duplicated(), unique].iloc[0]
        raise RecordError(f"{path}: contradictory records: two rows for {unique} {twice}")
    return frame


def _pandas(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame


def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, page_checksum_verification=True)


def _receipts(table: pa.Table, first_row: int, origin_ns: int) -> Receipts:
    """The lists of a row group; raises ValueError when they do not fit together."""
    table.validate(full=True)
    lists = [table[f"receipt_{name}"].combine_chunks() for name in RECEIPT_COLUMNS]
    offsets: Any = lists[0].offsets.to_numpy().astype(np.int64)
    columns = [column.flatten() for column in lists]
    for column, values in zip(lists, columns, strict=True):
        if column.null_count or values.null_count:
            raise ValueError("a receipt is null")
        if not np.array_equal(column.offsets.to_numpy(), offsets):
            raise ValueError("receipts are lists of unequal length")
    seq, digest, via, at_ns = (values.to_numpy() for values in columns)
    return Receipts(
        first_row=first_row,
        offsets=offsets - offsets[0],
        seq=seq.astype(np.int64),
        digest=digest.astype(np.int64),
        via=via,
        at_ns=(at_ns - origin_ns).astype(float),
    )
