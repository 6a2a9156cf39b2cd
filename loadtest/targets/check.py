"""One join by an adapter, frame by frame: what was received, and which rule read what as what."""

import contextlib
import time

import gevent
import msgspec

from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import (
    TargetJoin,
    fetch_finished,
    open_request,
    open_target,
    request_once,
    session_of,
)
from chunk7.loadtest.targets.errors import (
    Closed,
    ConnectFailed,
    Refused,
    TargetError,
    TimedOut,
    WrongAnswer,
)
from chunk7.loadtest.targets.frame_reader import FrameReader, Sighting, UnreadFrame
from chunk7.loadtest.targets.paths import Message, text_of
from chunk7.loadtest.targets.transport import TargetConnection

CLOSE_WAIT_S = 0.5
MAX_FRAMES = 10_000
"""Of one join; what comes after them is not read."""
ADVICE = {
    200: "that is HTTP and no WebSocket; server-sent events have http:// in url",
    400: "the target finds the request wrong; are url, headers and body as it wants them?",
    401: "who asks? headers or cookies bring the credentials",
    403: "may this client? headers (Origin, too) or cookies bring the credentials",
    404: "is url the endpoint, and does it want its sessions to exist?",
    405: "is method the one that the endpoint takes?",
    426: "the endpoint is a WebSocket: url begins with ws:// or wss://",
    429: "the target limits how often it is asked; wait, or lift the limit for the test",
}
"""By HTTP status, what to look at in the adapter."""


class FrameSeen(msgspec.Struct, frozen=True):
    """One message, and what became of it. `at_ms` after the check began."""

    at_ms: float
    connection: str
    """`join`, by the adapter's url; `ask`, the response to its request."""
    received: str
    event: str | None
    id: str | None
    rule: int | None
    """Of `frames`; -1 is the adapter's own function, None nobody."""
    kind: str | None
    sightings: tuple[Sighting, ...]
    error: str | None = None


class CheckDocument(msgspec.Struct, kw_only=True):
    """All of a check; what `--json` writes."""

    schema: int = 1
    adapter: str
    session_id: str
    opened_ms: float | None = None
    frames: list[FrameSeen] = []
    closed: str | None = None
    """How the target ended the connection; None: it did not."""
    finished_characters: int | None = None
    """Of the answer that was fetched afterwards."""
    notes: list[str] = []
    """What a run can do without, and what it cannot know then."""
    error: str | None = None
    """What was received, which rule failed, what to change."""
    reachable: bool = True


def check(adapter: Adapter, session_id: str, seconds: float) -> CheckDocument:
    """Join once, and ask for an answer if the adapter does; read for at most `seconds`.

    Raises UsageError for what only filling in shows: a placeholder that is none.
    """
    gevent.get_hub().NOT_ERROR += (KeyboardInterrupt,)  # it prints all others that end a wait
    document = CheckDocument(adapter=adapter.name, session_id=session_id)
    began_s = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            opened = _opened(adapter, document, began_s + seconds, stack)
            document.opened_ms = _ms_since(began_s)
            for name, connection in opened:
                _read(adapter, name, connection, document, began_s, time.monotonic() + seconds)
            if adapter.ask is not None and not isinstance(adapter.ask.reference, str):
                place = TargetJoin(document.session_id, 1, 1)
                text = fetch_finished(adapter, place, time.monotonic() + seconds)
                document.finished_characters = len(text)
    except TargetError as error:
        document.error = _advised(error)
        document.reachable = _reached(error)
    if document.opened_ms is not None:
        document.error = document.error or _fault(document, seconds)
        document.notes += _notes(adapter, document)
    return document


def _opened(
    adapter: Adapter, document: CheckDocument, deadline_s: float, stack: contextlib.ExitStack
) -> list[tuple[str, TargetConnection]]:
    """Joined and asked, in the order that the adapter implies; closed with the stack."""
    opened: list[tuple[str, TargetConnection]] = []

    def keep(name: str, connection: TargetConnection) -> None:
        stack.callback(connection.close, CLOSE_WAIT_S)
        opened.append((name, connection))

    ask, place = adapter.ask, TargetJoin(document.session_id, 1, 1)
    if ask is not None and ask.reference == "request":
        keep("ask", open_request(adapter, place, deadline_s))
    elif ask is not None and ask.session_id is not None:
        document.session_id = session_of(adapter, place, request_once(adapter, place, deadline_s))
        place = TargetJoin(document.session_id, 1, 1)
    keep("join", open_target(adapter, place, deadline_s))
    if ask is not None and ask.reference != "request" and ask.session_id is None:
        request_once(adapter, place, deadline_s)
    return opened


