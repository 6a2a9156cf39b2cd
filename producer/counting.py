"""How many commands the store executed between two instants, by its own count.

The count is the server's, so it has everybody's commands: nodes', producer's, and those of another
application that uses the same server. It begins anew when the server does.
"""

from dataclasses import dataclass

from chunk7.delivery.errors import StoreError
from chunk7.wire.store.store import Store


@dataclass(frozen=True, slots=True)
class Executed:
    """The count at one instant and the connection that told it, or why there is none."""

    store: Store
    calls: dict[str, int]
    error: str | None = None


async def executed(store: Store) -> Executed:
    """Ask now; the question is sent before this first suspends."""
    try:
        return Executed(store, await store.command_calls())
    except StoreError as error:
        return Executed(store, {}, str(error))


def between(first: Executed, last: Executed) -> dict[str, int]:
    """Calls by command from the first count to the last, only those that occurred.

    Raises StoreError when they cannot be told apart from what another server executed.
    """
    for count in (first, last):
        if count.error is not None:
            raise StoreError(count.error)
    if first.store is not last.store:
        raise StoreError("the connection to the store was lost meanwhile")
    calls = {name: last.calls.get(name, 0) - first.calls.get(name, 0) for name in first.calls}
    if any(count < 0 for count in calls.values()):
        raise StoreError("the store's count was reset meanwhile")
    return {name: count for name, count in sorted((last.calls | calls).items()) if count}
