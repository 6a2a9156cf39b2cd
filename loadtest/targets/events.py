"""Server-sent events out of bytes, as the WHATWG's HTML standard has them (9.2.6). No I/O."""

import re

from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.paths import Message

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""A session's whole history may come as one event."""
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventParser:
    """Feed it the body of a `text/event-stream` as it comes."""

    def __init__(self) -> None:
        self._rest = b""
        self._first = True
        self._after_cr = False
        self._data: list[str] = []
        self._data_bytes = 0
        self._event = ""
        self._id = ""
        self.retry_ms: int | None = None
        """How long a client should wait before it comes back, if the server said so."""

    def feed(self, data: bytes) -> list[Message]:
        """The events that end in `data`. Raises TargetError for one that is too long."""
        if self._after_cr and data.startswith(b"\n"):  # the CR that ended the last line was a CRLF
            data = data[1:]
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not data)
        *lines, self._rest = _LINE_END.split(self._rest + data)
        messages = []
        for line in lines:
            if self._first:
                self._first = False
                line = line.removeprefix(_BOM)
            if line:
                self._take(line)
            elif (message := self._dispatch()) is not None:
                messages.append(message)
        if len(self._rest) + self._data_bytes > MAX_EVENT_BYTES:
            raise TargetError(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return messages

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value.decode(errors="replace"))
            self._data_bytes += len(value) + 1
        elif field == b"event":
            self._event = value.decode(errors="replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        elif field == b"retry" and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self) -> Message | None:
        """An event ends at an empty line; without data it is none, though its id counts."""
        data, event = self._data, self._event or "message"
        self._data, self._data_bytes, self._event = [], 0, ""
        return Message("\n".join(data), event, self._id or None) if data else None
