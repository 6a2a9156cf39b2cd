"""What a request may be, and what answers it when that fails: no error ends without an answer."""

import http
import logging
from collections.abc import Awaitable, Callable

from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol

Answer = Response | None
"""None lets the handshake go on."""
MAX_REQUEST_BYTES = 16_384
"""Of a request, before anybody knows whose it is. `websockets` bounds each line and their number,
which together is a MiB, of as many strangers as there is room for."""
_LOG = logging.getLogger("chunk7.nodes")


class BoundedServer(ServerProtocol):
    """One that refuses a request which is too large before it is whole."""

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size=max_size)
        self._left = MAX_REQUEST_BYTES

    def receive_data(self, data: bytes | bytearray) -> None:
        """As the protocol's; before its answer everything is the request, or sent too early."""
        if self.state is State.CONNECTING and not self.eof_sent:
            self._left -= len(data)
            if self._left < 0:
                why = f"a request has at most {MAX_REQUEST_BYTES} bytes\n"
                status = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self.send_response(self.reject(status, why))
        super().receive_data(data)


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
