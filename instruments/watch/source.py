"""Where lines come from: a store's MONITOR, or a file in which somebody saved it."""

import gzip
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from chunk7.delivery.errors import RecordError, StoreError, StoreLost, StoreUnreachable, UsageError

MAX_LINE_BYTES = 64 << 20
CONNECT_TIMEOUT_S = 5.0
IDLE_S = 0.2
"""How long to wait for a line before saying that there is none."""
MAX_BEHIND_S = 5.0
"""The store keeps what a monitor has not taken, without a limit: better to stop."""
_GZIP_MAGIC = b"\x1f\x8b"


def saved_lines(path: Path) -> Iterator[bytes]:
    """The lines of a saved log, which may be compressed by gzip.

    Raises UsageError when there is no such file, RecordError for one that is damaged.
    """
    try:
        with path.open("rb") as file:
            compressed = file.peek(2)[:2] == _GZIP_MAGIC
            lines = gzip.GzipFile(fileobj=file) if compressed else file
            while line := lines.readline(MAX_LINE_BYTES):
                if len(line) == MAX_LINE_BYTES:
                    raise RecordError(f"{path}: has a line of more than {MAX_LINE_BYTES} bytes")
                yield line.rstrip(b"\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordError(f"{path}: damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"--from {path}: {error.strerror or error}") from error


def monitored_lines(url: str, seconds: float) -> Iterator[bytes | None]:
    """MONITOR of a store for so long; None whenever a moment passes without a line.

    The one command sent, beyond the client library's greeting, is MONITOR. Raises UsageError for
    a URL that is none, StoreUnreachable, StoreError when the store forbids it, and StoreLost
    when the store goes, or when more comes than can be read.
    """
    connection = _connection(url)
    try:
        _connect(connection)
        _ask(connection)
        yield from _lines(connection, time.monotonic() + seconds)
    finally:
        connection.disconnect()


def _connection(url: str) -> Any:
    try:
        pool = redis.ConnectionPool.from_url(
            url, socket_connect_timeout=CONNECT_TIMEOUT_S, client_name="chunk7-watch"
        )
        return pool.make_connection()
    except (ValueError, TypeError, AttributeError):
        # Not a word of the URL or of the error: either may quote a part of the password.
        raise UsageError(
            "--redis: not a store's URL; want redis://[[user]:password@]host[:port][/db], "
            "rediss:// for TLS, or unix://PATH, with %XX for what is special in a URL"
        ) from None


def _connect(connection: Any) -> None:
    try:
        connection.connect()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        raise StoreUnreachable(f"the store refuses the login: {error}") from error
    except (redis.RedisError, OSError) as error:
        raise StoreUnreachable(f"cannot reach the store: {error}") from error


def _ask(connection: Any) -> None:
    try:
        connection.send_command("MONITOR")
        connection.read_response()
    except redis.ResponseError as error:
        raise StoreError(f"the store does not let us MONITOR: {error}") from error
    except redis.RedisError as error:
        raise StoreLost(f"the store went away: {error}") from error


def _lines(connection: Any, until_s: float) -> Iterator[bytes | None]:
    behind = Behind()
    while (left_s := until_s - time.monotonic()) > 0:
        with _lost():
            if not connection.can_read(min(IDLE_S, left_s)):
                line = None
            else:
                line = connection.read_response(disable_decoding=True)
        if line is not None:
            behind.check(line, time.time())
        yield line


class Behind:
    """How far the reader is behind the store, measured from the least that was ever seen."""

    def __init__(self) -> None:
        self._least_s = float("inf")

    def check(self, line: bytes, now_s: float) -> None:
        """Raises StoreLost when a line is more than MAX_BEHIND_S old."""
        try:
            late_s = now_s - float(line[: line.index(b" ")])
        except ValueError:
            return
        self._least_s = min(self._least_s, late_s)
        if late_s - self._least_s > MAX_BEHIND_S:
            raise StoreLost(
                f"the store sends more than can be read here ({MAX_BEHIND_S:g} s behind), and "
                "would have to keep it in memory: stopped; --sample takes less"
            )


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise StoreLost(f"the store went away: {error}") from error
