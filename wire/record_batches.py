"""Rows of a table as Arrow messages, for processes that only record.

By nanoarrow, Arrow's own small binding: importing pyarrow takes 42 MiB and half a second of each
process, nanoarrow five. Readers have pyarrow, and find what it would have written.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import nanoarrow as na
from nanoarrow.ipc import StreamWriter

from chunk7.wire.columns import Buffer, buffers


class RecordBatches:
    """Of one record file: its head, then as many batches as there are. Raises as `buffers`."""

    def __init__(self, columns: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self._kinds = [*columns.values()]
        self._types = [na.c_schema(na.Type[kind.upper()]) for kind in self._kinds]
        fields = {name: na.Type[kind.upper()] for name, kind in columns.items()}
        self._schema = na.c_schema(na.struct(fields)).modify(metadata=dict(metadata))
        self._out = io.BytesIO()
        self._writer = StreamWriter.from_writable(self._out)

    def head(self) -> bytes:
        """The message that begins a file: the schema, and what the file is."""
        self._writer.write_stream(na.c_array_stream([], schema=self._schema), write_schema=True)
        messages = self._taken()  # a stream of nothing has a batch of no rows, too
        return messages[: 8 + int.from_bytes(messages[4:8], "little")]

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> bytes:
        """The message that holds these rows, one value a column each; None is null."""
        columns = zip(zip(*rows, strict=True), self._kinds, strict=True)
        return self.batch_of(len(rows), [buffers(values, kind) for values, kind in columns])

    def batch_of(self, length: int, columns: Sequence[list[Buffer]]) -> bytes:
        """The same of what are columns already: each one's buffers."""
        made = [
            na.c_array_from_buffers(type_, length, column)
            for type_, column in zip(self._types, columns, strict=True)
        ]
        array = na.c_array_from_buffers(self._schema, length, [None], children=made)
        self._writer.write_array(array, write_schema=False)
        return self._taken()

    def _taken(self) -> bytes:
        message = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return message