def _read(
    adapter: Adapter,
    name: str,
    connection: TargetConnection,
    document: CheckDocument,
    began_s: float,
    deadline_s: float,
) -> None:
    """Until the answer's end, the connection's, or the deadline."""
    reader = FrameReader(adapter)
    while len(document.frames) < MAX_FRAMES:
        try:
            messages = connection.receive(deadline_s)
        except TimedOut:
            return
        except Closed as closed:
            document.closed = str(closed)
            return
        for message in messages:
            frame = _seen(reader, name, message, _ms_since(began_s))
            document.frames.append(frame)
            document.error = document.error or frame.error
        if document.frames[-1].kind == "end":
            return


def _seen(reader: FrameReader, name: str, message: Message, at_ms: float) -> FrameSeen:
    came = (at_ms, name, text_of(message.data), message.event, message.id)
    try:
        reading = reader.read(message)
    except UnreadFrame as error:
        return FrameSeen(*came, None, None, (), str(error))
    return FrameSeen(*came, reading.rule, reading.kind, reading.sightings)


# --- what it comes to ---


def _fault(document: CheckDocument, seconds: float) -> str | None:
    """Why nothing could be judged, although the target was joined."""
    if not document.frames:
        what = (
            f"the target {document.closed} before it sent anything"
            if document.closed
            else f"nothing was received in {seconds:g} s"
        )
        return (
            f"{what}: does session {document.session_id} stream just now (--session ID names one "
            "that does, ask in the adapter starts one)? Does send say what the target waits for?"
        )
    if all(frame.kind == "history" and not frame.sightings for frame in document.frames):
        return (
            f"session {document.session_id} is empty: a history without chunks, and nothing else "
            f"in {seconds:g} s; --session ID names one that streams"
        )
    if not any(frame.sightings for frame in document.frames):
        kinds = sorted({str(frame.kind) for frame in document.frames})
        return (
            f"no rule read a chunk: {len(document.frames)} frames were read as {', '.join(kinds)}; "
            f"a rule with is: chunk or is: history must read some, e.g. "
            f"{document.frames[0].received[:100]!r}"
        )
    return None


def _notes(adapter: Adapter, document: CheckDocument) -> list[str]:
    seen = [sighting for frame in document.frames for sighting in frame.sightings]
    notes = []
    if seen and not any(one.index is not None or one.seq is not None for one in seen):
        notes.append("no index and no seq: the verdict is by text alignment")
    if seen and not any(one.text is not None for one in seen):
        notes.append("no text: that a chunk was altered cannot be seen")
    if seen and not any(frame.kind == "end" for frame in document.frames):
        notes.append("no frame was read as end: a run waits for the producer's instead")
    if seen and not any(frame.kind == "history" for frame in document.frames):
        notes.append("no frame was read as history: what a late client gets is not told apart")
    if document.frames and not any(frame.connection == "join" for frame in document.frames):
        notes.append("the join by url received nothing; only the request's own response was read")
    resume = adapter.resume

    def lacks(one: Sighting) -> bool:
        return resume is not None and getattr(one, resume.value) is None

    if resume is None:
        notes.append("no resume: a client whose connection ends does not come back")
    elif resume.by != "nothing" and seen and all(map(lacks, seen)):
        notes.append(f"resume goes by {resume.value}, and no chunk had one")
    return notes


def _reached(error: TargetError) -> bool:
    """Whether somebody is there with whom the adapter may be wrong."""
    if isinstance(error, Refused):
        return error.status < 500
    return isinstance(error, WrongAnswer | Closed) or not isinstance(
        error, ConnectFailed | TimedOut
    )


def _advised(error: TargetError) -> str:
    """What happened, and what to look at."""
    if not isinstance(error, Refused):
        there = "is the target running, and url its address?"
        return str(error) if _reached(error) else f"{error}; {there}"
    if error.status >= 500:
        return f"{error}; the target fails"
    if 300 <= error.status < 400:
        return f"{error}; url should be where the target points"
    return f"{error}; {ADVICE.get(error.status, 'the target refuses')}"


def _ms_since(began_s: float) -> float:
    return round((time.monotonic() - began_s) * 1_000, 1)
