"""A TCP or TLS connection under gevent on which nothing waits without a deadline.

This is the load generator's hot path. A read waits first and receives then, because a user is
nearly always ahead of its server; and a connection keeps one timer for as long as the deadline
stays the same, rather than one a read. Both were measured (benchmarks/websocket_user.md).
"""

import ssl
import time
from functools import cache

import gevent
import gevent.ssl
from gevent import Timeout, socket

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.errors import ConnectFailed, TimedOut, WrongAnswer

RECEIVE_BYTES = 65_536
"""More than a TLS record, so that none stays half read where no readiness tells of it."""
SEND_WAIT_S = 1.0
"""How long a server may leave our bytes, a few each, unread."""
_READ = 1
"""libev's EV_READ."""


def open_socket(host: str, port: int, tls: Tls | None, deadline_s: float) -> "DeadlineSocket":
    """Connect, with TLS unless it is None, until `deadline_s`, an instant of `time.monotonic()`.

    Raises ConnectFailed, TimedOut.
    """
    raw = None
    try:
        # gevent's time-out, unlike the socket's, also bounds the look-up of the name.
        with Timeout(remaining_s(deadline_s), TimeoutError):
            raw = socket.create_connection((host, port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                raw = _context(tls).wrap_socket(raw, server_hostname=host)
            return DeadlineSocket(raw)
    except BaseException as error:
        if raw is not None:
            raw.close()
        if isinstance(error, TimeoutError):
            raise TimedOut(f"no connection to {host}:{port} in time") from error
        if isinstance(error, ssl.SSLError):
            raise WrongAnswer(f"{host}:{port}: {_tls_line(error)}") from error
        if isinstance(error, OSError):
            raise ConnectFailed(f"{host}:{port}: {error.strerror or error}") from error
        raise


class DeadlineSocket:
    """An open connection. One greenlet at a time may use it."""

    __slots__ = ("_deadline_s", "_hub", "_late", "_readable", "_socket", "_timer")

    def __init__(self, raw: socket.socket) -> None:
        raw.settimeout(0)
        self._socket = raw
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(raw.fileno(), _READ)
        self._timer = self._hub.loop.timer(0)
        self._deadline_s = 0.0
        self._late = True

    def read(self, deadline_s: float) -> bytes:
        """What has come, at least one byte; empty when the stream is over, in order or not.

        Raises TimeoutError at the deadline.
        """
        while True:
            self._wait_until_readable(deadline_s)
            try:
                return bytes(self._socket.recv(RECEIVE_BYTES))
            except (BlockingIOError, ssl.SSLWantReadError):
                continue  # readable, it was said, and was not, or half a TLS record
            except OSError:
                return b""  # reset: the same end as an orderly one, for those who know the protocol

    def write(self, data: bytes) -> None:
        """Send it all; if that fails, the next read tells how the connection ended."""
        try:
            self._socket.settimeout(SEND_WAIT_S)
            self._socket.sendall(data)
        except OSError:
            return
        finally:
            self._socket.settimeout(0)

    def close(self) -> None:
        """Close the socket, without a word to the server."""
        for watcher in (self._timer, self._readable):
            watcher.stop()
            watcher.close()
        self._socket.close()

    def _wait_until_readable(self, deadline_s: float) -> None:
        """Raises TimeoutError at the deadline."""
        if deadline_s != self._deadline_s:
            self._timer.stop()
            self._timer.close()
            self._deadline_s = deadline_s
            self._late = False
            self._timer = self._hub.loop.timer(remaining_s(deadline_s))
            self._timer.start(self._expire)
        if self._late:
            raise TimeoutError
        self._hub.wait(self._readable)

    def _expire(self) -> None:
        self._late = True
        self._hub.cancel_wait(self._readable, TimeoutError())


def remaining_s(deadline_s: float) -> float:
    """Time left; never 0, which would mean a non-blocking socket."""
    return max(deadline_s - time.monotonic(), 1e-6)


@cache
def _context(tls: Tls) -> ssl.SSLContext:
    context: ssl.SSLContext = gevent.ssl.create_default_context(cafile=tls.ca)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tls_line(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate is not trusted: {error.verify_message} (in the adapter, tls.ca names "
            "a file of authorities, tls.verify: false trusts anyone)"
        )
    return f"no TLS: {error.reason or error}"
