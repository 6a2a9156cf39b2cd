"""HAR as browsers export it: WebSocket frames, and server-sent events.

The HAR 1.2 specification has neither; Chrome writes `_webSocketMessages` (`type`, `time` in
seconds, `opcode`, `data`) and `_eventSourceMessages` beside a request, and others follow it. Where
only the body of an event stream was kept, there are no instants.
"""

import base64
import binascii
from typing import Any

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.instruments.recordings import sse
from chunk7.instruments.recordings.recording import Frames, RecordedFrame, Wanted, instant_ns
from chunk7.loadtest.targets.paths import Message

SUMMARY = "HAR with WebSocket frames or an event stream, as browsers export it"
_TEXT, _BINARY = 1, 2


class _Named(msgspec.Struct, frozen=True):
    url: str = ""


class _Content(msgspec.Struct, frozen=True):
    text: str = ""
    encoding: str = ""
    mime_type: str = msgspec.field(name="mimeType", default="")


class _Response(msgspec.Struct, frozen=True):
    content: _Content = _Content()


class _SocketMessage(msgspec.Struct, frozen=True):
    type: str
    data: str
    time: float | None = None
    opcode: int = _TEXT


class _SourceMessage(msgspec.Struct, frozen=True):
    data: str
    time: float | None = None
    event: str = msgspec.field(name="eventName", default="message")
    id: str | None = msgspec.field(name="eventId", default=None)


class _Entry(msgspec.Struct, frozen=True):
    request: _Named = _Named()
    response: _Response = _Response()
    started: Any = msgspec.field(name="startedDateTime", default=None)
    socket: list[_SocketMessage] | None = msgspec.field(name="_webSocketMessages", default=None)
    source: list[_SourceMessage] | None = msgspec.field(name="_eventSourceMessages", default=None)


class _Log(msgspec.Struct, frozen=True):
    entries: list[_Entry]


class _Har(msgspec.Struct, frozen=True):
    log: _Log


def recognises(data: bytes) -> bool:
    """Whether it is one JSON object with a log of entries."""
    head = data[:4_096]
    return head.lstrip().startswith(b"{") and b'"log"' in head and b'"entries"' in data


def read(data: bytes, wanted: Wanted) -> Frames:
    """The frames that the browser received, of the one request that has any."""
    try:
        har = msgspec.json.decode(data, type=_Har)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"not a HAR: {error}") from error
    streams = [
        (entry, frames)
        for entry in har.log.entries
        if wanted.url in entry.request.url and (frames := _frames(entry))
    ]
    if len(streams) != 1:
        urls = ", ".join(entry.request.url for entry, _ in streams[:5]) or "none"
        raise UsageError(
            f"want one request that received WebSocket frames or events, not {len(streams)} "
            f"({urls}): --url PART says which"
        )
    ((entry, frames),) = streams
    return Frames(tuple(frames), instant_ns(entry.started))


def _frames(entry: _Entry) -> list[RecordedFrame]:
    if entry.socket is not None:
        return [
            RecordedFrame(Message(_payload(one)), instant_ns(one.time))
            for one in entry.socket
            if one.type == "receive" and one.opcode in (_TEXT, _BINARY)
        ]
    if entry.source is not None:
        return [
            RecordedFrame(Message(one.data, one.event, one.id), instant_ns(one.time))
            for one in entry.source
        ]
    content = entry.response.content
    if not content.mime_type.startswith("text/event-stream"):
        return []
    body = content.text.encode()
    return list(sse.events(_unpacked(body) if content.encoding == "base64" else body))


def _payload(message: _SocketMessage) -> str | bytes:
    return _unpacked(message.data.encode()) if message.opcode == _BINARY else message.data


def _unpacked(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise UsageError(f"a body that should be base64 is not: {error}") from error
