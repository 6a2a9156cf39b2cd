"""A node's Pub/Sub connection to a real store, as far as a schedule has brought it."""

import asyncio
from collections import deque
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import StoreError
from chunk7.delivery.node_channel import ChannelCommand, NodeChannel
from chunk7.simulator.explore.channels import (
    ChannelStanding,
    confirm,
    execute_next,
    join,
    leave,
    reconnect,
    resubscribe,
)
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link

_ANSWERS = {ChannelCommand.SUBSCRIBE: b"subscribe", ChannelCommand.UNSUBSCRIBE: b"unsubscribe"}


class Relay:
    """A node's one Pub/Sub connection.

    `hub` is how its channel begins. Where `subscriptions_end`, the confirmation of a SUBSCRIBE
    waits among the chunks until the schedule has the node hear it; elsewhere it is heard at once.
    """

    def __init__(self, url: str, channel: str, hub: NodeChannel, subscriptions_end: bool) -> None:
        self._new = self._standing = ChannelStanding(hub)
        self._subscriptions_end = subscriptions_end
        self._deaf = False
        self._url = url
        self._channel = channel
        self._link: Link | None = None
        self._pushes: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting: deque[Any] = deque()
        """What has come, up to the last answer of the store."""

    @property
    def sent(self) -> bool:
        """Whether the store has a command of it still to execute."""
        return bool(self._standing.sent)

    @property
    def confirmed(self) -> bool:
        """Whether the node takes its subscription for confirmed."""
        return self._standing.channel.confirmed

    # --- its clients ---

    def join(self) -> None:
        """A client subscribes."""
        self._standing = join(self._standing)

    def leave(self) -> None:
        """One that has subscribed listens no longer; heeded where subscriptions end."""
        if self._subscriptions_end:
            self._standing = leave(self._standing)

    def resubscribe(self) -> None:
        """The store may have forgotten it."""
        self._standing = resubscribe(self._standing)

    # --- the store ---

    async def execute(self) -> str:
        """The store executes the next command that was sent; what a schedule calls that.

        Chunks that are still on their way stay so.
        """
        command = self._standing.sent[0]
        self._standing = execute_next(self._standing)
        if command is ChannelCommand.UNSUBSCRIBE:
            await self._ask(command.value, _ANSWERS[command])
            return "unsubscription"
        answer = [b"subscribe"] if self._deaf else await self._ask(command.value, b"subscribe")
        if self._subscriptions_end:
            self._waiting.append(answer)
        else:
            self._standing = confirm(self._standing)
        return "subscription"

    async def _ask(self, command: str, answer: bytes) -> Any:
        """What the store answers to it. Whatever it had sent before that has come then."""
        if self._link is None:
            self._link = await Link.open(self._url, "chunk7-relay", on_push=self._pushes.put_nowait)
        self._link.push(command, *([self._channel] if answer != b"pong" else []))
        while (push := await self._pushes.get())[0] == b"message":
            self._waiting.append(push)
        if push != b"PONG" and push[0] != answer:
            raise StoreError(f"the store answers {command} with {push!r}")
        return push

    async def hear_confirmation(self) -> None:
        """The node hears that a SUBSCRIBE was executed. Raises StoreError if a chunk is before."""
        if not self._waiting or self._waiting[0][0] != b"subscribe":
            raise StoreError("the store has sent a chunk before the confirmation")
        self._waiting.popleft()
        self._standing = confirm(self._standing)

    async def next_chunk(self) -> Chunk | None:
        """The oldest published chunk that the node has not taken yet; None if for nobody."""
        push = self._waiting.popleft() if self._waiting else await self._pushes.get()
        if push[0] != b"message":
            raise StoreError("the store has sent the confirmation before the chunk")
        for_nobody = self._subscriptions_end and not self._standing.channel.live
        return None if for_nobody else decode_chunk(push[2])

    async def drop_next(self) -> None:
        """The oldest published chunk on its way is gone, if there is one."""
        await self._ask("PING", b"pong")
        for push in [push for push in self._waiting if push[0] == b"message"][:1]:
            self._waiting.remove(push)

    # --- faults ---

    async def deafen(self, for_ever: bool) -> None:
        """A subscription that is in effect ends, and counts as confirmed; `for_ever` any later."""
        self._deaf = self._deaf or for_ever
        if self.confirmed:
            await self._close()

    async def disconnect(self, resubscribes: bool = False) -> None:
        """The connection ends, with whatever was on its way."""
        self._standing = reconnect(self._standing) if resubscribes else self._new
        await self._close()

    async def _close(self) -> None:
        self._pushes = asyncio.Queue()
        self._waiting.clear()
        if self._link is not None:
            await self._link.close()
            self._link = None
