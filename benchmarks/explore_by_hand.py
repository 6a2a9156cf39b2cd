"""What somebody would write by hand in the place of `chunk7 explore`, for one cell and no other.

    found = search(chunks=3)                     # Found(schedules=291682, losing=1764, ...)
    found = search(chunks=3, remember=False)     # the same, every schedule walked to its end

The cell is subscribe_then_history x publish_then_save with one client. The producer numbers,
publishes and saves each chunk; the node subscribes, waits for the confirmation, reads, sends the
history and a welcome; the store executes the SUBSCRIBE at some time after it was sent, and what is
published from then on comes to the node in its order, each chunk at some time. Nothing else is
modelled, and nothing but losses is counted: no duplicates, no order, no counter-example. It uses
nothing of chunk7, so that equal counts mean something.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

PRODUCER_STEPS = 3
"""Of a chunk: take a number, publish, save."""
SUBSCRIBE, CONFIRMED, READ, SEND, WELCOME, JOINED = range(6)
"""What the join does next."""


class Moment(NamedTuple):
    """Everything that can differ. Chunks count from 1; sets of them are bits."""

    written: int = 0
    """The producer's steps that are done."""
    join: int = SUBSCRIBE
    subscribed: bool = False
    """The store has executed the SUBSCRIBE."""
    coming: tuple[int, ...] = ()
    """Chunks on their way to the node."""
    read: int = 0
    """How many chunks the history had when it was read."""
    received: int = 0


def moments_after(now: Moment, chunks: int) -> Iterator[Moment]:
    """Everything that may happen next."""
    if now.written < PRODUCER_STEPS * chunks:
        before, step = divmod(now.written, PRODUCER_STEPS)
        heard = step == 1 and now.subscribed
        coming = (*now.coming, before + 1) if heard else now.coming
        yield now._replace(written=now.written + 1, coming=coming)
    if now.join > SUBSCRIBE and not now.subscribed:
        yield now._replace(subscribed=True)
    if now.coming:
        first, *rest = now.coming
        yield now._replace(coming=tuple(rest), received=now.received | 1 << first)
    if now.join == READ:
        yield now._replace(join=SEND, read=now.written // PRODUCER_STEPS)
    elif now.join == SEND:
        history = (2 << now.read) - 2
        yield now._replace(join=WELCOME, received=now.received | history)
    elif now.join < JOINED and (now.join != CONFIRMED or now.subscribed):
        yield now._replace(join=now.join + 1)


@dataclass
class Found:
    """How many schedules there are, how many of them lose a chunk, and the steps to know it."""

    schedules: int = 0
    losing: int = 0
    steps: int = 0
    known: dict[Moment, tuple[int, int]] = field(default_factory=dict, repr=False)
    """By moment: (schedules, losing ones) from there on."""


def search(chunks: int, *, remember: bool = True) -> Found:
    """All schedules, depth first; a moment that is remembered is not walked again."""
    found = Found()
    everything = (2 << chunks) - 2

    def walk(now: Moment) -> tuple[int, int]:
        schedules = losing = 0
        for after in moments_after(now, chunks):
            found.steps += 1
            counts = found.known.get(after) or walk(after)
            schedules += counts[0]
            losing += counts[1]
        counts = (schedules, losing) if schedules else (1, int(now.received != everything))
        if remember:
            found.known[now] = counts
        return counts

    found.schedules, found.losing = walk(Moment())
    return found
