"""A client of a target for asyncio: it lives in a thread of its own, as its sockets are gevent's.

What it saw is looked at from the event loop: `Visit.sightings` grows, and `wait_for` waits for it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gevent

from chunk7.delivery.errors import Chunk7Error
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import (
    TargetJoin,
    fetch_finished,
    open_request,
    open_target,
    request_once,
    session_of,
)
from chunk7.loadtest.targets.errors import Closed, TargetError, TimedOut, WrongAnswer
from chunk7.loadtest.targets.frame_reader import FrameReader, Sighting, UnreadFrame
from chunk7.loadtest.targets.transport import TargetConnection

LOOK_EVERY_S = 0.02
"""How often a client that receives nothing looks whether it should leave."""
CLOSE_WITHIN_S = 0.2
MAX_SIGHTINGS = 100_000
LEFT, END, LATE = "left", "end", "the client's time was over"
Result = TypeVar("Result")
Open = Callable[[Adapter, TargetJoin, float], TargetConnection]


class Visit:
    """One client from its connection to its end.

    opened: done when the connection is open and the first frames are sent; raises TargetError.
    finished: done when the client is gone, with `end` (of the answer), `left`, or why it closed.
    sightings: what it has seen of chunks so far, in order.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._leaving = threading.Event()
        self._changed = asyncio.Event()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.finished: asyncio.Future[str] = self._loop.create_future()
        self.sightings: list[Sighting] = []

    def leave(self) -> None:
        """The client closes, soon."""
        self._leaving.set()

    async def wait_for(
        self, predicate: Callable[[Sequence[Sighting]], bool], within_s: float
    ) -> bool:
        """Whether it came true of the sightings in time, or before the client was gone."""
        until_s = self._loop.time() + within_s
        while not predicate(self.sightings):
            left_s = until_s - self._loop.time()
            if self.finished.done() or left_s <= 0:
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        return True

    # --- the client's thread ---

    def run(self, open_: Open, adapter: Adapter, place: TargetJoin, deadline_s: float) -> None:
        """Be the client; the body of its thread."""
        connection = None
        try:
            connection = open_(adapter, place, deadline_s)
            self._tell(_settle, self.opened, None)
            why = self._receive(connection, FrameReader(adapter), deadline_s)
        except (TargetError, Chunk7Error, UnreadFrame, OSError) as error:
            why = str(error) or type(error).__name__
            self._tell(_fail, self.opened, error)
        finally:
            if connection is not None:
                with contextlib.suppress(TargetError, OSError):
                    connection.close(CLOSE_WITHIN_S)
            gevent.get_hub().destroy(destroy_loop=True)
        self._tell(self._finish, why)

    def _receive(self, connection: TargetConnection, reader: FrameReader, deadline_s: float) -> str:
        while not self._leaving.is_set():
            now_s = time.monotonic()
            if now_s > deadline_s:
                return LATE
            try:
                messages = connection.receive(now_s + LOOK_EVERY_S)
            except TimedOut:
                continue
            except Closed as closed:
                return str(closed)
            for message in messages:
                reading = reader.read(message)
                self._tell(self._see, reading.sightings)
                if reading.kind == "end":
                    return END
        return LEFT

    def _tell(self, what: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            self._loop.call_soon_threadsafe(what, *args)

    # --- in the event loop ---

    def _see(self, sightings: Sequence[Sighting]) -> None:
        if len(self.sightings) < MAX_SIGHTINGS:
            self.sightings += sightings
            self._changed.set()

    def _finish(self, why: str) -> None:
        _settle(self.finished, why)
        self._changed.set()


def start_visit(adapter: Adapter, place: TargetJoin, within_s: float) -> Visit:
    """A client that joins the session now, and is gone after `within_s`. In a running loop."""
    return _start(open_target, adapter, place, within_s)


def start_request(adapter: Adapter, place: TargetJoin, within_s: float) -> Visit:
    """A client that asks for an answer, which its response streams (`ask.reference: request`)."""
    return _start(open_request, adapter, place, within_s)


async def ask(adapter: Adapter, place: TargetJoin, within_s: float) -> str:
    """Ask for an answer; its session's id. Raises TargetError."""

    def request() -> str:
        answer = request_once(adapter, place, time.monotonic() + within_s)
        return session_of(adapter, place, answer)

    return await _in_thread(request)


async def finished_answer(adapter: Adapter, place: TargetJoin, within_s: float) -> str:
    """The text of the finished answer. Raises TargetError."""
    return await _in_thread(lambda: fetch_finished(adapter, place, time.monotonic() + within_s))


def _start(open_: Open, adapter: Adapter, place: TargetJoin, within_s: float) -> Visit:
    visit = Visit()
    deadline_s = time.monotonic() + within_s
    threading.Thread(
        target=visit.run, args=(open_, adapter, place, deadline_s), name="visit", daemon=True
    ).start()
    return visit


async def _in_thread(work: Callable[[], Result]) -> Result:
    def run() -> Result:
        try:
            return work()
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    return await asyncio.to_thread(run)


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[None]", error: Exception) -> None:
    """Whoever does not ask need not be told."""
    if not future.done():
        kept = error if isinstance(error, TargetError) else WrongAnswer(str(error))
        future.set_exception(kept)
        future.exception()
