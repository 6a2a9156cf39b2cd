"""Python values as the buffers of an Arrow column.

As the columnar format lays them out ("Physical memory layout"): a bit a value, set where there is
one; then the values, or for text n + 1 offsets and the bytes between them.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

CODES = {"uint8": "B", "int32": "i", "uint32": "I", "int64": "q", "double": "d"}
"""By kind: of `array`."""
Buffer = Any
"""Bytes, or an array of numbers."""


def buffers(values: Sequence[Any], kind: str) -> list[Buffer]:
    """Those of a column of `tables.COLUMNS`, the first None where no value is None: null.

    Raises TypeError for a number of another kind, OverflowError for one out of its range.
    """
    present = _bits([value is not None for value in values]) if None in values else None
    if kind == "string":
        return [present, *_text(values)]
    if kind == "bool":
        return [present, _bits([bool(value) for value in values])]
    filled = values if present is None else [0 if v is None else v for v in values]
    return [present, array(CODES[kind], filled)]


def _text(values: Sequence[str | None]) -> list[Buffer]:
    encoded = [b"" if value is None else value.encode() for value in values]
    return [array("i", accumulate(map(len, encoded), initial=0)), b"".join(encoded)]


def _bits(flags: list[bool]) -> bytes:
    """Eight to a byte, the first one lowest."""
    digits = "".join("1" if flag else "0" for flag in reversed(flags))
    return int(digits or "0", 2).to_bytes((len(flags) + 7) // 8, "little")
