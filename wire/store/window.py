"""Read a few numbers of a long history without reading all of it.

Chunks are appended in the order of their numbers, nearly: a save may be late, numbers may be
missing, old ones may be trimmed. So where a range of numbers lies in the list is estimated from its
first and last chunk, a margin is read on either side, and the window is held against its margins:
chunks of the range in one of them mean that it is not all of it, and twice as much is read. What is
answered comes from one LRANGE. Only a chunk that lies further than MARGIN from where its number
belongs, with none of the range between, is not found; as before, a client then asks again.
"""

import asyncio

import msgspec

from chunk7.wire.store.store import Store

MARGIN = 256
"""Chunks read on either side of where the range should lie."""


class _Numbered(msgspec.Struct, tag="chunk"):
    """A stored chunk of which only the number is read."""

    seq: int


_decode = msgspec.json.Decoder(_Numbered).decode


async def read_window(
    store: Store, session_id: str, from_seq: int, to_seq: int | None
) -> list[bytes]:
    """The stored chunks numbered from_seq..to_seq, and some beside them; None: to the newest.

    Raises StoreError, StoreLost, msgspec.MsgspecError for what is no chunk.
    """
    key = store.layout.history(session_id)
    count, first, last = await asyncio.gather(
        *store.link.send_all(("LLEN", key), ("LRANGE", key, 0, 0), ("LRANGE", key, -1, -1))
    )
    ends = [*first, *last]
    if len(ends) < 2:
        return []
    low, high = (_decode(payload).seq for payload in ends)
    start, stop = _estimate(count, low, high, from_seq, to_seq)
    while True:
        payloads: list[bytes] = await store.link.send(
            "LRANGE", key, start, stop if stop < count - 1 else -1
        )
        before, after = _overlaps(payloads, from_seq, to_seq)
        before, after = before and start > 0, after and stop < count - 1
        if not before and not after:
            return payloads
        more = max(MARGIN, stop - start)
        start = max(0, start - more) if before else start
        stop = stop + more if after else stop


def _estimate(
    count: int, low: int, high: int, from_seq: int, to_seq: int | None
) -> tuple[int, int]:
    """(first, last) place of the window in a list of `count` whose ends are numbered low and high.

    Counted from the front and from the back: numbers that are missing between make the difference.
    """
    back = count - 1 - high
    start = min(from_seq - low, back + from_seq) - MARGIN
    stop = count - 1 if to_seq is None else max(to_seq - low, back + to_seq) + MARGIN
    return max(0, min(start, count - 1)), max(0, min(stop, count - 1))


def _overlaps(payloads: list[bytes], from_seq: int, to_seq: int | None) -> tuple[bool, bool]:
    """Whether chunks of the range, or of beyond it, lie in the margin (before, after) it."""

    def wrong(margin: list[bytes], low: int, high: float) -> bool:
        return any(low <= _decode(payload).seq <= high for payload in margin)

    beyond = float("inf") if to_seq is None else to_seq
    return (
        wrong(payloads[:MARGIN], from_seq, float("inf")),
        to_seq is not None and wrong(payloads[-MARGIN:], 1, beyond),
    )
