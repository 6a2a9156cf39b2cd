"""What a transport is: a function that opens a connection, whose messages it hands over whole."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.paths import Message


class Opening(msgspec.Struct, frozen=True):
    """An adapter's side of one join, with every placeholder filled in."""

    url: str
    method: str
    headers: dict[str, str]
    body: Any
    send: list[Any]
    subprotocols: tuple[str, ...]
    tls: Tls
    after: str | int | None
    """What a client that resumes by a frame has."""


class TargetConnection(Protocol):
    """An open connection. Deadlines are instants of `time.monotonic()`; errors are in `errors`."""

    def receive(self, deadline_s: float) -> list[Message]:
        """The messages that have come, at least one. Raises TimedOut, Closed."""

    def send(self, text: bytes) -> None:
        """Send one message, where the transport can. Raises Closed."""

    def close(self, wait_s: float) -> None:
        """End the connection; wait at most `wait_s` for the server to agree."""


Transport = Callable[[Opening, float], TargetConnection]
"""Opens a connection until a deadline. Raises ConnectFailed, Refused, TimedOut, Closed."""


def as_bytes(value: Any) -> bytes:
    """A text as it is, everything else as JSON."""
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)
