"""A stream's entries as redis-cli prints the answer to XRANGE: for people, raw, or as JSON.

For people (a terminal) it is numbered and quoted; piped, it is raw, a line a value, which is read
as long as no value has a line break; `--json` is exact. An entry's instant is its id's.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings.recording import Frames, RecordedFrame, Wanted
from chunk7.loadtest.targets.paths import Message

SUMMARY = "the answer to XRANGE, as redis-cli prints it: for people, raw, or --json"
_ID = re.compile(r"\d{1,20}-\d{1,20}")
_NUMBERED = re.compile(r'^\s*(?:\d+\)\s+)*(?:"((?:[^"\\]|\\.)*)")?\s*$')
_ESCAPE = re.compile(rb'\\(x[0-9a-fA-F]{2}|[nrtab"\\])')
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_PAYLOADS = ("data", "payload", "message", "chunk")
"""Fields taken for the frame where an entry has several and nobody says which."""

_LINE_BREAK = (
    "stands where a value should, or lacks one; does a value have a line break? "
    "redis-cli --json writes it so that it can be read"
)

_StreamEntry = tuple[str, list[str]]


def recognises(data: bytes) -> bool:
    """Whether it begins with an entry's id, in one of the three forms."""
    text = data[:4_096].decode(errors="replace").lstrip()
    first = text.partition("\n")[0].strip()
    return bool(
        _ID.fullmatch(first)
        or re.match(r'1\)\s+1\)\s+"\d+-\d+"', text)
        or re.match(r'\[\s*\[\s*"\d+-\d+"', text)
    )


def read(data: bytes, wanted: Wanted) -> Frames:
    """An entry a frame: the one field it has, the one that --data names, or all as an object."""
    text = data.decode(errors="replace")
    start = text.lstrip()
    if start.startswith("["):
        entries = _from_json(data)
    elif start.startswith("1)"):
        entries = _grouped(_quoted(text))
    else:
        entries = _grouped(_raw(text))
    return Frames(tuple(_frame(entry, wanted) for entry in entries))


def _from_json(data: bytes) -> list[_StreamEntry]:
    """[[id, [field, value, ...]], ...]; some clients write the fields as an object."""
    try:
        rows = msgspec.json.decode(data, type=list[tuple[str, list[str] | dict[str, str]]])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"not XRANGE's answer: {error}") from error
    return [
        (entry_id, flat if isinstance(flat, list) else [v for pair in flat.items() for v in pair])
        for entry_id, flat in rows
    ]


def _raw(text: str) -> Iterator[str]:
    """The lines; one that looks like an id where a value should be betrays a line break."""
    in_fields = 0
    for number, line in enumerate(text.splitlines(), 1):
        is_id = _ID.fullmatch(line) is not None
        if is_id and in_fields % 2:
            raise UsageError(f"line {number}: {line} {_LINE_BREAK}")
        in_fields = 0 if is_id else in_fields + 1
        yield line


def _quoted(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _NUMBERED.match(line)
        if match is None:
            raise UsageError(f'line {number}: want 1) "...", not {line[:60]!r}')
        if match[1] is not None:
            yield _ESCAPE.sub(_escaped, match[1].encode()).decode(errors="replace")


def _escaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code.startswith(b"x"):
        return bytes([int(code[1:], 16)])
    return _PLAIN.get(code, code)


def _grouped(values: Any) -> list[_StreamEntry]:
    """Values one after the other: an id, then fields and values until the next id in a field's
    place."""
    entries: list[_StreamEntry] = []
    for number, value in enumerate(values, 1):
        at_field = not entries or len(entries[-1][1]) % 2 == 0
        if at_field and _ID.fullmatch(value):
            entries.append((value, []))
        elif entries:
            entries[-1][1].append(value)
        else:
            raise UsageError(f"value {number}: want an entry's id, not {value[:60]!r}")
    return entries


def _frame(entry: _StreamEntry, wanted: Wanted) -> RecordedFrame:
    entry_id, flat = entry
    if len(flat) % 2:
        raise UsageError(f"entry {entry_id} {_LINE_BREAK}")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if wanted.data is not None:
        if wanted.data not in fields:
            raise UsageError(f"entry {entry_id}: --data {wanted.data}: it has {', '.join(fields)}")
        data = fields[wanted.data]
    else:
        names = list(fields) if len(fields) == 1 else [n for n in _PAYLOADS if n in fields]
        data = fields[names[0]] if names else msgspec.json.encode(fields).decode()
    return RecordedFrame(Message(data, id=entry_id), int(entry_id.partition("-")[0]) * 1_000_000)
