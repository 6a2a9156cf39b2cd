"""How much is taken of a connection at a time."""

import asyncio

READ_BYTES = 4_096
"""All of it is parsed, and its pings answered, before another connection has its turn, and before
anybody can say that these were too many frames."""


class SmallReads(asyncio.BufferedProtocol):
    """Reads into a buffer that all connections of a node share; who derives from it takes bytes."""

    __slots__ = ("_read_into",)

    def __init__(self, read_into: memoryview) -> None:
        self._read_into = read_into

    def data_received(self, data: bytes) -> None:
        """Some more has come."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where asyncio reads to."""
        return self._read_into

    def buffer_updated(self, nbytes: int) -> None:
        """It has read so much."""
        self.data_received(bytes(self._read_into[:nbytes]))


def read_buffer() -> memoryview:
    """One for all connections of an event loop."""
    return memoryview(bytearray(READ_BYTES))
