"""A small HTTP server in a thread that answers with exactly the bytes a test wants."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[[socket.socket, bytes], None]
"""Given the connection and the request's head and body: sends what it likes. Then it is closed."""


@dataclass
class Asked:
    """The server's address, and the requests that it was sent."""

    address: str
    requests: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def answering(answer: Answer | bytes, tls: ssl.SSLContext | None = None) -> Iterator[Asked]:
    """Serve every connection with `answer`, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = Asked(f"127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listener, answer, asked, tls))
        thread.start()
        try:
            yield asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(
    listener: socket.socket, answer: Answer | bytes, asked: Asked, tls: ssl.SSLContext | None
) -> None:
    while True:
        try:
            raw, _ = listener.accept()
        except OSError:  # shut down
            return
        raw.settimeout(10)
        with contextlib.suppress(OSError), raw:
            connection = tls.wrap_socket(raw, server_side=True) if tls else raw
            with connection:
                request = _request(connection)
                asked.requests.append(request)
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(connection, request)


def _request(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    while received[:1].isalpha() and b"\r\n\r\n" not in received:  # no HTTP: all there will be
        received += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while len(body) < int(length[1] if length else 0):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer, with its length."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def events(body: bytes, headers: str = "") -> bytes:
    """A stream of events that ends."""
    return http(body, headers=f"Content-Type: text/event-stream\r\n{headers}")
