"""Where lines come from: a store's MONITOR, or a file in which somebody saved it."""

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis

from chunk7.delivery.errors import Chunk7Error, RecordError, StoreError, StoreLost, UsageError
from chunk7.wire.store.link import Link

MAX_LINE_BYTES = 64 << 20
TICK_S = 0.2
MAX_BEHIND_S = 5.0
"""The store keeps what a monitor has not taken, without a limit: better to stop."""
_GZIP_MAGIC = b"\x1f\x8b"
_NAME = "chunk7-watch"


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


async def monitor(
    url: str, seconds: float, take: Callable[[bytes], None], go_on: Callable[[], bool]
) -> None:
    """MONITOR a store for so long: `take` is given each line, in the store's order.

    `go_on` is asked several times a second. The one command sent, beyond those that open a
    connection, is MONITOR. Raises UsageError for a URL that is none, StoreUnreachable, StoreError
    when the store forbids it, and StoreLost when the store goes, or sends more than can be read.
    """
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    behind = Behind()

    def on_push(line: Any) -> None:
        if failed.done() or line == b"OK":
            return
        try:
            if isinstance(line, hiredis.HiredisError):
                raise StoreError(f"the store does not let us MONITOR: {line}")
            behind.check(line, time.time())
            take(line)
        except Chunk7Error as error:
            failed.set_exception(error)

    link = await Link.open(url, _NAME, on_push)
    until_s = time.monotonic() + seconds
    ends: set[asyncio.Future[None]] = {link.lost, failed}
    try:
        link.push("MONITOR")
        while (left_s := until_s - time.monotonic()) > 0 and go_on():
            await asyncio.wait(
                ends, timeout=min(TICK_S, left_s), return_when=asyncio.FIRST_COMPLETED
            )
            if failed.done():
                failed.result()
            if link.lost.done():
                raise StoreLost("the store went away")
    finally:
        await link.close()


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
