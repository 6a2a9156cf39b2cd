"""What a node does with the entries of a stream that one client follows.

    follow, to the client    every entry after the cursor is sent at once, in order
    follow, to a buffer      every entry after the cursor is held
    release                  what is held is sent without what is up to a cursor, the high-water
                             mark; from then on every entry above both is sent at once

Entries of a stream have an order that no connection changes, so one cursor says what the client
has: unlike `handover`, nothing needs to be remembered after the release but that.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import Cursor, Sink
from chunk7.delivery.errors import OrderingError

Entries = tuple[tuple[Cursor, Any], ...]
"""(id, item), ascending; an item is whatever the driver sends in the end."""


class Following(NamedTuple):
    """One client's place in a stream: a hashable value. `held` is None when nothing is to be."""

    cursor: Cursor
    held: Entries | None = None

    def take(self, entries: Iterable[tuple[Cursor, Any]]) -> "tuple[Following, Entries]":
        """The entries after the cursor have come; what to send of them."""
        came = tuple(entries)
        cursor = came[-1][0] if came else self.cursor
        if self.held is None:
            return Following(cursor), came
        return Following(cursor, (*self.held, *came)), ()


def follow(following: Following | None, after: Cursor, to: Sink) -> Following:
    """The client follows from there. Raises OrderingError if it does so already, or for no id."""
    if following is not None:
        raise OrderingError("the ordering follows twice")
    entry_id(after)
    return Following(after, () if to is Sink.BUFFER else None)


def release_after(following: Following | None, after: Cursor) -> tuple[Following, Entries]:
    """The buffer is released; the entries to send. Raises OrderingError without one."""
    mark = entry_id(after)
    if following is None or following.held is None:
        raise OrderingError("the ordering releases a stream that it does not hold")
    sent = tuple(entry for entry in following.held if entry_id(entry[0]) > mark)
    return Following(after if mark > entry_id(following.cursor) else following.cursor), sent
