"""Columns made without pyarrow are what it would have made, and recording needs neither."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.wire.columns import buffers
from chunk7.wire.records import TABLES
from chunk7.wire.tables import COLUMNS

ALIASES = sorted({kind for columns in COLUMNS.values() for kind in columns.values()})
KINDS = sorted({field.type for schema in TABLES.values() for field in schema}, key=str)
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.uint8(): st.integers(0, 2**8 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(max_size=5),
}


def column(values: list[Any], kind: pa.DataType) -> pa.Array:
    name = next(alias for alias in ALIASES if pa.type_for_alias(alias) == kind)
    made = [None if one is None else pa.py_buffer(one) for one in buffers(values, name)]
    return pa.Array.from_buffers(kind, len(values), made)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.data())
def test_a_column_is_what_arrow_makes_of_the_values(kind: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=20))
    made = column(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))
    assert made.null_count == values.count(None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if pa.types.is_integer(kind)], ids=str)
def test_a_number_that_does_not_fit_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(OverflowError):
        buffers([1, 2**64], str(kind))
    with pytest.raises(TypeError):
        buffers([0.5], str(kind))
    with pytest.raises(TypeError):
        buffers(["1"], str(kind))
