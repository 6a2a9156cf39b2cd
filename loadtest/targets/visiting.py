"""A client of somebody else's back end in a thread of its own, for programs of asyncio.

The client is gevent's, as in the load generator, and needs no monkey patching: each thread has a
hub of its own, which is destroyed with the client. What it sees is looked at from the event loop:
`TargetVisit.sightings` grows, and `wait_for` waits for it.
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
    open_request,
    open_target,
    request_once,
    session_of,
)
from chunk7.loadtest.targets.errors import Closed, TargetError, TimedOut, WrongAnswer
from chunk7.loadtest.targets.frame_reader import FrameReader, Sighting, UnreadFrame
from chunk7.loadtest.targets.transport import TargetConnection

LOOK_EVERY_S = 0.01
"""How often a client that waits looks whether it should leave."""
CLOSE_WITHIN_S = 0.2
MAX_SIGHTINGS = 100_000
LEFT, END, LATE = "left", "end", "the client's time was over"
TOO_MANY = f"more than {MAX_SIGHTINGS} chunks, or parts of one"
Result = TypeVar("Result")
Open = Callable[[Adapter, TargetJoin, float], TargetConnection]


class TargetVisit:
    """One client from its connection to its end.

    opened: done when the connection is open and the first frames are sent; raises TargetError.
    finished: done when the client is gone, with `end` (of the answer), `left`, or why it closed.
    sightings: what it has seen of chunks so far, in order; `kinds`: for each, the kind of its
    frame.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._leaving = threading.Event()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.finished: asyncio.Future[str] = self._loop.create_future()
        self.sightings: list[Sighting] = []
        self.kinds: list[str] = []

    def leave(self) -> None:
        """The client closes soon, whatever it waits for."""
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
        try:
            why = self._visit(open_, adapter, place, deadline_s)
        except Exception as error:  # a fault of ours: whoever waits must be told, not hang
            self._tell(self._finish, error)
        else:
            self._tell(self._finish, why)
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    def _visit(self, open_: Open, adapter: Adapter, place: TargetJoin, deadline_s: float) -> str:
        """From the first packet to the last; why it ended."""
        connection = None
        look = gevent.get_hub().loop.timer(LOOK_EVERY_S, repeat=LOOK_EVERY_S)
        look.start(self._look, gevent.getcurrent())
        try:
            connection = open_(adapter, place, deadline_s)
            self._tell(_settle, self.opened, None)
            return self._receive(connection, FrameReader(adapter), deadline_s)
        except _Left:
            return LEFT
        except (TargetError, Chunk7Error, UnreadFrame, OSError) as error:
            self._tell(_fail, self.opened, error)
            return str(error) or type(error).__name__
        finally:
            look.stop()
            look.close()
            if connection is not None:
                with contextlib.suppress(TargetError, OSError):
                    connection.close(CLOSE_WITHIN_S)

    def _receive(self, connection: TargetConnection, reader: FrameReader, deadline_s: float) -> str:
        seen = 0
        while seen <= MAX_SIGHTINGS:
            try:
                messages = connection.receive(deadline_s)
            except TimedOut:
                return LATE
            except Closed as closed:
                return str(closed)
            for message in messages:
                reading = reader.read(message)
                seen += len(reading.sightings)
                self._tell(self._see, reading.kind, reading.sightings)
                if reading.kind == "end":
                    return END
        return TOO_MANY

    def _look(self, client: Any) -> None:
        """In the thread's hub, while the client waits. A loop that has ended needs nobody, and the
        thread must be gone before the interpreter is."""
        if self._leaving.is_set() or self._loop.is_closed():
            client.throw(_Left)

    def _tell(self, what: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            self._loop.call_soon_threadsafe(what, *args)

    # --- in the event loop ---

    def _see(self, kind: str, sightings: Sequence[Sighting]) -> None:
        self.sightings += sightings
        self.kinds += [kind] * len(sightings)
        self._changed.set()

    def _finish(self, why: str | Exception) -> None:
        _fail(self.opened, WrongAnswer(f"not opened: {why}"))
        if isinstance(why, str):
            _settle(self.finished, why)
        else:
            _fail(self.finished, why)
        self._changed.set()


class _Left(Exception):
    """The client was told to leave while it waited."""


def start_visit(adapter: Adapter, place: TargetJoin, within_s: float) -> TargetVisit:
    """A client that joins the session now, and is gone after `within_s`. In a running loop."""
    return _start(open_target, adapter, place, within_s)


def start_request(adapter: Adapter, place: TargetJoin, within_s: float) -> TargetVisit:
    """A client that asks for an answer, which its response streams (`ask.reference: request`)."""
    return _start(open_request, adapter, place, within_s)


async def ask(adapter: Adapter, place: TargetJoin, within_s: float) -> str:
    """Ask for an answer; its session's id. Raises TargetError."""

    def request() -> str:
        answer = request_once(adapter, place, time.monotonic() + within_s)
        return session_of(adapter, place, answer)

    return await in_thread(request)


async def in_thread(work: Callable[[], Result]) -> Result:
    """What gevent's work comes to, done in a thread, whose hub goes with it."""

    def run() -> Result:
        try:
            return work()
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    return await asyncio.to_thread(run)


def _start(open_: Open, adapter: Adapter, place: TargetJoin, within_s: float) -> TargetVisit:
    visit = TargetVisit()
    deadline_s = time.monotonic() + within_s
    threading.Thread(
        target=visit.run, args=(open_, adapter, place, deadline_s), name="visit"
    ).start()
    return visit


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Whoever does not ask need not be told."""
    if not future.done():
        future.set_exception(error)
        future.exception()
