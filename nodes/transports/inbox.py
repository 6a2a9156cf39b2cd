"""The messages that a client has sent and nobody has taken yet, put together from frames."""

import asyncio
from collections import deque
from typing import Protocol

from websockets.frames import Frame, Opcode

MOST_WAITING = 16
"""Messages; with more of them the connection is not read until FEW are left."""
FEW = 4

Message = str | bytes


class Pausable(Protocol):
    """What stops and starts the reading: an asyncio transport."""

    def pause_reading(self) -> None:
        """Stop."""

    def resume_reading(self) -> None:
        """Go on."""


class Inbox:
    """Frames in, messages out, for one that takes them. An empty one takes little memory."""

    __slots__ = ("_begun", "_ended", "_messages", "_paused", "_reading", "_taker")

    def __init__(self, reading: Pausable) -> None:
        self._reading = reading
        self._begun: tuple[Opcode, bytearray] | None = None
        """Of a message in fragments: its bytes alone, as a frame takes memory that has none."""
        self._messages: deque[Message] | None = None
        self._taker: asyncio.Future[None] | None = None
        self._paused = False
        self._ended = False

    def put(self, frame: Frame) -> None:
        """A data frame, in an order that the protocol allows.

        Raises UnicodeDecodeError for a text that is none.
        """
        opcode, data = self._begun or (frame.opcode, frame.data)
        if self._begun is not None:
            self._begun[1].extend(frame.data)
        elif not frame.fin:
            self._begun = opcode, bytearray(frame.data)
        if frame.fin:
            self._begun = None
            self._add(str(data, "utf-8") if opcode is Opcode.TEXT else bytes(data))

    def _add(self, message: Message) -> None:
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        if len(self._messages) > MOST_WAITING and not self._paused:
            self._paused = True
            self._reading.pause_reading()
        self._wake()

    def end(self) -> None:
        """Nothing comes any more; what has come can still be taken."""
        self._ended = True
        self._begun = None
        self._wake()

    def _wake(self) -> None:
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    async def take(self) -> Message | None:
        """The oldest message, as soon as there is one; None at the end."""
        while not self._messages:
            if self._ended:
                return None
            self._taker = asyncio.get_running_loop().create_future()
            await self._taker
        message = self._messages.popleft()
        if self._paused and len(self._messages) <= FEW and not self._ended:
            self._paused = False
            self._reading.resume_reading()
        if not self._messages:
            self._messages = None
        return message
