"""What an adapter's rules make of a message: kind, and what was seen of which chunk. No I/O.

The load generator's hot path: paths are compiled once, JSON is decoded once a message.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from chunk7.loadtest.targets.adapter import VALUE_PATHS, Adapter, FrameRule
from chunk7.loadtest.targets.paths import MISSING, Find, Message, compile_path, needs_frame, text_of

MAX_NUMBER = 2**31 - 1
"""Of an index or a sequence number: what a record of it holds."""
KINDS = ("history", "chunk", "control", "end", "error")
_SHOWN = 200
"""Characters of a frame in a message."""

Decode = Callable[[str | bytes], Any]


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """What a frame says of one chunk, or part of one; None: it does not say."""

    session_id: str | None = None
    message_id: str | None = None
    index: int | None = None
    seq: int | None = None
    id: str | None = None
    text: str | None = None


class FrameReading(msgspec.Struct, frozen=True):
    """A message, read by rule number `rule` (-1: by the adapter's own function)."""

    kind: str
    rule: int
    sightings: tuple[Sighting, ...] = ()


class UnreadFrame(Exception):
    """What was received, which rule failed, what to change."""


class FrameReader:
    """Reads every message of an adapter's connections; keeps nothing of them."""

    def __init__(self, adapter: Adapter) -> None:
        self._decode: Decode = text_of if adapter.framing == "text" else msgspec.json.decode
        self._rules = [_Rule(i, rule) for i, rule in enumerate(adapter.frames)]
        self._function = adapter.read
        self._file = adapter.file

    def read(self, message: Message) -> FrameReading:
        """Raises UnreadFrame."""
        try:
            if self._function is not None:
                return self._call(self._function, message)
            return self._apply(message)
        except _Unfit as unfit:
            raise UnreadFrame(f"{unfit}; received {shown(message)}") from None

    def _apply(self, message: Message) -> FrameReading:
        try:
            frame = self._decode(message.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._apply_without_frame(message, str(error))
        for rule in self._rules:
            if rule.matches(frame, message):
                return rule.read(frame, message)
        raise _Unfit(
            "no rule matches: "
            + "; ".join(rule.mismatch(frame, message) for rule in self._rules)
            + " (a rule `- is: control` without `when` reads whatever does not matter)"
        )

    def _apply_without_frame(self, message: Message, error: str) -> FrameReading:
        """A message that is no JSON may still be one for a rule that needs none: `[DONE]`."""
        for rule in self._rules:
            if not rule.needs_frame and rule.matches(MISSING, message):
                return rule.read(MISSING, message)
        raise _Unfit(f"no JSON ({error}): {_advice(message.data)}")

    def _call(self, function: Callable[..., Any], message: Message) -> FrameReading:
        data = message.data
        if isinstance(data, bytes) and not _binary(data):
            data = text_of(data)
        try:
            seen = function(data, message.event, message.id)
        except Exception as error:
            line = f"{type(error).__name__}: {error}"
            raise _Unfit(f"read() in {self._file} raised {line}") from error
        return _taken(seen)


class _Unfit(Exception):
    """Why a rule cannot read a frame that is its own."""


class _Rule:
    """One rule, compiled."""

    __slots__ = ("_conditions", "_each", "_name", "_number", "_takes", "kind", "needs_frame")

    def __init__(self, number: int, rule: FrameRule) -> None:
        self._number = number
        self.kind = rule.kind
        self._name = f"frames.{number} ({rule.kind})"
        self._conditions = [
            (path, compile_path(path), wanted) for path, wanted in rule.when.items()
        ]
        self._each = None if rule.each is None else (rule.each, compile_path(rule.each))
        paths = [(name, getattr(rule, name)) for name in VALUE_PATHS]
        given = [path for _, path in paths if path is not None]
        reads = rule.kind in ("history", "chunk") or (rule.kind == "end" and given)
        self._takes = [
            None if path is None else _taker(f"{self._name}: {name}", name, path)
            for name, path in (paths if reads else [])
        ]
        used = [*rule.when, *given, *([rule.each] if rule.each else [])]
        self.needs_frame = any(needs_frame(path) for path in used)

    def matches(self, frame: Any, message: Message) -> bool:
        """Whether every condition holds."""
        return all(_holds(find(frame, message), wanted) for _, find, wanted in self._conditions)

    def mismatch(self, frame: Any, message: Message) -> str:
        """The condition that does not hold, in words."""
        for path, find, wanted in self._conditions:
            value = find(frame, message)
            if not _holds(value, wanted):
                found = "is not there" if value is MISSING else f"is {_json(value)}"
                return f"{self._name} wants {path}: {_json(wanted)}, which {found}"
        return f"{self._name} matches"

    def read(self, frame: Any, message: Message) -> FrameReading:
        """Raises _Unfit."""
        if not self._takes:
            return FrameReading(self.kind, self._number)
        if self._each is None:
            return FrameReading(self.kind, self._number, (self._sighting(frame, message),))
        path, find = self._each
        elements = find(frame, message)
        if elements is None:
            elements = []
        if not isinstance(elements, list):
            raise _Unfit(f"{self._name}: each: {_lacking(path, elements, frame, 'a list')}")
        seen = tuple([self._sighting(element, message) for element in elements])
        return FrameReading(self.kind, self._number, seen)

    def _sighting(self, element: Any, message: Message) -> Sighting:
        return Sighting(*[take and take(element, message) for take in self._takes])


def _holds(value: Any, wanted: Any) -> bool:
    if wanted == "*":
        return value is not None and value is not MISSING
    if wanted is None:
        return value is None or value is MISSING
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


# --- values ---


def _number(value: Any) -> int | None:
    """An index or a sequence number, also one in a text: an SSE id is one."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is int and 0 <= number <= MAX_NUMBER:
        return number
    raise ValueError(f"a whole number from 0 to {MAX_NUMBER}")


def _name(value: Any) -> str:
    if type(value) in (str, int):
        return str(value)
    raise ValueError("a text or a whole number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a text")


CONVERT: dict[str, Callable[[Any], Any]] = {
    "session": _name,
    "message": _name,
    "index": _number,
    "seq": _number,
    "id": _name,
    "text": _text,
}
"""By field of a rule, in the order of Sighting's: its value, or ValueError with what it must be."""


def _taker(where: str, name: str, path: str) -> Find:
    """The function that reads one field of an element; null is nothing."""
    find, convert = compile_path(path), CONVERT[name]

    def take(element: Any, message: Message) -> Any:
        value = find(element, message)
        if value is None:
            return None
        try:
            return convert(value)
        except ValueError as error:
            raise _Unfit(f"{where}: {_lacking(path, value, element, str(error))}") from None

    return take


def _taken(seen: Any) -> FrameReading:
    """What an adapter's own function returned. Raises _Unfit."""
    if not isinstance(seen, list) or not all(isinstance(part, dict) for part in seen):
        raise _Unfit(f"read() must return a list of dicts, not {_json(seen)}")
    kind, sightings = "control", []
    for part in seen:
        kind = part.get("is")
        unknown = part.keys() - {"is", *VALUE_PATHS}
        if kind not in KINDS or unknown:
            allowed = f"is ({', '.join(KINDS)}), {', '.join(VALUE_PATHS)}"
            raise _Unfit(f"read() returned {_json(part)}; a dict has {allowed}")
        if len(part) > 1:
            sightings.append(Sighting(*[_converted(part, name) for name in VALUE_PATHS]))
    kinds = {part["is"] for part in seen}
    if {"history", "chunk"} <= kinds:
        raise _Unfit("read() returned history and chunk for one message; it is one or the other")
    return FrameReading(kind, -1, tuple(sightings))


def _converted(part: dict[str, Any], name: str) -> Any:
    if part.get(name) is None:
        return None
    try:
        return CONVERT[name](part[name])
    except ValueError as error:
        raise _Unfit(f"read() returned {name}: {_json(part[name])}, not {error}") from None


# --- words ---


def shown(message: Message) -> str:
    """A message as a line shows it: its beginning, or what it is if that is no text."""
    data = message.data
    fields = f" (event {message.event})" if message.event is not None else ""
    if isinstance(data, bytes) and _binary(data):
        return f"{len(data)} bytes that are no text, {data[:8].hex(' ')} ...{fields}"
    text = text_of(data)
    return f"{text[:_SHOWN]!r}{'...' if len(text) > _SHOWN else ''}{fields}"


def _binary(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _advice(data: str | bytes) -> str:
    start = data[:16].encode() if isinstance(data, str) else bytes(data[:16])
    if start.startswith(b"\x1f\x8b"):
        return "it is gzip; have the target send text, or unpack it in a Python adapter's read()"
    if isinstance(data, bytes) and _binary(data):
        return "it is binary; unpack it in a Python adapter's read()"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "it is an HTML page; is url the endpoint that streams?"
    return "framing: text reads plain text; a rule with @data alone in when reads a marker"


def _lacking(path: str, value: Any, within: Any, wanted: str) -> str:
    if value is not MISSING:
        return f"{path} is {_json(value)}, not {wanted}"
    has = ", ".join(within) if isinstance(within, dict) else _json(within)
    return f"nothing at {path}; there is {has or 'nothing'}"


def _json(value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
