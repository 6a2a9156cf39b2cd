"""What answers a request, when it fails: an error of ours must not end without an answer."""

import http
import logging
from collections.abc import Awaitable, Callable

from websockets.http11 import Response
from websockets.server import ServerProtocol

Answer = Response | None
"""None lets the handshake go on."""
_LOG = logging.getLogger("chunk7.nodes")


def asked(
    ask: Callable[[], Answer | Awaitable[Answer]], protocol: ServerProtocol
) -> Answer | Awaitable[Answer]:
    """The answer, or 500 and a word in the log."""
    try:
        return ask()
    except Exception:
        return _broken(protocol)


async def awaited(answer: Awaitable[Answer], protocol: ServerProtocol) -> Answer:
    """The same for one that takes its time."""
    try:
        return await answer
    except Exception:
        return _broken(protocol)


def _broken(protocol: ServerProtocol) -> Response:
    _LOG.exception("a request failed")
    return protocol.reject(http.HTTPStatus.INTERNAL_SERVER_ERROR, "see the node's log\n")
