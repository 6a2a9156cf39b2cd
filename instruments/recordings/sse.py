"""An event stream as `curl -N` prints it, with or without an instant in front of every line.

The instants are those of `curl -N URL | ts %.s`, or any other that `instant_ns` reads: an event
came with its last line of data.
"""

import re
from collections.abc import Iterator

from chunk7.instruments.recordings.recording import Frames, RecordedFrame, Wanted, instant_ns
from chunk7.loadtest.targets.events import EventParser

SUMMARY = "server-sent events, e.g. of curl -N; an instant may stand before every line"
_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_STAMP = re.compile(rb"\[?(\d[\dT:+.,Z-]*(?: \d\d:\d\d:\d\d[\d.,]*)?)\]?(?:[ \t]|(?=[\r\n]*$))")


def recognises(data: bytes) -> bool:
    """Whether the first line that is not empty is a field of an event, or a comment."""
    line = next((line for line in data[:65_536].splitlines() if line.strip()), b"")
    return _FIELD.match(_without_stamp(line)[1]) is not None


def read(data: bytes, wanted: Wanted) -> Frames:
    """Every event that is whole."""
    return Frames(tuple(events(data)))


def events(data: bytes) -> Iterator[RecordedFrame]:
    """The events of a body. One that is not whole, because the stream broke off, is none."""
    parser = EventParser()
    at_ns: int | None = None
    lines = data.splitlines(keepends=True)
    if lines and lines[-1].endswith((b"\n", b"\r")):
        lines.append(b"\n")  # an editor may have taken the last empty line away
    for line in lines:
        stamped_ns, line = _without_stamp(line)
        if line.startswith(b"data:"):
            at_ns = stamped_ns
        for message in parser.feed(line):
            yield RecordedFrame(message, at_ns)


def _without_stamp(line: bytes) -> tuple[int | None, bytes]:
    """The instant before a line, and the line; no field of an event begins with a digit."""
    match = _STAMP.match(line)
    at_ns = None if match is None else instant_ns(match[1].decode())
    return (None, line) if match is None or at_ns is None else (at_ns, line[match.end() :])
