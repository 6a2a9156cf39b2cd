"""Where a producer's chunks go in a store, and in which form: keys, channel and payload.

`OWN` is the bug report's layout, which chunk7's nodes read. `TemplateLayout` writes what somebody
else's back end reads: names and payload with places for a chunk's fields.

Places, in braces: `{session_id}` in every name; `{session_id} {message_id} {index} {seq} {text}
{final}` in the payload, and `{payload}` as well in the fields of a stream's entry. In a payload
that is JSON a value that is exactly one place keeps its type; a payload that is text is filled in
as it stands.
"""

from pathlib import Path
from typing import Any, Protocol

import msgspec

from chunk7.delivery.chunk import Chunk, history_key, seq_key, stream_key
from chunk7.delivery.errors import UsageError
from chunk7.wire.frames import encode_chunk, split_at_seq
from chunk7.wire.templates import braced, fill, fill_text, placeholders

FIELD = b"chunk"
"""The one field of our own streams' entries."""
CHUNK_PLACES = ("session_id", "message_id", "index", "seq", "text", "final")
_SEQ_MARK = 8_171_615_141_312_111
"""Stands for a number that the store has yet to give; no answer has it in its text."""


class Layout(Protocol):
    """Names and payloads of one store."""

    def history(self, session_id: str) -> str:
        """Key of the list of saved chunks."""

    def channel(self, session_id: str) -> str:
        """Pub/Sub channel."""

    def stream(self, session_id: str) -> str:
        """Key of the stream."""

    def counter(self, session_id: str) -> str:
        """Key of the session's last number."""

    def payload(self, chunk: Chunk) -> bytes:
        """What is pushed and published."""

    def around_seq(self, chunk: Chunk) -> list[bytes]:
        """The payload, cut at every place where the chunk's number belongs."""

    def entry(self, chunk: Chunk) -> list[bytes | str]:
        """Fields and values of a stream's entry, in turn."""


class OwnLayout:
    """What chunk7's own nodes read (docs/protocol.md)."""

    history = staticmethod(history_key)
    channel = staticmethod(stream_key)
    stream = staticmethod(stream_key)
    counter = staticmethod(seq_key)
    payload = staticmethod(encode_chunk)

    def around_seq(self, chunk: Chunk) -> list[bytes]:
        """Two parts."""
        return list(split_at_seq(chunk))

    def entry(self, chunk: Chunk) -> list[bytes | str]:
        """One field."""
        return [FIELD, encode_chunk(chunk)]


OWN = OwnLayout()


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layout as it is written down; what is left out is as in `OWN`, but for `fields`."""

    history: str = history_key("{session_id}")
    channel: str = stream_key("{session_id}")
    stream: str = stream_key("{session_id}")
    counter: str = seq_key("{session_id}")
    payload: Any = None
    """JSON with places in its strings, or a text; None: every field under its own name."""
    fields: dict[str, str] = msgspec.field(default_factory=lambda: {"data": "{payload}"})


class TemplateLayout:
    """The layout that templates describe. Raises UsageError for a place that there is not."""

    def __init__(self, templates: Templates) -> None:
        for name in ("history", "channel", "stream", "counter"):
            _check_places(name, getattr(templates, name), ("session_id",))
            if "{session_id}" not in getattr(templates, name):
                raise UsageError(f"{name}: needs {{session_id}}: every session has its own")
        payload = templates.payload
        self._payload = (
            {name: f"{{{name}}}" for name in CHUNK_PLACES} if payload is None else payload
        )
        _check_places("payload", self._payload, CHUNK_PLACES)
        for field, value in templates.fields.items():
            _check_places(f"fields.{field}", value, (*CHUNK_PLACES, "payload"))
        self._templates = templates

    def history(self, session_id: str) -> str:
        """Key of the list of saved chunks."""
        return self._templates.history.replace("{session_id}", session_id)

    def channel(self, session_id: str) -> str:
        """Pub/Sub channel."""
        return self._templates.channel.replace("{session_id}", session_id)

    def stream(self, session_id: str) -> str:
        """Key of the stream."""
        return self._templates.stream.replace("{session_id}", session_id)

    def counter(self, session_id: str) -> str:
        """Key of the session's last number."""
        return self._templates.counter.replace("{session_id}", session_id)

    def payload(self, chunk: Chunk) -> bytes:
        """The payload with the chunk's fields in their places."""
        values = {name: getattr(chunk, name) for name in CHUNK_PLACES}
        if isinstance(self._payload, str):
            return fill_text(self._payload, values).encode()
        return msgspec.json.encode(fill(self._payload, values))

    def around_seq(self, chunk: Chunk) -> list[bytes]:
        """One part more than the payload has places for the number."""
        return self.payload(chunk.numbered(_SEQ_MARK)).split(b"%d" % _SEQ_MARK)

    def entry(self, chunk: Chunk) -> list[bytes | str]:
        """Fields and values in turn."""
        values = {name: getattr(chunk, name) for name in CHUNK_PLACES}
        values["payload"] = self.payload(chunk).decode()
        return [
            part
            for field, value in self._templates.fields.items()
            for part in (field, fill_text(value, values))
        ]


def read_layout(path: Path) -> TemplateLayout:
    """The layout in a JSON file of Templates; raises UsageError naming the file and the field."""
    try:
        return TemplateLayout(msgspec.json.decode(path.read_bytes(), type=Templates))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error


def _check_places(name: str, template: Any, known: tuple[str, ...]) -> None:
    for _, place in placeholders(template, name):
        if place not in known:
            raise UsageError(f"{name}: {{{place}}} is none of {braced(known)}")
