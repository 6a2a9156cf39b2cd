"""What is asked of a session's numbers beside the head alone: which epoch they are of."""

from collections.abc import Sequence

from chunk7.delivery.chunk import epoch_key
from chunk7.wire.store.store import Store


async def session_epoch(store: Store, session_id: str) -> str | None:
    """GET the session's epoch; None where there is none. Raises as the store's commands."""
    return _text(await store.link.send("GET", epoch_key(session_id)))


async def head_and_epoch(store: Store, session_id: str) -> tuple[int, str | None]:
    """Both as of one instant: a head alone says nothing of a client's numbers."""
    [both] = await heads_and_epochs(store, [session_id])
    return both


async def heads_and_epochs(
    store: Store, session_ids: Sequence[str]
) -> list[tuple[int, str | None]]:
    """MGET the heads and epochs of many sessions, all as of one instant. Raises likewise."""
    if not session_ids:
        return []
    keys = [key for one in session_ids for key in (store.layout.counter(one), epoch_key(one))]
    values = await store.link.send("MGET", *keys)
    return [
        (int(head or 0), _text(epoch))
        for head, epoch in zip(values[::2], values[1::2], strict=True)
    ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
