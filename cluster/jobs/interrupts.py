"""SIGINT, SIGTERM and SIGHUP end the work in order, by cancelling it once."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from chunk7.delivery.errors import Interrupted

Result = TypeVar("Result")
_BEGINS_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_interruptibly(work: Coroutine[Any, Any, Result]) -> Result:
    """Run in an event loop. Raises Interrupted when a signal ended it, after all cleaning up.

    Only the first signal counts: what follows it is bounded in time, and a second one would only
    leave things behind. Where a loop runs already, as in a notebook, the work gets another in a
    thread, while the caller waits.
    """
    if _in_a_loop():
        return _run_in_thread(work)
    return asyncio.run(_cancelled_by_signals(work))


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _cancelled_by_signals(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(work)
    came: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        if not came:
            came.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    # Python lets the main thread alone handle signals.
    signals = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        if came:
            raise Interrupted(came[0].name, came[0]) from None
        raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _run_in_thread(work: Coroutine[Any, Any, Result]) -> Result:
    """The caller's loop stands still meanwhile; its KeyboardInterrupt cancels the work.

    That may come while the thread is being started, so nothing is left to an executor, which
    would not wait for a thread that it has not noted down yet.
    """
    begun: Future[asyncio.Task[Any]] = Future()
    done: Future[Result] = Future()

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result(task)
        return await work

    def run() -> None:
        try:
            done.set_result(asyncio.run(cancellable()))
        except BaseException as error:  # the caller's to raise
            done.set_exception(error)

    try:
        threading.Thread(target=run, name="chunk7").start()
        while not done.done():  # a signal just before a wait is handled after it
            wait([done], timeout=_LOOK_EVERY_S)
        return done.result()
    except KeyboardInterrupt:
        _cancel(begun, done)
        raise Interrupted("SIGINT", signal.SIGINT) from None


def _cancel(begun: "Future[asyncio.Task[Any]]", done: "Future[Any]") -> None:
    """Cancel the work, unless it has not begun or is over, and wait for its end."""
    try:
        task = begun.result(_BEGINS_WITHIN_S)
    except TimeoutError:
        return  # the thread was never started
    with contextlib.suppress(RuntimeError):  # its loop is closed
        task.get_loop().call_soon_threadsafe(task.cancel)
    wait([done])
