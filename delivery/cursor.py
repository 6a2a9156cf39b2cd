"""Ids of stream entries, by the store's rules: a millisecond, then a serial number within it."""

import re

from chunk7.delivery.effects import Cursor
from chunk7.delivery.errors import OrderingError

EntryId = tuple[int, int]
"""Ids compare as numbers, not as text: 9-9 is before 9-10."""

CLOCK_START_MS = 999_998
"""What a clock in memory begins with: far from 0, as a real one's, so that whoever takes ids for
counts is found out. The second millisecond has one more digit than the first, so that whoever
compares ids as text is, too."""

_CURSOR = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_MAX = 2**64 - 1


def entry_id(cursor: Cursor) -> EntryId:
    """The numbers of a cursor; one without a dash stands before its whole millisecond but for 0.

    Raises OrderingError for what no store would take. `$` is for whoever executes it.
    """
    found = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    numbers = (int(found[1]), int(found[2] or 0)) if found else (_MAX, _MAX)
    if max(numbers) > _MAX or numbers == (_MAX, _MAX):  # a store says that none can come after
        raise OrderingError(f"{cursor!r} is no stream cursor")
    return numbers


def cursor_of(entry: EntryId) -> Cursor:
    """The id as text."""
    return f"{entry[0]}-{entry[1]}"


def next_id(last: EntryId, now_ms: int) -> EntryId:
    """What XADD's `*` gives: a stream's ids ascend even where the clock does not."""
    if now_ms > last[0]:
        return now_ms, 0
    return (last[0], last[1] + 1) if last[1] < _MAX else (last[0] + 1, 0)
