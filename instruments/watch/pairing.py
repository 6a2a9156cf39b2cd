"""Which read and which subscription are one client's join.

MONITOR does not say it. A join's two commands come from one process, mostly on two connections,
shortly after each other, and a system has them always in the same order. What holds of a log is
learned from it first: the order, how far apart the two are, and which connection reads for which
that subscribes. Then each subscription takes the read that is nearest on the side of that order, of
its own host, and on no connection that reads for another. It is ambiguous when another read could
as well have been the one: one not much further away, and where no order is known not much further
than many are in this log; or one that had its subscription still to come when this pair began and
ended, for of two that wait the older may as well come first.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from statistics import median

from chunk7.instruments.watch.events import NEWEST, UNKNOWN, Event, Kind, is_beginning

WITHIN_US = 5_000_000
"""A read and a subscription further apart are not taken for one join."""
RATIO = 4
"""Another read less than so many times as far away could have been the one."""
_PARTNER_SEEN, _PARTNER_SHARE = 3, 0.8
_COMMON = 0.9
"""The share of distances in a log that are no uncommon ones there."""


class Order(Enum):
    """Which of the two a system sends first."""

    READ_FIRST = "read first"
    SUBSCRIBE_FIRST = "subscribe first"


@dataclass(frozen=True, slots=True)
class Pair:
    """A join as far as it was seen: `arrival` is its subscription, or its first look at a stream.

    One of the two may be None. A stream followed from its beginning, without a read before, is
    both in one event.
    """

    read: Event | None
    arrival: Event | None
    ambiguous: bool = False


@dataclass(frozen=True)
class Learned:
    """What a whole log tells: by session, and where a session does not tell, of all (key '')."""

    orders: dict[str, Order]
    typical_us: float
    common_us: float
    partners: dict[str, str]
    """By the connection that subscribes, the one that reads for it."""

    @cached_property
    def readers(self) -> frozenset[str]:
        """Connections that are known to read for one that subscribes."""
        return frozenset(self.partners.values())

    def order(self, arrival: Event) -> Order | None:
        """Of an arrival. A cursor comes from what was read, so it comes behind it."""
        if arrival.cursor not in (None, NEWEST, UNKNOWN):
            return Order.READ_FIRST
        return self.orders.get(arrival.session) or self.orders.get("")

    def near_us(self, arrival: Event) -> float:
        """A distance at which a read can be an arrival's, however near another one is."""
        return self.typical_us if self.order(arrival) else self.common_us


NOTHING = Learned({}, 0.0, 0.0, {})


def learn(sessions: Iterable[Sequence[Event]]) -> Learned:
    """From the events of each session; `Learned` may still lack an order."""
    votes: defaultdict[str, Counter[Order]] = defaultdict(Counter)
    readers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    distances: list[int] = []
    for events in sessions:
        reads = _Reads(events)
        for arrival in _arrivals(events):
            before, after = reads.around(arrival, NOTHING)
            nearest = min((*before[:1], *after[:1]), key=lambda r: _far(r, arrival), default=None)
            if nearest is None:
                continue
            distances.append(_far(nearest, arrival))
            clear = {
                read.client
                for read in (*before, *after)
                if _far(read, arrival) <= RATIO * _far(nearest, arrival)
            }
            if arrival.client and nearest.client and len(clear) == 1:
                readers[arrival.client][nearest.client] += 1
            if (order := _vote(arrival, before, after)) is not None:
                votes[arrival.session][order] += 1
                votes[""][order] += 1
    orders = {session: order for session, c in votes.items() if (order := _majority(c))}
    distances.sort()
    typical_us = float(median(distances)) if distances else 0.0
    common_us = float(distances[int(_COMMON * len(distances))]) if distances else 0.0
    return Learned(orders, typical_us, common_us, dict(_partners(readers)))


