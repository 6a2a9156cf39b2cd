"""One HTTP/1.1 request of a load-test user, its response streamed: `h11` on a gevent socket."""

import zlib
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import h11
from websockets.headers import build_authorization_basic

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.deadline_socket import DeadlineSocket, open_socket
from chunk7.loadtest.targets.errors import (
    ABNORMAL_CLOSURE,
    END_OF_STREAM,
    Closed,
    ConnectFailed,
    Refused,
    TimedOut,
    WrongAnswer,
)
from chunk7.wire.templates import without_secrets

MAX_REDIRECTS = 5
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of an answer that is read whole."""
_ENCODED = "%/:?#[]@!$&'()*+,;=~"
"""What a URL has already encoded, or need not."""
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib looks for itself which of the two it is."""
_LINE_BYTES = 4_096
"""Of a refusal's body, in which its first line is looked for."""


class Request:
    """What is asked for; the headers stand for themselves, but for those that HTTP needs."""

    def __init__(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.url = url
        self.method = method
        self.headers = dict(headers or {})
        self.body = body
        self.tls = tls or Tls()

    def redirected(self, status: int, location: str) -> "Request":
        """To where the server points; another origin does not get the headers, which may be keys.

        A POST becomes a GET unless the status forbids it (RFC 9110, 15.4).
        """
        url = urljoin(self.url, location)
        same = _origin(urlsplit(url)) == _origin(urlsplit(self.url))
        keeps = status in (307, 308) or self.method == "GET"
        return Request(
            url,
            self.method if keeps else "GET",
            self.headers if same else {},
            self.body if keeps else None,
            self.tls,
        )


class Response:
    """An answer whose head has come. Close it."""

    def __init__(self, request: Request, deadline_s: float) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongAnswer(f"{without_secrets(request.url)} is no http:// or https:// URL")
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        self.url = without_secrets(request.url)
        self._http = h11.Connection(h11.CLIENT)
        self._socket: DeadlineSocket = open_socket(
            parts.hostname, port, request.tls if secure else None, deadline_s
        )
        self._plain = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._encoded = False
        try:
            self._send(request, parts)
            self._read_head(deadline_s)
        except BaseException:
            self.close()
            raise

    def read(self, deadline_s: float) -> bytes:
        """What has come of the body, at least one byte, unpacked. Raises TimedOut, Closed.

        After TimedOut it can be called again.
        """
        while True:
            event = self._next(deadline_s, "nothing received in time")
            if isinstance(event, h11.Data):
                data = self._unpacked(event.data) if self._encoded else bytes(event.data)
                if data:
                    return data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                raise Closed(END_OF_STREAM, "end of stream")

    def read_all(self, deadline_s: float, most: int = MAX_BODY_BYTES) -> bytes:
        """The body to its end, or its first `most` bytes. Raises TimedOut, Closed if it breaks."""
        body = bytearray()
        try:
            while len(body) < most:
                body += self.read(deadline_s)
        except Closed as closed:
            if closed.code != END_OF_STREAM:
                raise
        return bytes(body[:most])

    def close(self) -> None:
        """End the connection, whatever is still to come."""
        self._socket.close()

    def first_line(self, deadline_s: float) -> str:
        """Of the body, or the status line's words: why the server refuses."""
        try:
            lines = self.read_all(deadline_s, _LINE_BYTES).decode(errors="replace").split("\n")
        except (TimedOut, Closed, ConnectFailed):
            lines = []
        return next((line.strip()[:200] for line in lines if line.strip()), self.reason)

    def _send(self, request: Request, parts: SplitResult) -> None:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"}
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in given}
        if parts.username is not None and "authorization" not in given:
            headers["Authorization"] = build_authorization_basic(
                unquote(parts.username), unquote(parts.password or "")
            )
        fields = [(n.encode(), v.encode()) for n, v in (headers | request.headers).items()]
        try:
            head = h11.Request(method=request.method, target=quote(path, _ENCODED), headers=fields)
        except h11.LocalProtocolError:  # its message would show the header, which may be a key
            raise WrongAnswer(f"{self.url}: a header has a name that HTTP has not") from None
        data = self._http.send(head) or b""
        if request.body is not None:
            data += self._http.send(h11.Data(data=request.body)) or b""
        self._socket.write(data + (self._http.send(h11.EndOfMessage()) or b""))

    def _read_head(self, deadline_s: float) -> None:
        event = self._next(deadline_s, "no answer in time")
        while isinstance(event, h11.InformationalResponse):
            event = self._next(deadline_s, "no answer in time")
        assert isinstance(event, h11.Response), "h11 lets nothing else come first"
        self.status = event.status_code
        self.reason = event.reason.decode("latin-1") or f"status {event.status_code}"
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers
        }
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
            raise WrongAnswer(f"{self.url}: content-encoding {encoding}; read are gzip and deflate")
        self._encoded = encoding not in ("identity", "")

    def _unpacked(self, data: bytes) -> bytes:
        try:
            return self._plain.decompress(data)
        except zlib.error as error:
            line = f"no {self.headers['content-encoding']}: {error}"
            raise Closed(ABNORMAL_CLOSURE, line) from error

    def _next(self, deadline_s: float, late: str) -> object:
        """The next event of the connection, whatever is needed for it read."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                received = self._socket.read(deadline_s)
                if not received and not self._began():
                    raise ConnectFailed(f"{self.url}: the server hung up without an answer")
                self._http.receive_data(received)
        except TimeoutError as error:
            raise TimedOut(late) from error
        except h11.RemoteProtocolError as error:
            if self._began():
                raise Closed(ABNORMAL_CLOSURE, f"broken off: {error}") from error
            raise WrongAnswer(f"{self.url}: no HTTP answer: {error}") from error
        return event

    def _began(self) -> bool:
        return hasattr(self, "status")


def fetch(request: Request, deadline_s: float) -> Response:
    """Send a request and follow its redirects; an answer of status 200 to 299.

    Raises Refused for any other, ConnectFailed, TimedOut.
    """
    for _ in range(MAX_REDIRECTS + 1):
        response = Response(request, deadline_s)
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or not location:
            break
        response.close()
        request = request.redirected(response.status, location)
    else:
        line = f"more than {MAX_REDIRECTS} redirects, the last to {without_secrets(request.url)}"
        raise Refused(response.status, line)
    if not 200 <= response.status < 300:
        try:
            raise Refused(response.status, response.first_line(deadline_s))
        finally:
            response.close()
    return response


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return (parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
