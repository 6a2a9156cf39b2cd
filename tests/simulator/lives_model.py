"""A second opinion on producers' lives: a small model of its own, which knows nothing of ours.

One node, one client, a list and a counter, Pub/Sub in order; orderings as letters. It walks every
schedule, and counts those that lose, double and reorder.

    N number  P publish  S save  B both at once  L number and both at once
    U subscribe  C confirmed  R read history  H send it  X release the buffer  W welcome
"""

from functools import cache
from typing import NamedTuple

WRITES = {
    "publish_then_save": "NPS",
    "save_then_publish": "NSP",
    "atomic_multi": "NB",
    "atomic_lua": "L",
}
CONNECTS = {
    "history_then_subscribe": "RHUCW",
    "subscribe_then_history": "UCRHW",
    "buffered_merge": "UCRHXW",
}
Item = tuple[int, int]
"""Sequence number, chunk."""


class Moment(NamedTuple):
    """`producers` has (first chunk not begun, ((chunk, letters done, number), ...)) each."""

    producers: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...]
    counter: int = 0
    history: tuple[Item, ...] = ()
    subscribed: int = 0
    wire: tuple[Item, ...] = ()
    step: int = 0
    read: tuple[Item, ...] = ()
    held: tuple[Item, ...] = ()
    direct: bool = False
    known: frozenset[int] = frozenset()
    got: tuple[int, ...] = ()
    unsure: frozenset[int] = frozenset()
    trouble: bool = False


class Model:
    """`trouble` may strike once: "timeout", "crash", "zombie", or "" for none."""

    def __init__(
        self,
        connect: str,
        write: str,
        chunks: int,
        writers: int = 1,
        overlap: int = 1,
        retry: str = "",
        trouble: str = "",
    ) -> None:
        self.connect, self.write, self.chunks = CONNECTS[connect], WRITES[write], chunks
        self.writers, self.overlap, self.retry, self.trouble = writers, overlap, retry, trouble
        self.merges = "X" in self.connect

    def counts(self) -> tuple[int, int, int, int]:
        """Schedules, and how many lose, double, reorder."""
        count = cache(self._count)
        self._again = count
        start = tuple((writer + 1, ()) for writer in range(self.writers))
        return count(Moment(start, trouble=bool(self.trouble)))

    def _count(self, now: Moment) -> tuple[int, int, int, int]:
        after = [*self._written(now), *self._delivered(now), *self._joined(now)]
        total = [0, 0, 0, 0] if after else self._end(now)
        for then in [*after, *(self._troubled(now) if now.trouble else ())]:
            total = [a + b for a, b in zip(total, self._again(then), strict=True)]
        return total[0], total[1], total[2], total[3]

    def _end(self, now: Moment) -> list[int]:
        expected = set(range(1, self.chunks + 1)) - now.unsure
        first = list(dict.fromkeys(now.got))
        lost, doubled = expected - set(now.got), len(first) < len(now.got)
        return [1, bool(lost), doubled, first != sorted(first)]

    # --- producers ---

    def _turns(self, now: Moment):
        """(producer, place in its window, chunk, letters done, number) of all that may go on."""
        for who, (to_begin, window) in enumerate(now.producers):
            for place, write in enumerate(window):
                yield (who, place, *write)
                if who >= self.writers and not write[1]:
                    break  # of a zombie's: what comes after it begins after it
            if len(window) < self.overlap and to_begin <= self.chunks and who < self.writers:
                yield (who, len(window), to_begin, 0, 0)

    def _command(self, now: Moment, chunk: int, done: int, number: int) -> tuple[Moment, int]:
        letter = self.write[done]
        if letter in "NL":
            number = now.counter + 1
            now = now._replace(counter=number)
        if letter in "SBL":
            now = now._replace(history=(*now.history, (number, chunk)))
        if letter in "PBL" and now.subscribed == 2:
            now = now._replace(wire=(*now.wire, (number, chunk)))
        return now, number

    def _placed(self, now: Moment, who: int, place: int, write: tuple[int, int, int] | None):
        to_begin, window = now.producers[who]
        if place == len(window):
            to_begin += self.writers
        window = (*window[:place], *((write,) if write else ()), *window[place + 1 :])
        return self._producer(now, who, (to_begin, window))

    def _producer(self, now: Moment, who: int, producer) -> Moment:
        return now._replace(producers=(*now.producers[:who], producer, *now.producers[who + 1 :]))

    def _written(self, now: Moment):
        for who, place, chunk, done, number in self._turns(now):
            then, number = self._command(now, chunk, done, number)
            over = done + 1 == len(self.write)
            yield self._placed(then, who, place, None if over else (chunk, done + 1, number))

    def _troubled(self, now: Moment):
        calm = now._replace(trouble=False)
        if self.trouble == "timeout":
            for turn in self._turns(now):
                yield from self._unheard(calm, *turn)
            return
        for who in sorted({turn[0] for turn in self._turns(now)}):
            to_begin, window = now.producers[who]
            mine = set(range(who + 1, self.chunks + 1, self.writers))
            if self.trouble == "crash":
                first = min([to_begin, *(write[0] for write in window)])
                rest = {chunk for chunk in mine if chunk >= first}
                over = self._producer(calm, who, (self.chunks + 1, ()))
                yield over._replace(unsure=now.unsure | rest)
            then = self._producer(calm, who, (who + 1, ()))._replace(unsure=now.unsure - mine)
            if self.trouble == "zombie":
                coming = range(to_begin, self.chunks + 1, self.writers)
                begins = [(chunk, 0, 0) for chunk in coming][: self.overlap - len(window)]
                zombie = (self.chunks + 1, (*window, *begins))
                then = then._replace(producers=(*then.producers, zombie))
            if then != calm:
                yield then

    def _unheard(self, calm: Moment, who: int, place: int, chunk: int, done: int, number: int):
        for executed in (False, True):
            then = self._command(calm, chunk, done, number)[0] if executed else calm
            if not self.retry:
                yield self._placed(then, who, place, None)._replace(unsure=calm.unsure | {chunk})
            elif executed or (self.retry == "new" and place < len(calm.producers[who][1])):
                again = (chunk, done, number) if self.retry == "same" else (chunk, 0, 0)
                then = self._placed(then, who, place, again)
                if then != calm:  # it said the same to nobody
                    yield then

    # --- the node ---

    def _delivered(self, now: Moment):
        if now.subscribed == 1:
            yield now._replace(subscribed=2)
        if not now.wire:
            return
        (number, chunk), rest = now.wire[0], now.wire[1:]
        then = now._replace(wire=rest)
        if self.merges and not now.direct:
            yield then._replace(held=(*now.held, (number, chunk)))
        elif number in now.known:
            yield then
        else:
            known = frozenset[int]() if number > max(now.known, default=0) else now.known
            yield then._replace(known=known, got=(*now.got, chunk))

    def _joined(self, now: Moment):
        if now.step == len(self.connect):
            return
        then = now._replace(step=now.step + 1)
        match self.connect[now.step]:
            case "U":
                yield then._replace(subscribed=1)
            case "C":
                if now.subscribed == 2:
                    yield then
            case "R":
                yield then._replace(read=now.history)
            case "H":
                yield then._replace(got=(*now.got, *(chunk for _, chunk in now.read)))
            case "X":
                known = frozenset(number for number, _ in now.read)
                new = sorted(number for number, _ in now.held if number not in known)
                chunks = dict(now.held)
                sent = tuple(chunks[number] for number in new)
                yield then._replace(held=(), direct=True, known=known, got=(*now.got, *sent))
            case _:
                yield then
