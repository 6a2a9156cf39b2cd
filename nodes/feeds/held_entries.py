"""Entries of a stream on hold for a client that follows into a buffer."""

from chunk7.delivery.cursor import EntryId
from chunk7.nodes.feeds.buffer import Buffer


class HeldEntries:
    """Payloads with their ids, ascending, all above `after`, up to `max_bytes` in all."""

    __slots__ = ("_after", "_buffer", "_ids", "_max_bytes")

    def __init__(self, max_bytes: int, after: EntryId) -> None:
        self._max_bytes = max_bytes
        self._after = after
        self._ids: list[EntryId] = []
        self._buffer = Buffer(max_bytes)

    def put(self, entry: EntryId, payload: bytes) -> None:
        """Hold an entry, unless the client has it; one too many spoils all."""
        if entry > self._after:
            self._ids.append(entry)
            self._buffer.put(payload)

    def put_first(self, entries: list[tuple[EntryId, bytes]]) -> None:
        """Hold these in front of what came meanwhile. Raises BufferFull if that was too much."""
        came = list(zip(self._ids, self._buffer.take(), strict=True))
        self._ids, self._buffer = [], Buffer(self._max_bytes)
        for entry, payload in (*entries, *came):
            self.put(entry, payload)

    def release(self, mark: EntryId) -> tuple[EntryId, list[bytes]]:
        """(what the client has from now on, payloads above the mark). Raises BufferFull."""
        held = zip(self._ids, self._buffer.take(), strict=True)
        return max(mark, self._after), [payload for entry, payload in held if entry > mark]
