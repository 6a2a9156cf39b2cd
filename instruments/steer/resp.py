"""Where a frame of RESP ends, and its first parts; RESP 2 and 3, cut anywhere. No I/O.

https://redis.io/docs/latest/develop/reference/protocol-spec/ names the types. Strings are skipped
by their length, and of each part no more is kept than MAX_PART bytes.
"""

import re

MAX_PARTS = 256
"""Of one frame, that are kept: names and keys stand in front."""
MAX_PART = 64 * 1024
MAX_LINE = 64 * 1024
"""Of a line that says how long something is, or is a command; of others the front is kept."""

ERROR, NULL, ARRAY, PUSH, BLOB_ERROR = b"-_*>!"
_STRING, _CHUNK, _ATTRIBUTE, _END, _MAP = b"$;|.%"
_STRINGS, _AGGREGATES, _LINES = b"$!=;", b"*~>%|", b"+-:_#,("
_ENDLESS = -1
"""The count of an aggregate, or of a string, that a frame of its own will end."""
_WORD = re.compile(rb'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'|([^\s"\']+)')


class ProtocolFault(Exception):
    """Bytes that are no RESP."""


class Frame:
    """One frame. `kind`: its first byte; `parts`: its strings and simple values, in order, cut.

    `count`: how many elements it has, or words. `nil`: it is a null.
    """

    __slots__ = ("count", "kind", "nil", "parts")

    def __init__(self) -> None:
        self.kind = 0
        self.count = 0
        self.nil = False
        self.parts: list[bytes] = []


class Scanner:
    """Finds the end of one frame after the other. `inline`: a line that is no array is a command.

    >>> scanner = Scanner()
    >>> scanner.scan(b"$2\\r\\nab\\r\\n+OK", 0), scanner.frame.parts
    (8, [b'ab'])
    """

    def __init__(self, inline: bool = False, most_parts: int = MAX_PARTS) -> None:
        self._inline = inline
        self._most_parts = most_parts
        self._open: list[int] = []
        """Elements to come, of each aggregate that is open."""
        self._attributes: list[int] = []
        """The depth of those that are attributes, which count as nothing where they are."""
        self._left = 0
        """Bytes of a string, and of the line's end behind it, that are still to come."""
        self._in_chunk = False
        self._part = bytearray()
        self._line = b""
        self._within = False
        self._skimming = False
        self.frame = Frame()

    @property
    def between(self) -> bool:
        """Whether no frame has begun."""
        return not self._within

    def skim(self) -> None:
        """Keep no more of the frame that is under way than what has come."""
        if self._part:
            self._keep(bytes(self._part))
        self._skimming = True

    def scan(self, data: bytes, at: int) -> int:
        """The end in `data` of the frame that begins, or goes on, at `at`; -1: not in `data`.

        Raises ProtocolFault.
        """
        length = len(data)
        while at < length:
            if self._left:
                at = self._string(data, at)
                if self._left:
                    break
                ended = not self._in_chunk and self._element()
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    self._carry(data[at:])
                    break
                line = data[at:end]
                if self._line:
                    line, self._line = self._line + line, b""
                at = end + 1
                if line[-1:] == b"\r":
                    line = line[:-1]
                past = self._whole(line, data, at) if self._open and line[:1] == b"$" else 0
                if past:
                    at = past
                    ended = self._element()
                else:
                    ended = self._take(line)
            if ended:
                self._within = False
                return at
        return -1

    def _whole(self, line: bytes, data: bytes, at: int) -> int:
        """The end of a string of an aggregate, as nearly all are; 0: it is not all in `data`."""
        if line == b"$?":
            return 0
        size = _count(line)
        past = at + size + 2
        if size < 0 or past > len(data):
            return 0
        parts = self.frame.parts
        if len(parts) < self._most_parts and not self._skimming:
            self._keep(data[at : at + min(size, MAX_PART)])
        return past

    def _string(self, data: bytes, at: int) -> int:
        """Take what has come of a string; its last two bytes are the end of its line."""
        taken = min(self._left, len(data) - at)
        kept = min(taken, self._left - 2, MAX_PART - len(self._part))
        if kept > 0 and not self._skimming:
            self._part += data[at : at + kept]
        self._left -= taken
        if not self._left:
            self._keep(bytes(self._part))
            self._part.clear()
        return at + taken

    def _carry(self, rest: bytes) -> None:
        """A line that has not ended."""
        self._begin()
        self._line += rest
        if len(self._line) > MAX_LINE:
            if self._inline or self._line[0] not in _LINES:
                raise ProtocolFault(f"a line of more than {MAX_LINE} bytes")
            self._line = self._line[:MAX_LINE]

    def _begin(self) -> None:
        if not self._within:
            self._within, self._skimming = True, False
            self.frame = Frame()

    def _take(self, line: bytes) -> bool:
        """Whether the line ends the frame."""
        self._begin()
        kind = line[0] if line else 0
        outermost = not self._open
        if outermost:
            self.frame.kind = kind
            if self._inline and kind != ARRAY:
                self.frame.parts = [b"".join(word.groups(b"")) for word in _WORD.finditer(line)]
                self.frame.count = len(self.frame.parts)
                return True
        if kind in _AGGREGATES:
            return self._aggregate(kind, line, outermost)
        if kind in _STRINGS:
            return self._string_begins(kind, line, outermost)
        if kind == _END:
            return self._endless_ends()
        if not kind or kind not in _LINES:
            raise ProtocolFault(f"no frame begins with {line[:1]!r}")
        if kind == NULL:
            self.frame.nil = outermost
        self._keep(line[1:])
        return self._element()

    def _string_begins(self, kind: int, line: bytes, outermost: bool) -> bool:
        if line[1:] == b"?":
            self._open.append(_ENDLESS)
            return False
        size = _count(line)
        self._in_chunk = kind == _CHUNK
        if self._in_chunk and not size:
            return self._endless_ends()
        if size < 0:
            self.frame.nil = outermost
            self._keep(b"")
            return self._element()
        self._left = size + 2
        return False

    def _aggregate(self, kind: int, line: bytes, outermost: bool) -> bool:
        count = _ENDLESS if line[1:] == b"?" else _count(line)
        if outermost:
            self.frame.count = max(0, count)
            self.frame.nil = count < 0 and line[1:] != b"?"
        if kind in (_MAP, _ATTRIBUTE) and count > 0:
            count *= 2
        if count > 0 or line[1:] == b"?":
            if kind == _ATTRIBUTE:
                self._attributes.append(len(self._open))
            self._open.append(count)
            return False
        return kind != _ATTRIBUTE and self._element()

    def _endless_ends(self) -> bool:
        if not self._open or self._open.pop() != _ENDLESS:
            raise ProtocolFault("an end of what was never begun")
        return self._aggregate_ends()

    def _element(self) -> bool:
        """One element is complete, and with it perhaps what it is in, and the frame."""
        if not self._open:
            return True
        if self._open[-1] == _ENDLESS:
            return False
        self._open[-1] -= 1
        if self._open[-1]:
            return False
        self._open.pop()
        return self._aggregate_ends()

    def _aggregate_ends(self) -> bool:
        """What was the last on `_open` is complete."""
        if self._attributes and self._attributes[-1] == len(self._open):
            self._attributes.pop()
            return False
        return self._element()

    def _keep(self, part: bytes) -> None:
        if len(self.frame.parts) < self._most_parts and not (self._skimming or self._attributes):
            self.frame.parts.append(part[:MAX_PART])


def _count(line: bytes) -> int:
    try:
        return int(line[1:])
    except ValueError:
        raise ProtocolFault(f"no number behind {line[:1]!r}: {line[1:20]!r}") from None
