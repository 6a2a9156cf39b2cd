"""Cursors that can be handed on and not be looked into.

Whoever never looks into a cursor cannot tell one set of stream ids from another. So an ordering
that runs to its end on these does the same whatever ids the store gives out, and one set stands
for all. One that looks is found out, and has to be explored with real ids, of every kind.
"""

from dataclasses import replace
from typing import Any, NoReturn

from chunk7.delivery.effects import (
    BEGINNING,
    NEWEST,
    Cursor,
    Follow,
    ReadStream,
    ReleaseAfter,
    SendHistory,
    StreamRead,
)


class CursorRead(BaseException):
    """An ordering looks into a cursor, or makes one up. None of its `except`s is meant."""


class UnreadCursor:
    """Passes for a `str`; whatever is done with it but to hand it on raises CursorRead."""

    __slots__ = ("hidden",)

    def __init__(self, hidden: Cursor) -> None:
        self.hidden = hidden

    def _look(self, *_: Any) -> NoReturn:
        raise CursorRead

    __class__ = property(lambda self: str)
    __getattr__ = __getitem__ = __iter__ = __contains__ = __len__ = _look
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _look
    __str__ = __repr__ = __format__ = __bytes__ = _look
    __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _look
    __int__ = __float__ = __index__ = _look

    def __bool__(self) -> bool:
        return True  # as of any cursor


def hide(answer: Any) -> Any:
    """A store's answer without what is in its cursor."""
    if isinstance(answer, StreamRead):
        hidden: Any = UnreadCursor(answer.cursor)
        return replace(answer, cursor=hidden)
    return UnreadCursor(answer) if isinstance(answer, str) else answer


def show(effect: Any) -> Any:
    """An ordering's effect with the cursor that it was handed.

    Raises CursorRead for a cursor that it was not handed.
    """
    if isinstance(effect, SendHistory):
        sent: Any = effect.cursor
        return replace(effect, cursor=sent.hidden) if type(sent) is UnreadCursor else effect
    if not isinstance(effect, Follow | ReadStream | ReleaseAfter):
        return effect
    after: Any = effect.after
    if type(after) is UnreadCursor:
        return replace(effect, after=after.hidden)
    if after not in (BEGINNING, NEWEST):
        raise CursorRead
    return effect
