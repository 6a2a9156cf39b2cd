"""How fast one client may ask: what is beyond waits, and TCP holds the client back."""

import asyncio


class Pace:
    """A token bucket: `rate` tokens a second, of which a second's worth is saved at most twice."""

    BURST_S = 2.0

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate * self.BURST_S
        self._at_s = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Until there is a token, and take it."""
        while self._refilled() < 1:  # noqa: ASYNC110
            # nobody else would say when there is one
            await asyncio.sleep((1 - self._tokens) / self._rate)
        self._tokens -= 1

    def charge(self, tokens: float) -> None:
        """It turned out to cost so much more: the next ones wait for it."""
        self._tokens -= tokens

    def _refilled(self) -> float:
        now_s = asyncio.get_running_loop().time()
        full = self._rate * self.BURST_S
        self._tokens = min(full, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
        return self._tokens
