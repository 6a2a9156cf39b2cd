"""What a node answers under `/demo`.

| path | answer |
|---|---|
| `/demo` | the page |
| `/demo/NAME` | one of its files, read once at the start: a name is looked up, never opened |
| `/demo/setup` | JSON: this node's orderings, and what its producer offers |
| `/demo/answer` | a WebSocket: one order in, one promise or refusal out |
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import msgspec
from websockets.http11 import Request, Response

from chunk7.nodes.demo.producer_link import NotGranted, ask
from chunk7.nodes.options import NodeOptions
from chunk7.nodes.transports.connection import NodeConnection
from chunk7.nodes.transports.websocket import text_frame
from chunk7.wire.demo import DEMO_PREFIX, AnswerPromise, Choices, is_demo

PAGE = "/demo"
ANSWER = "/demo/answer"
SETUP = "/demo/setup"
ORDER_WITHIN_S = 10.0
TOKEN_VALID_S = 600.0
"""An answer takes a minute at most, and its panes may be mended for a while after it."""

_FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_JSON = "application/json"
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # 'self' covers ws: and wss: of the same host and port (CSP level 3, section 6.7.2.8).
    "Content-Security-Policy": "default-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'",
}


class DemoHandler:
    """Serves the page of one node."""

    def __init__(self, options: NodeOptions) -> None:
        self._options = options
        self._files = _read_files()

    def respond(
        self, connection: NodeConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """The answer to a path under `/demo`; None lets a handshake for an order go on."""
        path = request.path.partition("?")[0]
        if path == ANSWER:
            return None  # whose page asks has been looked at: whoever takes handshakes does
        if request.method not in ("GET", "HEAD"):
            response = _refuse(connection, 405, "GET or HEAD")
            response.headers["Allow"] = "GET, HEAD"
            return response
        if path == SETUP:
            return self._setup(connection, request)
        if path not in self._files:
            return _refuse(connection, 404, "the page is /demo")
        return _respond(connection, request, *self._files[path])

    async def take_order(self, connection: NodeConnection) -> None:
        """One order for an answer, passed on; what came of it is sent as one frame."""
        try:
            async with asyncio.timeout(ORDER_WITHIN_S):
                order = await connection.inbox.take()
        except TimeoutError:
            return  # nobody to tell
        if order is not None:
            granted = await self._granted(order.encode() if isinstance(order, str) else order)
            if connection.ready:
                connection.transport.write(text_frame(granted))

    async def _granted(self, order: bytes) -> bytes:
        try:
            promise = await ask(self._options.producer, order)
            tokens = self._tokens(promise)
        except (NotGranted, msgspec.MsgspecError) as error:
            return msgspec.json.encode({"refused": str(error)})
        return msgspec.json.encode({"promise": msgspec.Raw(promise), **tokens})

    def _tokens(self, promise: bytes) -> dict[str, dict[str, str]]:
        """What the page needs to join the promised sessions, by id, if this node wants a token."""
        tokens = self._options.tokens
        if tokens is None:
            return {}
        sessions = msgspec.json.decode(promise, type=AnswerPromise).sessions
        ids = [one.session_id for one in sessions if is_demo(one.session_id)]
        return {"tokens": {id_: tokens.make(id_, TOKEN_VALID_S) for id_ in ids}}

    async def _setup(self, connection: NodeConnection, request: Request) -> Response:
        choices, reason = await self._choices()
        setup = {
            "node": self._options.name,
            "prefix": DEMO_PREFIX,
            "orderings": [
                {"name": o.name, "feed": o.feed, "client": o.client}
                for o in self._options.orderings.values()
            ],
            "choices": choices,
            "no_answers_because": reason,
        }
        return _respond(connection, request, _JSON, msgspec.json.encode(setup))

    async def _choices(self) -> tuple[Choices | None, str | None]:
        """What the producer offers, or why there is nothing."""
        try:
            offered = await ask(self._options.producer)
            return msgspec.json.decode(offered, type=Choices), None
        except (NotGranted, msgspec.MsgspecError) as error:
            return None, str(error)


def _read_files() -> dict[str, tuple[str, bytes]]:
    """(content type, content) by path."""
    files = {
        f"{PAGE}/{path.name}": (_TYPES[path.suffix], path.read_bytes())
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
    files[PAGE] = files.pop(f"{PAGE}/index.html")
    return files


def _respond(
    connection: NodeConnection, request: Request, content_type: str, content: bytes
) -> Response:
    response = connection.respond(200, "")
    for name in ("Content-Type", "Content-Length"):
        del response.headers[name]
    response.headers["Content-Type"] = content_type
    response.headers["Content-Length"] = str(len(content))
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.body = b"" if request.method == "HEAD" else content
    return response


def _refuse(connection: NodeConnection, status: int, reason: str) -> Response:
    return connection.respond(status, f"{reason}\n")
