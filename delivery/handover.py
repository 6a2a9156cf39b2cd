"""What a node does with the live chunks of one client, from the subscription on.

    attach   to the client    every chunk is sent at once
             to a buffer      every chunk is held
    release                   what is held is sent by seq, without what the client has
    after it                  a chunk that the client has is left out, until the first above all
                              that it has; from then on every chunk is sent at once

What the client has: every number up to the join's `after_seq`, and what the release names. An
ordering need not know the first, so none can forget it.

With a position (an ordering that has a recovery) it goes on like that for good:

    at a position             the next number is sent at once, what was sent is left out, and one
                              further on is held: it shows a hole, and the node has to recover
    hold                      the node has to recover for another reason: every chunk is held
    release                   as above; what the numbers skip is missing, and sent if it comes

A chunk without a number (seq 0) cannot be told from another: nobody has it, and it says nothing of
what may still come. So it is never left out; held ones are sent first, as they came.

Pure: every driver runs these functions and keeps the value. `item` is whatever it sends in the end:
a payload in the live node, a chunk or its id in the others.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.position import Position

Held = tuple[Any, int, Any] | None
"""(held before it, seq, item), the newest outermost: one more costs the same however many are held.
None: nothing is held."""


class Handover(NamedTuple):
    """One client's handover: a hashable value, equal when the same follows from it.

    `after_seq` and `known` are what the client has; both are empty when there is nothing to leave
    out any more. With a `position` that says it instead, and they stay empty.
    """

    sink: Sink
    after_seq: int = 0
    known: frozenset[int] = frozenset()
    held: Held = None
    position: Position | None = None

    def take(self, seq: int, item: Any) -> "tuple[Handover, tuple[Any, ...]]":
        """A live chunk has come; what to send of it: the item, or nothing."""
        if self is STRAIGHT:
            return self, (item,)
        if self.sink is Sink.BUFFER:
            return self._replace(held=(self.held, seq, item)), ()
        if self.position is not None:
            return self._at(self.position, seq, item)
        if _has(seq, self.after_seq, self.known):
            return self, ()
        return (STRAIGHT if seq > _top(self.after_seq, self.known) else self), (item,)

    def _at(self, position: Position, seq: int, item: Any) -> "tuple[Handover, tuple[Any, ...]]":
        if not seq:
            return self, (item,)
        if not position.lacks(seq):
            return self, ()
        if seq > position.top + 1:
            return self._replace(sink=Sink.BUFFER, held=(None, seq, item)), ()
        return self._replace(position=position.sent((seq,))), (item,)


STRAIGHT = Handover(Sink.CLIENT)
"""Every chunk is sent at once, from here on; the functions below make no other such value."""


def attach(
    handover: Handover | None, to: Sink, after_seq: int, positioned: bool = False
) -> Handover:
    """The client of a join after `after_seq` subscribes; `positioned` by one with a recovery.

    Raises OrderingError when it has done so before, and for a position without a buffer.
    """
    if handover is not None:
        raise OrderingError("the ordering subscribes twice")
    if positioned:
        if to is not Sink.BUFFER:
            raise OrderingError("an ordering with a recovery subscribes into a buffer")
        return Handover(to, position=Position(after_seq))
    return STRAIGHT if to is Sink.CLIENT else Handover(to, after_seq)


def detach(handover: Handover | None) -> None:
    """The client unsubscribes: it has no handover any more. Raises OrderingError if it had none."""
    if handover is None:
        raise OrderingError("the ordering unsubscribes what it has not subscribed")


def hold(handover: Handover) -> Handover:
    """The node is to recover for the client: from now on every chunk is held."""
    return handover._replace(sink=Sink.BUFFER)


def note(handover: Handover | None, seqs: Iterable[int]) -> Handover | None:
    """These were written to the client apart from live chunks: a position has them."""
    if handover is None or handover.position is None:
        return handover
    return handover._replace(position=handover.position.sent(seqs))


def check(handover: Handover | None, head_seq: int) -> Handover | None:
    """Hold if the client is behind the session's head; None if it is not, or has no position.

    A head below the position is of numbers that have begun anew: all of them are to be sent.
    """
    position = handover.position if handover is not None else None
    if handover is None or position is None or not position.behind(head_seq):
        return None
    if head_seq < position.top:
        handover = handover._replace(position=Position())
    return hold(handover)


def release(handover: Handover | None, known: frozenset[int]) -> tuple[Handover, tuple[Any, ...]]:
    """The buffer is released; the items to send, in their order. What is held has come before.

    A held chunk above all that the client has does not end the leaving out: one below it may have
    been published later, and a held one says nothing of what is on its way.
    Raises OrderingError without a buffer.
    """
    if handover is None or handover.sink is not Sink.BUFFER:
        raise OrderingError("the ordering releases a buffer that it does not have")
    if handover.position is not None:
        return _release_at(handover, handover.position, frozenset(known) - {0})
    after_seq, known = handover.after_seq, frozenset(known) - {0}
    held = _oldest_first(handover.held)
    items = tuple(item for seq, item in sorted(held, key=_seq) if not _has(seq, after_seq, known))
    if not _top(after_seq, known):
        return STRAIGHT, items
    return Handover(Sink.CLIENT, after_seq, known), items


def _release_at(
    handover: Handover, position: Position, known: frozenset[int]
) -> tuple[Handover, tuple[Any, ...]]:
    """The same with a position."""
    held = sorted(_oldest_first(handover.held), key=_seq)
    sent = {seq for seq, _ in held if position.lacks(seq)} - known
    items = tuple(item for seq, item in held if seq == 0 or seq in sent)
    after = position.sent(known | sent)
    return Handover(Sink.CLIENT, position=after), items


def _has(seq: int, after_seq: int, known: frozenset[int]) -> bool:
    return 0 < seq <= after_seq or seq in known


def _top(after_seq: int, known: frozenset[int]) -> int:
    return max(after_seq, *known) if known else after_seq


def _seq(entry: tuple[int, Any]) -> int:
    return entry[0]


def _oldest_first(held: Held) -> list[tuple[int, Any]]:
    entries = []
    while held is not None:
        held, seq, item = held
        entries.append((seq, item))
    return entries[::-1]
