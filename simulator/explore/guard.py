"""Run somebody else's code where it can be stopped.

An ordering that never yields, or a file that never finishes loading, cannot be interrupted from
within. So it runs in a process of its own, which has to show signs of life.
"""

import itertools
import mmap
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from chunk7.delivery.errors import Chunk7Error, OrderingError

PATIENCE_S = 5.0
"""How long there may be neither a result nor a tick."""

Item = TypeVar("Item")
Job = Callable[[Callable[[], None]], Iterator[Item]]
"""Given a `tick` to call as a sign of life, yields picklable results."""


def guarded(*jobs: Job[Item], patience_s: float | None = None) -> Iterator[Item]:
    """What the jobs yield, each from a process of its own: one item of each in turn.

    The first that has nothing more to yield ends it. A process is killed when it is silent.

    Raises what a job raises, if that is a Chunk7Error, and OrderingError when it is silent for
    longer than `patience_s` (None: PATIENCE_S), crashes or exits. What it prints goes to stderr.
    """
    patience_s = PATIENCE_S if patience_s is None else patience_s
    children: list[_Guarded] = []
    try:
        with _uninterrupted():  # nobody would end a child that has only half begun
            children.extend(map(_Guarded, jobs))
        for child in itertools.cycle(children):
            message = child.receive(patience_s)
            if message is None:
                return
            kind, value = message
            if kind == "error":
                raise value
            yield value
    finally:
        for child in children:
            child.end()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C that comes meanwhile comes after it. A mask would not do: threads have their own."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    ours = callable(before) and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(came[0], None)


class _Guarded:
    """A process that runs a job."""

    def __init__(self, job: Job[Any]) -> None:
        fork = multiprocessing.get_context("fork")
        self._ticks = mmap.mmap(-1, 8)  # shared without a file: a full disk is no matter of ours
        self._results, theirs = fork.Pipe(duplex=False)
        self._process = fork.Process(target=_child, args=(job, self._ticks, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def receive(self, patience_s: float) -> tuple[str, Any] | None:
        """Its next message, None after the last."""
        seen, since = self._ticks[:], time.monotonic()
        while not self._results.poll(0.05):
            if self._ticks[:] != seen:
                seen, since = self._ticks[:], time.monotonic()
            elif time.monotonic() - since > patience_s:
                raise OrderingError(
                    "an ordering or client file has neither yielded nor ended for "
                    f"{patience_s:g} s: it seems to loop for ever"
                )
        try:
            message: tuple[str, Any] | None = self._results.recv()
        except EOFError:
            raise OrderingError(
                "an ordering or client file has ended the process that explored it"
            ) from None
        return message

    def end(self) -> None:
        """Kill it if it still runs."""
        self._process.kill()
        self._process.join()
        self._results.close()


def _child(job: Job[Any], ticks: Any, theirs: Connection) -> None:
    os.dup2(2, 1)  # stdout is for the report alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, who then kills us

    count = itertools.count(1)

    def tick() -> None:
        ticks[:] = next(count).to_bytes(8, "little")

    try:
        for item in job(tick):
            theirs.send(("item", item))
    except Chunk7Error as error:
        theirs.send(("error", error))
    else:
        theirs.send(None)
