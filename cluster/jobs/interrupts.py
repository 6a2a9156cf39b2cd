"""SIGINT, SIGTERM and SIGHUP end the work in order, by cancelling it once."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from chunk7.delivery.errors import Interrupted

Result = TypeVar("Result")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_interruptibly(work: Coroutine[Any, Any, Result]) -> Result:
    """Run in an event loop. Raises Interrupted when a signal ended it, after all cleaning up.

    Only the first signal counts: what follows it is bounded in time, and a second one would only
    leave things behind.
    """
    return asyncio.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.ensure_future(work)
    came: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        if not came:
            came.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await task
    except asyncio.CancelledError:
        if came:
            raise Interrupted(came[0].name, came[0]) from None
        raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
