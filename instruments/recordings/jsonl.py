"""JSON lines, or one JSON list: a frame each, or an object in which a field has the frame."""

from typing import Any

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings.recording import Frames, RecordedFrame, Wanted, instant_ns
from chunk7.loadtest.targets.paths import MISSING, Message, compile_path

SUMMARY = "JSON lines or a JSON list; --data, --time and --direction say where what stands"
_NOTHING = Message("")


def recognises(data: bytes) -> bool:
    """Whether it is a JSON list, or its first line is JSON by itself."""
    text = data.lstrip()
    line = text.partition(b"\n")[0]
    return text.startswith(b"[") or (line.startswith((b"{", b'"')) and _is_json(line))


def read(data: bytes, wanted: Wanted) -> Frames:
    """Every line's frame. Raises UsageError with the line."""
    rows = list(enumerate(_rows(data), 1))
    if wanted.direction is not None:
        path, equals, value = wanted.direction.partition("=")
        if not equals:
            raise UsageError(f"--direction {wanted.direction}: want PATH=VALUE")
        find = compile_path(path)
        rows = [(number, row) for number, row in rows if _text(find(row, _NOTHING)) == value]
        if not rows:
            raise UsageError(f"--direction {wanted.direction}: no line is so")
    return Frames(tuple(_frame(number, row, wanted) for number, row in rows))


def _rows(data: bytes) -> list[Any]:
    if data.lstrip().startswith(b"["):
        try:
            rows = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"no JSON list: {error}") from error
        return list(rows)
    rows = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                rows.append(msgspec.json.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UsageError(f"line {number}: {error}") from error
    return rows


def _frame(number: int, row: Any, wanted: Wanted) -> RecordedFrame:
    value = _at(number, row, "--data", wanted.data) if wanted.data else row
    at_ns = None
    if wanted.time:
        at_ns = instant_ns(_at(number, row, "--time", wanted.time), wanted.time)
        if at_ns is None:
            raise UsageError(f"line {number}: --time {wanted.time}: no instant there")
    return RecordedFrame(Message(_text(value)), at_ns)


def _at(number: int, row: Any, option: str, path: str) -> Any:
    value = compile_path(path)(row, _NOTHING)
    if value is MISSING:
        raise UsageError(f"line {number}: {option} {path}: nothing there")
    return value


def _text(value: Any) -> str:
    """A frame's data: a text stays what it is, which may be JSON in JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
