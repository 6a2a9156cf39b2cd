"""PATHs of an adapter: where in a frame a value stands. Pure, and compiled once a rule.

`choices.0.delta.content` goes down by keys and list indexes; `$` is the value that it starts from.
`@event`, `@id` and `@data` are the fields of the message that carried the frame.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from chunk7.delivery.errors import UsageError


class Message(msgspec.Struct, frozen=True):
    """What a target sent at once: a WebSocket message, an SSE event, a socket.io event."""

    data: str | bytes
    event: str | None = None
    id: str | None = None
    """SSE: the last event id so far; socket.io: what its connection state recovery goes by."""


class Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = Missing()
"""What a path leads to where there is nothing; null in JSON is a value."""

Find = Callable[[Any, Message], Any]
"""The value at a path: of a frame (or an element of it), and the message that carried it."""

FIELDS: dict[str, Find] = {
    "@event": lambda _, message: message.event,
    "@id": lambda _, message: message.id,
    "@data": lambda _, message: text_of(message.data),
}


def compile_path(path: str) -> Find:
    """The function that follows `path`. Raises UsageError for what is none."""
    if path in FIELDS:
        return FIELDS[path]
    if path == "$":
        return lambda frame, _: frame
    steps = path.split(".")
    if not all(steps):
        raise UsageError(f"{path!r} is no path: keys and list indexes with dots between, $, @id")
    if len(steps) == 1:
        key = steps[0]
        return lambda frame, _: (
            frame.get(key, MISSING) if type(frame) is dict else _step(frame, key)
        )

    def find(frame: Any, _: Message) -> Any:
        for step in steps:
            frame = frame.get(step, MISSING) if type(frame) is dict else _step(frame, step)
        return frame

    return find


def needs_frame(path: str) -> bool:
    """Whether the path leads into the frame, not to a field of its message."""
    return path not in FIELDS


def text_of(data: str | bytes) -> str:
    """A message's data as text; what is no UTF-8 is replaced."""
    return data if isinstance(data, str) else data.decode(errors="replace")


def _step(value: Any, step: str) -> Any:
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return MISSING
