"""Where a frame of RESP ends, and its first parts; RESP 2 and 3, cut anywhere. No I/O.

https://redis.io/docs/latest/develop/reference/protocol-spec/ names the types. Nothing is decoded
that is not needed: bulk strings are skipped by their length, and of each part no more is kept than
MAX_PART bytes.
"""

MAX_PARTS = 256
"""Of one frame, that are kept: names and keys stand in front."""
MAX_PART = 64 * 1024
MAX_LINE = 64 * 1024
_BULK, _AGGREGATE = b"$!=;", b"*~>%|"
_OPEN = -1
"""The count of an aggregate that a frame of its own will end."""


class ProtocolFault(Exception):
    """Bytes that are no RESP."""


class Frame:
    """One frame. `kind`: its first byte; `parts`: its strings and simple values, in order, cut.

    `nil`: it is a null, or begins with one.
    """

    __slots__ = ("kind", "nil", "parts", "size")

    def __init__(self, kind: bytes) -> None:
        self.kind = kind
        self.parts: list[bytes] = []
        self.nil = False
        self.size = 0


class Scanner:
    """Finds the end of one frame after the other. `inline`: a line that is no array is a command.

    >>> scanner = Scanner()
    >>> scanner.scan(b"$2\\r\\nab\\r\\n+OK", 0), scanner.frame.parts
    (8, [b'ab'])
    """

    def __init__(self, inline: bool = False) -> None:
        self._inline = inline
        self._open: list[int] = []
        self._skip = 0
        """Bytes of a bulk string, and the line's end behind it, that are still to come."""
        self._part = b""
        self._streamed = False
        self._line = b""
        self.frame = Frame(b"")
        self._within = False

    @property
    def between(self) -> bool:
        """Whether no frame has begun."""
        return not self._within

    def scan(self, data: bytes, start: int) -> int:
        """The end in `data` of the frame that begins, or goes on, at `start`; -1: not in `data`.

        Raises ProtocolFault.
        """
        at, length = start, len(data)
        while at < length:
            if self._skip:
                taken = min(self._skip, length - at)
                room = MAX_PART + 2 - len(self._part)
                if room > 0:
                    self._part += data[at : at + min(taken, room)]
                self._skip -= taken
                at += taken
                if self._skip:
                    break
                self._keep(self._part[:-2] if len(self._part) < MAX_PART + 2 else self._part)
                ended = not self._streamed and self._element()
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    self._line += data[at:]
                    self._within = True
                    if len(self._line) > MAX_LINE:
                        raise ProtocolFault(f"a line of more than {MAX_LINE} bytes")
                    break
                line = self._line + data[at:end] if self._line else data[at:end]
                self._line = b""
                at = end + 1
                ended = self._take(line[:-1] if line[-1:] == b"\r" else line)
            if ended:
                self._within = False
                return at
        return -1

    def _take(self, line: bytes) -> bool:
        """Whether the line ends the frame."""
        kind = line[:1]
        if not self._within or not self._open:
            if not self._open:
                self.frame = Frame(kind)
            self._within = True
        if self._inline and not self._open and kind != b"*":
            self.frame.parts += line.split()
            return True
        if not kind:
            raise ProtocolFault("an empty line where a frame should begin")
        if kind in _BULK:
            return self._bulk(kind, line)
        if kind in _AGGREGATE:
            return self._aggregate(kind, line)
        if kind == b".":
            self._end_open()
            return self._element()
        if kind not in b"+-:_#,(":
            raise ProtocolFault(f"no frame begins with {kind!r}")
        self._keep(line[1:])
        if kind == b"_":
            self.frame.nil = self.frame.nil or len(self.frame.parts) == 1
        return self._element()

    def _bulk(self, kind: bytes, line: bytes) -> bool:
        if line[1:] == b"?":
            self._open.append(_OPEN)
            return False
        size = _count(line)
        if kind == b";" and size == 0:
            self._end_open()
            return self._element()
        if size < 0:
            self.frame.nil = self.frame.nil or not self.frame.parts
            self._keep(b"")
            return self._element()
        self._skip, self._part, self._streamed = size + 2, b"", kind == b";"
        return False

    def _aggregate(self, kind: bytes, line: bytes) -> bool:
        if line[1:] == b"?":
            self._open.append(_OPEN)
            return False
        count = _count(line)
        if count < 0:
            self.frame.nil = self.frame.nil or not self.frame.parts
            return self._element()
        if kind in b"%|":
            count *= 2
        if kind == b"|":  # belongs to what comes behind it
            count += 1
        if count == 0:
            return self._element()
        self._open.append(count)
        return False

    def _end_open(self) -> None:
        if not self._open or self._open[-1] > _OPEN:
            raise ProtocolFault("an end of what was never begun")
        self._open.pop()

    def _element(self) -> bool:
        """One element is complete, and with it perhaps what it is in."""
        while self._open:
            if self._open[-1] <= _OPEN:
                return False
            self._open[-1] -= 1
            if self._open[-1]:
                return False
            self._open.pop()
        return True

    def _keep(self, part: bytes) -> None:
        if len(self.frame.parts) < MAX_PARTS:
            self.frame.parts.append(part[:MAX_PART])


def _count(line: bytes) -> int:
    try:
        return int(line[1:])
    except ValueError:
        raise ProtocolFault(f"no number behind {line[:1]!r}: {line[1:20]!r}") from None