def pairs(events: Sequence[Event], learned: Learned) -> list[Pair]:
    """All joins of one session's events, in the order of their reads."""
    reads, used = _Reads(events), set[int]()
    found: list[Pair] = []
    for arrival in _arrivals(events):
        candidates = reads.candidates(arrival, learned)
        free = [read for read in candidates if read.line not in used]
        if not free:
            alone = arrival if is_beginning(arrival.cursor) else None
            found.append(Pair(alone, arrival))
            continue
        limit_us = RATIO * max(_far(free[0], arrival), learned.near_us(arrival))
        rivals = [r for r in candidates if r is not free[0] and _far(r, arrival) <= limit_us]
        used.add(free[0].line)
        found.append(Pair(free[0], arrival, bool(rivals) or arrival.wide is not None))
    found = _doubt_nested(found, learned)
    found += [Pair(read, None) for read in reads.all if read.line not in used]
    return sorted(found, key=lambda pair: (pair.read or pair.arrival or events[0]).line)


def _doubt_nested(found: list[Pair], learned: Learned) -> list[Pair]:
    """The pairs; those that lie within another, and that one, could have it the other way round."""
    spans = sorted(
        (min(pair.read.line, pair.arrival.line), max(pair.read.line, pair.arrival.line), place)
        for place, pair in enumerate(found)
        if pair.read is not None and pair.arrival is not None
    )
    doubtful: set[int] = set()
    outer_end, outer = 0, -1
    for _, end, place in spans:
        if end > outer_end:
            outer_end, outer = end, place
        elif _could_cross(found[outer], found[place], learned):
            doubtful |= {outer, place}
    return [replace(p, ambiguous=p.ambiguous or n in doubtful) for n, p in enumerate(found)]


def _could_cross(one: Pair, other: Pair, learned: Learned) -> bool:
    """Whether the reads could be each other's."""
    crossed = ((one.read, other.arrival), (other.read, one.arrival))
    return all(read and arrival and _fits(read, arrival, learned) for read, arrival in crossed)


class _Reads:
    """A session's history reads, to be looked up around an instant."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.all = [event for event in events if event.kind is Kind.READ]
        self._at_us = [read.at_us for read in self.all]

    def around(self, arrival: Event, learned: Learned) -> tuple[list[Event], list[Event]]:
        """(before, after) it, nearest first, on connections that can be the same process's."""
        first = bisect_left(self._at_us, arrival.at_us - WITHIN_US)
        end = bisect_left(self._at_us, arrival.at_us + WITHIN_US)
        fitting = [r for r in self.all[first:end] if _fits(r, arrival, learned)]
        before = [read for read in reversed(fitting) if read.line < arrival.line]
        return before, [read for read in fitting if read.line > arrival.line]

    def candidates(self, arrival: Event, learned: Learned) -> list[Event]:
        """Reads on the side that the order says, or on both; nearest first."""
        before, after = self.around(arrival, learned)
        match learned.order(arrival):
            case Order.READ_FIRST:
                return before
            case Order.SUBSCRIBE_FIRST:
                return after
            case _:
                return sorted((*before, *after), key=lambda read: _far(read, arrival))


def _arrivals(events: Sequence[Event]) -> Iterator[Event]:
    for event in events:
        if event.kind in (Kind.SUBSCRIBE, Kind.FOLLOW) and not event.again:
            yield event


def _fits(read: Event, arrival: Event, learned: Learned) -> bool:
    if read.client is None or arrival.client is None:
        return True
    partner = learned.partners.get(arrival.client)
    if partner is not None and read.client != partner and read.client in learned.readers:
        return False
    return _host(read.client) == _host(arrival.client)


def _host(client: str) -> str:
    return client.rpartition(":")[0]


def _far(read: Event, arrival: Event) -> int:
    return abs(read.at_us - arrival.at_us)


def _vote(arrival: Event, before: list[Event], after: list[Event]) -> Order | None:
    """For the side whose read is much nearer."""
    if arrival.cursor not in (None, NEWEST) or arrival.wide is not None:
        return None
    before_us = _far(before[0], arrival) if before else float("inf")
    after_us = _far(after[0], arrival) if after else float("inf")
    if before_us * RATIO < after_us:
        return Order.READ_FIRST
    return Order.SUBSCRIBE_FIRST if after_us * RATIO < before_us else None


def _majority(votes: "Counter[Order]") -> Order | None:
    (first, count), *others = votes.most_common()
    return first if not others or count >= 2 * others[0][1] else None


def _partners(readers: dict[str, "Counter[str]"]) -> Iterator[tuple[str, str]]:
    for client, seen in readers.items():
        reader, count = seen.most_common(1)[0]
        if count >= max(_PARTNER_SEEN, _PARTNER_SHARE * seen.total()):
            yield client, reader
