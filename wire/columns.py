"""Python values as Arrow columns, for processes that only record.

`pa.array` asks whether its argument is a pandas object, and imports pandas to know: 47 MiB and a
third of a second of CPU in each process. So the buffers are made here, as the Arrow columnar format
lays them out ("Physical memory layout"): a bit a value, set where there is one; then the values, or
for text n + 1 offsets and the bytes between them.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

_CODES = {pa.uint8(): "B", pa.int32(): "i", pa.uint32(): "I", pa.int64(): "q", pa.float64(): "d"}


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """`pa.array(values, kind)` for the kinds of `records.TABLES`; None is null.

    Raises TypeError for a number of another kind, OverflowError for one out of its range.
    """
    present = _bits([value is not None for value in values]) if None in values else None
    if kind == pa.string():
        data = _text(values)
    elif kind == pa.bool_():
        data = [_bits([bool(value) for value in values])]
    else:
        filled = values if present is None else [0 if v is None else v for v in values]
        data = [pa.py_buffer(array(_CODES[kind], filled))]
    return pa.Array.from_buffers(kind, len(values), [present, *data])


def _text(values: Sequence[str | None]) -> list[pa.Buffer]:
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = array("i", accumulate(map(len, encoded), initial=0))
    return [pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]


def _bits(flags: list[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.array(flags, dtype=bool), bitorder="little"))
