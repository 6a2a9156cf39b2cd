"""What a client receives in virtual time: ranges of chunks, cut by what else was written."""

import math
from bisect import bisect_left
from collections.abc import Iterator

from chunk7.delivery.handover import STRAIGHT, Handover, release
from chunk7.simulator.virtual.lives import Followed, Life, Released, WatcherGroup
from chunk7.simulator.virtual.receipts import Range, contiguous, subtract


class Receiving:
    """What the clients of a group receive; if the node `recovers`, also what passed it by."""

    def __init__(self, recovers: bool = False) -> None:
        self._recovers = recovers

    def turn_to(self, group: WatcherGroup) -> None:
        """From now on clients are of this group."""
        self._group = group
        self._arrive = group.session.arrive_ms
        self._plain = group.session.regular and (group.schedule is None or self._recovers)

    def received(self, life: Life) -> list[Range]:
        """Everything written to the client, in this life and those before, in order."""
        if not life.earlier:
            return self._receipts(life)
        return [span for each in (*life.earlier, life) for span in self._receipts(each)]

    def _receipts(self, life: Life) -> list[Range]:
        """Everything written to the client in one life, in order."""
        end = len(self._arrive)
        if life.end_ms < math.inf:
            end = bisect_left(self._arrive, life.end_ms)
        received = self._plainly(life, end) if self._plain else None
        return self._with_care(life, end) if received is None else received

    def _plainly(self, life: Life, end: int) -> list[Range] | None:
        """The same as `_with_care` where places are numbers and what comes live is one range: so it
        stays when a buffer is released, from above what the client has. None: it is not so."""
        begin, cursor = self._begin(life, end), 0
        holds = life.handover is not None and life.handover is not STRAIGHT
        attached = life.attached_write if life.attached_ms is not None else len(life.writes)
        received: list[Range] = []
        for written, (at_ms, content) in enumerate(life.writes):
            cut = cursor
            if written >= attached:
                cut = bisect_left(self._arrive, at_ms, cursor, end)
            if isinstance(content, list):
                if not holds:
                    if begin < cut:
                        received.append((begin, cut))
                        begin = cut
                    cursor = cut
                received += content
                continue
            if not holds or content.has is None:
                return None
            holds, begin, cursor = False, max(begin, content.has), cut
            if begin < cut:
                received.append((begin, cut))
                begin = cut
        if not holds and begin < end:
            received.append((begin, end))
        return received

    def _begin(self, life: Life, end: int) -> int:
        """The first publication that reaches the node for this client, `end` if none does."""
        if life.follow_from is not None:
            return min(life.follow_from, end)
        if life.channel is None or life.attached_ms is None:
            return end
        session, executed = self._group.session, life.channel[0]
        begin = bisect_left(session.publish_ms, executed)
        if life.attached_ms <= executed:  # what has come by the first is published by the other
            return begin
        return bisect_left(session.arrive_ms, life.attached_ms, begin)

    def _with_care(self, life: Life, end: int) -> list[Range]:
        session = self._group.session
        arrive = session.arrive_ms
        live = self._live(life, end)
        received: list[Range] = []
        handover = life.handover or STRAIGHT
        cursor = 0
        for written, (at_ms, content) in enumerate(life.writes):
            cut = cursor
            if life.attached_ms is not None and written >= life.attached_write:
                cut = min(end, max(cursor, bisect_left(arrive, at_ms)))
            if isinstance(content, Released):
                held, live = self._released(handover, live, cursor, cut, content.known)
                received += held
                handover = STRAIGHT
            elif isinstance(content, Followed):
                live = [(max(begin, content.has), stop) for begin, stop in live]
                received += self._between(live, cursor, cut)
                handover = STRAIGHT
            else:
                if handover is STRAIGHT:
                    received += self._between(live, cursor, cut)
                received += content
            if handover is STRAIGHT:
                cursor = cut
        if handover is STRAIGHT:
            received += self._between(live, cursor, end)
        return received

    def _between(self, live: list[Range], first: int, last: int) -> list[Range]:
        """The chunks of the live publications first..last, in their order."""
        received: list[Range] = []
        for begin, stop in live:
            received += self._group.session.live(max(begin, first), min(stop, last))
        return received

    def _released(
        self, handover: Handover, live: list[Range], cursor: int, cut: int, known: frozenset[int]
    ) -> tuple[list[Range], list[Range]]:
        """(what a buffer gives at its release, `live` without what is left out afterwards).

        From `cursor` to `cut` publications are held. Here, and only here, they are taken one by
        one, until nothing can be left out any more.
        """
        published = self._group.session.published
        for position in _publications(live, cursor, cut):
            handover, _ = handover.take(published[position].seq, published[position])
        handover, held = release(handover, known)
        left_out = []
        for position in _publications(live, cut, len(published)):
            if handover is STRAIGHT:
                break
            handover, sent = handover.take(published[position].seq, position)
            if not sent:
                left_out.append(position)
        return self._group.session.ranges(held), subtract(live, contiguous(left_out))

    def _live(self, life: Life, end: int) -> list[Range]:
        """Which publications reach the node for this client, as positions."""
        begin = self._begin(life, end)
        live = [(begin, end)] if begin < end else []
        if life.channel is None or life.follow_from is not None or self._recovers:
            return live
        return subtract(live, self._outages(life.node, life.channel[0]))

    def _outages(self, node: int, executed: float) -> list[Range]:
        """Publications that were under way, or came, while the node had no connection."""
        session, epoch = self._group.session, self._group.epoch_ms
        if self._group.schedule is None or not session.arrive_ms:
            return []
        spells = self._group.schedule.reconnects[node].starting(
            executed + epoch, session.arrive_ms[-1] + epoch + 1
        )
        return [
            (
                bisect_left(session.arrive_ms, start - epoch),
                bisect_left(session.publish_ms, stop - epoch),
            )
            for start, stop in spells
        ]


def _publications(live: list[Range], first: int, last: int) -> Iterator[int]:
    """The live publications first..last."""
    for begin, stop in live:
        yield from range(max(begin, first), min(stop, last))
