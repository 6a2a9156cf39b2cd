"""Server-sent events as a load-test user reads them: a streamed HTTP response, event by event."""

from chunk7.loadtest.targets.errors import ABNORMAL_CLOSURE, END_OF_STREAM, Closed, WrongAnswer
from chunk7.loadtest.targets.events import EventParser
from chunk7.loadtest.targets.http import Request, Response, fetch
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.transport import Opening, as_bytes

CONTENT_TYPE = "text/event-stream"
NO_MORE = 204
"""The standard's way to say to a client that comes back that there is nothing more for it."""


def open_connection(opening: Opening, deadline_s: float) -> "EventStream":
    """The `Transport` of http:// and https:// URLs."""
    headers = {"Accept": CONTENT_TYPE, "Cache-Control": "no-cache"}
    body = None
    if opening.method == "POST":
        body = b"" if opening.body is None else as_bytes(opening.body)
        if not isinstance(opening.body, str):
            headers["Content-Type"] = "application/json"
    given = {name.lower() for name in opening.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    request = Request(opening.url, opening.method, headers | opening.headers, body, opening.tls)
    response = fetch(request, deadline_s)
    try:
        _check_type(response, deadline_s)
    except BaseException:
        response.close()
        raise
    return EventStream(response)


def _check_type(response: Response, deadline_s: float) -> None:
    if response.status == NO_MORE:
        raise Closed(END_OF_STREAM, f"{response.url}: HTTP 204, no more events, do not come back")
    if response.status != 200:
        raise WrongAnswer(f"{response.url}: HTTP {response.status}, which brings no events")
    found = response.headers.get("content-type", "no content-type")
    if found.partition(";")[0].strip().lower() != CONTENT_TYPE:
        line = response.first_line(deadline_s)
        raise WrongAnswer(f"{response.url} answered with {found}, not {CONTENT_TYPE}: {line}")


class EventStream:
    """An open stream; a `TargetConnection`."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self.parser = EventParser()

    def receive(self, deadline_s: float) -> list[Message]:
        """At least one event. Raises TimedOut, Closed."""
        while True:
            messages = self.parser.feed(self._response.read(deadline_s))
            if messages:
                return messages

    def send(self, text: bytes) -> None:
        """There is no way back."""
        raise Closed(ABNORMAL_CLOSURE, "a stream of events goes one way")

    def close(self, wait_s: float) -> None:
        """Close the socket; HTTP has no word for it."""
        self._response.close()
