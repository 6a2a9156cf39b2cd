"""A node's Pub/Sub connection to a real store, as far as a schedule has brought it."""

import asyncio
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import StoreError
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link

UNSUBSCRIBED, SENT, SUBSCRIBED = range(3)
"""How the session's channel stands at a node: here a command is executed and confirmed at once."""


class Relay:
    """A node's one Pub/Sub connection."""

    def __init__(self, url: str, channel: str) -> None:
        self.state = UNSUBSCRIBED
        self._deaf = False
        self._url = url
        self._channel = channel
        self._link: Link | None = None
        self._pushes: asyncio.Queue[Any] = asyncio.Queue()

    async def subscribe(self) -> None:
        """The store executes the SUBSCRIBE that was sent, and confirms it.

        One that is sent again finds chunks that are still on their way; they stay so.
        """
        if self._deaf:
            self.state = SUBSCRIBED
            return
        if self._link is None:
            self._link = await Link.open(self._url, "chunk7-relay", on_push=self._push)
        self._link.push("SUBSCRIBE", self._channel)
        under_way = []
        while (push := await self._pushes.get())[0] == b"message":
            under_way.append(push)
        if push[0] != b"subscribe":
            raise StoreError(f"the store answers SUBSCRIBE with {push!r}")
        for message in under_way:  # the store was asked after them, so none is behind them
            self._push(message)
        self.state = SUBSCRIBED

    def _push(self, push: Any) -> None:
        self._pushes.put_nowait(push)

    async def next_chunk(self) -> Chunk:
        """The oldest published chunk that the node has not taken yet."""
        return decode_chunk((await self._pushes.get())[2])

    async def deafen(self, for_ever: bool) -> None:
        """A subscription that is in effect ends, and counts as confirmed; `for_ever` any later."""
        self._deaf = self._deaf or for_ever
        if self.state == SUBSCRIBED:
            await self.disconnect(SUBSCRIBED)

    async def disconnect(self, state: int = UNSUBSCRIBED) -> None:
        """The connection ends, with whatever was on its way."""
        self.state = state
        self._pushes = asyncio.Queue()
        if self._link is not None:
            await self._link.close()
            self._link = None
