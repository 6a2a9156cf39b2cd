"""What an ordering reads from a real store."""

from typing import Any

from chunk7.delivery.effects import ReadHead, ReadHistory, ReadStream, ReadTail
from chunk7.delivery.errors import OrderingError
from chunk7.wire.store.store import Store


async def read(store: Store, session_id: str, effect: Any) -> Any:
    """The effect's answer. Raises OrderingError for one that is no read."""
    match effect:
        case ReadHistory(after_seq, to_seq):
            return await store.history(session_id, after_seq, to_seq)
        case ReadHead():
            return await store.head(session_id)
        case ReadStream(after):
            return await store.stream(session_id, after)
        case ReadTail():
            return await store.tail(session_id)
        case _:
            raise OrderingError(f"{type(effect).__name__} belongs to the other side")
