"""Who waits for the next sign of a connection."""

import asyncio


class Waiters:
    """None of them most of the time: then it takes no memory to speak of."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    async def wait(self) -> None:
        """Until the next `wake`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = (*self._waiting, waiter)
        await waiter

    def wake(self) -> None:
        """Let all of them go on."""
        waiting, self._waiting = self._waiting, ()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
