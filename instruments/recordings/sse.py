"""An event stream as `curl -N` prints it, with or without an instant in front of every line.

The instants are those of `curl -N URL | ts %.s`, or any other that `instant_ns` reads: an event
came with its last line of data.
"""

import re
from collections.abc import Iterator

from chunk7.instruments.recordings.recording import Frames, RecordedFrame, Wanted, instant_ns
from chunk7.loadtest.targets.events import EventParser

SUMMARY = "server-sent events, e.g. of curl -N; an instant may stand before every line"
_FIELD = rb"(?:data|event|id|retry)?:"
_STAMP = rb"\[?([0-9][0-9T:+.,Z-]*(?: \d\d:\d\d:\d\d[0-9.,]*)?)\]?[ \t]"
_STAMPED = re.compile(_STAMP + rb"?(?:" + _FIELD + rb"|$)")
_BARE = re.compile(_FIELD)


def recognises(data: bytes) -> bool:
    """Whether the first line that is not empty is a field of an event, or a comment."""
    line = next((line for line in data[:65_536].splitlines() if line.strip()), b"")
    return bool(_BARE.match(line) or (_stamp(line) and _STAMPED.match(line)))


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
        stamp = _stamp(line)
        if stamp is not None:
            line = line[stamp.end() :]
            if line.startswith(b"data:"):
                at_ns = instant_ns(stamp[1].decode())
        for message in parser.feed(line):
            yield RecordedFrame(message, at_ns)


def _stamp(line: bytes) -> re.Match[bytes] | None:
    match = re.match(_STAMP + rb"|" + _STAMP.removesuffix(rb"[ \t]") + rb"(?=[\r\n]*$)", line)
    if match is None or _BARE.match(line):
        return None
    return match if instant_ns((match[1] or match[2]).decode()) is not None else None
