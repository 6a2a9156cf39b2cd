"""What a client receives in virtual time: ranges of chunks, cut by what else was written."""

import math
from bisect import bisect_left
from collections.abc import Iterator

from chunk7.delivery.effects import Release, ReleaseAfter
from chunk7.delivery.handover import STRAIGHT, Handover, release
from chunk7.simulator.virtual.lives import Life, VirtualClient, WatcherGroup
from chunk7.simulator.virtual.receipts import Range, contiguous, subtract


class Receiving:
    """What the clients of a group receive; if the node `recovers`, also what passed it by."""

    def __init__(self, group: WatcherGroup, recovers: bool = False) -> None:
        self._group = group
        self._recovers = recovers

    def received(self, client: VirtualClient) -> list[Range]:
        """Everything written to the client, over its lives, in order."""
        if len(client.lives) == 1:
            return self._receipts(client.lives[0])
        return [span for life in client.lives for span in self._receipts(life)]

    def _receipts(self, life: Life) -> list[Range]:
        """Everything written to the client in one life, in order."""
        session = self._group.session
        arrive = session.arrive_ms
        end = len(arrive) if life.end_ms == math.inf else bisect_left(arrive, life.end_ms)
        live = self._live(life, end)
        received: list[Range] = []
        handover = life.handover or STRAIGHT
        cursor = 0
        for written, (at_ms, content) in enumerate(life.writes):
            cut = cursor
            if life.attached_ms is not None and written >= life.attached_write:
                cut = min(end, max(cursor, bisect_left(arrive, at_ms)))
            if isinstance(content, Release):
                held, live = self._released(handover, live, cursor, cut, content.known)
                received += held
                handover = STRAIGHT
            elif isinstance(content, ReleaseAfter):
                has = session.position(at_ms, content.after)
                live = [(max(begin, has), stop) for begin, stop in live]
                received += self._between(live, cursor, cut)
                handover = STRAIGHT
            else:
                if handover is STRAIGHT:
                    received += self._between(live, cursor, cut)
                received += content if isinstance(content, list) else session.ranges(content)
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
        if life.follow_from is not None:
            return [(life.follow_from, end)] if life.follow_from < end else []
        if life.channel is None or life.attached_ms is None:
            return []
        session = self._group.session
        executed = life.channel[0]
        begin = bisect_left(session.publish_ms, executed)
        attached = bisect_left(session.arrive_ms, life.attached_ms)
        live = [(max(begin, attached), end)] if max(begin, attached) < end else []
        if self._group.schedule is None or self._recovers:
            return live
        return subtract(live, self._outages(life.node, executed))

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
