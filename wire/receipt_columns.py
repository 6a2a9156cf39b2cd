"""Receipts as the columns that they are written as, for the process that has most rows of all.

A row is five appends to arrays of numbers, 25 bytes; a list of tuples would take ten times as much,
and half a microsecond a row when it is turned into columns, all at once, while every user waits.
"""

from array import array

from chunk7.wire.columns import CODES, Buffer
from chunk7.wire.tables import COLUMNS

TABLE = "receipts"


class ReceiptColumns:
    """Those that are not written yet."""

    __slots__ = ("_at_ns", "_connection_id", "_digest", "_seq", "_via")

    def __init__(self) -> None:
        codes = {name: CODES[kind] for name, kind in COLUMNS[TABLE].items()}
        self._connection_id = array(codes["connection_id"])
        self._seq = array(codes["seq"])
        self._digest = array(codes["digest"])
        self._via = array(codes["via"])
        self._at_ns = array(codes["at_ns"])

    def __len__(self) -> int:
        return len(self._seq)

    def add(self, connection_id: int, seq: int, digest: int, via: int, at_ns: int) -> None:
        """Note one; `via` is a `Via`. Raises OverflowError for no such `seq`, and notes nothing."""
        self._seq.append(seq)  # first: of these a server chooses no other
        self._connection_id.append(connection_id)
        self._digest.append(digest)
        self._via.append(via)
        self._at_ns.append(at_ns)

    def columns(self) -> list[list[Buffer]]:
        """Each column's buffers, in the table's order."""
        return [[None, getattr(self, f"_{name}")] for name in COLUMNS[TABLE]]
