"""Run somebody else's code where it can be stopped.

An ordering that never yields, or a file that never finishes loading, cannot be interrupted from
within. So it runs in a process of its own, which has to show signs of life.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from chunk7.delivery.errors import Chunk7Error, OrderingError

PATIENCE_S = 5.0
"""How long there may be neither a result nor a tick."""

Item = TypeVar("Item")
Job = Callable[[Callable[[], None]], Iterator[Item]]
"""Given a `tick` to call as a sign of life, yields picklable results."""


def guarded(job: Job[Item], patience_s: float | None = None) -> Iterator[Item]:
    """What the job yields, from a process of its own, which is killed when it is silent.

    Raises what the job raises, if that is a Chunk7Error, and OrderingError when it is silent for
    longer than `patience_s` (None: PATIENCE_S), crashes or exits. What it prints goes to stderr.
    """
    patience_s = PATIENCE_S if patience_s is None else patience_s
    fork = multiprocessing.get_context("fork")
    ticks = fork.Value("Q", 0, lock=False)
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_child, args=(job, ticks, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        while (message := _receive(ours, ticks, patience_s)) is not None:
            kind, value = message
            if kind == "error":
                raise value
            yield value
    finally:
        process.kill()
        process.join()
        ours.close()


def _receive(ours: Connection, ticks: Any, patience_s: float) -> tuple[str, Any] | None:
    """The child's next message, None after the last."""
    seen, since = ticks.value, time.monotonic()
    while not ours.poll(0.05):
        if ticks.value != seen:
            seen, since = ticks.value, time.monotonic()
        elif time.monotonic() - since > patience_s:
            raise OrderingError(
                f"an ordering file has neither yielded nor ended for {patience_s:g} s: "
                "it seems to loop for ever"
            )
    try:
        message: tuple[str, Any] | None = ours.recv()
    except EOFError:
        raise OrderingError("an ordering file has ended the process that explored it") from None
    return message


def _child(job: Job[Any], ticks: Any, theirs: Connection) -> None:
    os.dup2(2, 1)  # stdout is for the report alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, who then kills us

    def tick() -> None:
        ticks.value += 1

    try:
        for item in job(tick):
            theirs.send(("item", item))
    except Chunk7Error as error:
        theirs.send(("error", error))
    else:
        theirs.send(None)
