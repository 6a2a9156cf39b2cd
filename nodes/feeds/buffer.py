"""Live payloads on hold until a stream's catch-up has come, and the error when too many came."""

from chunk7.delivery.errors import Chunk7Error


class BufferFull(Chunk7Error):
    """More came than may be held; what was held is not complete."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"more than {max_bytes} bytes of live chunks came while joining")


class Buffer:
    """Payloads in the order they came, up to `max_bytes` in all."""

    __slots__ = ("_bytes", "_full", "_max_bytes", "_payloads")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._full = False
        self._payloads: list[bytes] = []

    def put(self, payload: bytes) -> None:
        """Hold a payload; one too many spoils the buffer, and is not kept."""
        self._bytes += len(payload)
        if self._full or self._bytes > self._max_bytes:
            self._full = True
            self._payloads.clear()
        else:
            self._payloads.append(payload)

    def take(self) -> list[bytes]:
        """All that was held. Raises BufferFull when something was not."""
        if self._full:
            raise BufferFull(self._max_bytes)
        return self._payloads
