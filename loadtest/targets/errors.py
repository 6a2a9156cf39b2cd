"""What can go wrong between a load-test user and a target.

TargetError         anything below
+-- ConnectFailed   nobody answered at the address, or not in the protocol that was spoken
|   +-- Refused     an HTTP answer other than the one hoped for; `status`, its line of explanation
|   +-- WrongAnswer somebody answered, but not as the adapter says
+-- TimedOut        the deadline passed first
+-- Closed          the connection is over; `code` and `reason` as a WebSocket has them
"""

END_OF_STREAM = 1000
"""The code of a stream that its server ended in order."""
ABNORMAL_CLOSURE = 1006
"""The code of a connection that broke."""


class TargetError(Exception):
    """Root of the tree."""


class ConnectFailed(TargetError):
    """No connection came about."""


class Refused(ConnectFailed):
    """The server answered with an HTTP error."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(f"HTTP {status}: {line}")
        self.status = status
        self.line = line


class WrongAnswer(ConnectFailed):
    """Another protocol, content or certificate; the message says what to change."""


class TimedOut(TargetError):
    """The deadline passed before the server did its part."""


class Closed(TargetError):
    """The server closed the connection, or it broke (code 1006)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason
