"""A TCP or TLS connection under gevent on which nothing waits without a deadline.

This is the load generator's hot path. A read waits first and receives then, because a user is
nearly always ahead of its server; a connection keeps one timer for as long as the deadline stays
the same, rather than one a read; and `follow` receives in the hub, so that a greenlet that only
waits for more is not switched to. Each was measured (benchmarks/websocket_user.md).
"""

import ssl
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import gevent
import gevent.ssl
from gevent import Timeout, monkey, socket
from gevent.hub import Waiter

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.errors import ConnectFailed, TimedOut, WrongAnswer

RECEIVE_BYTES = 65_536
"""More than a TLS record, so that none stays half read where no readiness tells of it."""
SEND_WAIT_S = 1.0
"""How long a server may leave our bytes, a few each, unread."""
_READ = 1
"""libev's EV_READ."""
_System = monkey.get_original("socket", "socket")
"""The operating system's socket. It never waits here, so gevent's layer above it has no work."""


def open_socket(host: str, port: int, tls: Tls | None, deadline_s: float) -> "DeadlineSocket":
    """Connect, with TLS unless it is None, until `deadline_s`, an instant of `time.monotonic()`.

    Raises ConnectFailed, TimedOut.
    """
    raw = None
    try:
        # gevent's time-out, unlike the socket's, also bounds the look-up of the name.
        with Timeout(remaining_s(deadline_s), TimeoutError):
            raw = _connected(host, port)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                raw = _context(tls).wrap_socket(raw, server_hostname=host)
                raw.settimeout(0)
                return DeadlineSocket(raw)
            system = _System(fileno=raw.detach())
            system.setblocking(False)
            return DeadlineSocket(system)
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

    __slots__ = (
        "_deadline_s",
        "_hub",
        "_late",
        "_readable",
        "_receive",
        "_socket",
        "_timer",
        "_waiter",
    )

    def __init__(self, raw: Any) -> None:
        """`raw` does not block."""
        self._socket = raw
        self._receive = raw.recv
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(raw.fileno(), _READ)
        self._timer = self._hub.loop.timer(0)
        self._deadline_s = 0.0
        self._late = True
        self._waiter: Waiter[None] | None = None
        """Of the greenlet that is in `follow`."""

    def read(self, deadline_s: float) -> bytes:
        """What has come, at least one byte; empty when the stream is over, in order or not.

        Raises TimeoutError at the deadline.
        """
        kept = b""

        def keep(received: bytes) -> bool:
            nonlocal kept
            kept = received
            return True

        self.follow(deadline_s, keep)
        return kept

    def follow(self, deadline_s: float, take: Callable[[bytes], bool]) -> None:
        """Hand over what comes until `take` returns true, as it must for the end of the stream.

        That is called in the hub, so nothing in it may wait; what it is given is `read`'s, and what
        it raises is raised here. Raises TimeoutError at the deadline.
        """
        self._set_deadline(deadline_s)
        self._waiter = Waiter(self._hub)
        self._readable.start(self._arrive, take)
        try:
            self._waiter.get()
        finally:
            self._readable.stop()
            self._waiter = None

    def write(self, data: bytes) -> None:
        """Send it all; if that fails, the next read tells how the connection ended."""
        left, until_s = memoryview(data), time.monotonic() + SEND_WAIT_S
        try:
            while left:
                try:
                    left = left[self._socket.send(left) :]
                except (BlockingIOError, ssl.SSLWantWriteError):
                    socket.wait_write(self._socket.fileno(), remaining_s(until_s))
        except OSError:
            return

    def close(self) -> None:
        """Close the socket, without a word to the server."""
        for watcher in (self._timer, self._readable):
            watcher.stop()
            watcher.close()
        self._socket.close()

    def _arrive(self, take: Callable[[bytes], bool]) -> None:
        """In the hub, whenever the socket is readable."""
        try:
            received = self._receive(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return  # readable, it was said, and was not, or half a TLS record
        except OSError:
            received = b""  # reset: the same end as an orderly one, for who knows the protocol
        try:
            if take(received):
                self._wake(None)
        except Exception as error:
            self._wake(error)

    def _wake(self, error: Exception | None) -> None:
        """Have `follow` return, or raise that."""
        self._readable.stop()
        if self._waiter is None:
            return
        if error is None:
            self._waiter.switch(None)
        else:
            self._waiter.throw(error)

    def _set_deadline(self, deadline_s: float) -> None:
        """One timer for all reads until it. Raises TimeoutError if it has come."""
        if deadline_s != self._deadline_s:
            self._timer.stop()
            self._timer.close()
            self._deadline_s = deadline_s
            self._late = False
            self._timer = self._hub.loop.timer(remaining_s(deadline_s))
            self._timer.start(self._expire)
        if self._late:
            raise TimeoutError

    def _expire(self) -> None:
        self._late = True
        self._wake(TimeoutError())


def _connected(host: str, port: int) -> socket.socket:
    """To look up what is an address already would cost a thread, and two switches to it."""
    family = _family(host)
    if family is None:
        return socket.create_connection((host, port))
    raw = socket.socket(family, socket.SOCK_STREAM)
    try:
        raw.connect((host, port))
    except BaseException:
        raw.close()
        raise
    return raw


def _family(host: str) -> int | None:
    """Of an address; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return int(family)
    return None


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
