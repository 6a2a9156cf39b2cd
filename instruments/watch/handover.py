"""Events of one session -> its chunks with their L, its joins with their W, and what was lost.

A chunk is lost for a join exactly when it was published before the subscription and saved after
the read, in the store's order, which is the order of MONITOR's lines. Times only say how long.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from chunk7.instruments.watch.events import NEWEST, UNKNOWN, Event, Kind, is_beginning
from chunk7.instruments.watch.pairing import WITHIN_US, Learned, Pair, pairs
from chunk7.instruments.watch.payload import Payload

LOST, LUCKY, ORDERED, UNKNOWN_VERDICT = "lost", "lucky", "ordered", "unknown"
NO_SUBSCRIPTION = "no subscription seen"
AGAIN = "already subscribed"
AMBIGUOUS = "ambiguous pair"
UNMATCHED = "writes not matched"
UNCONFIRMED = "confirmation not visible"
GROUP = "group's position not seen"


@dataclass(frozen=True, slots=True)
class WatchedChunk:
    """One chunk of a session; `position` counts from 1 in the order of publication.

    `publish` or `save` is None where it was not seen. A stream's entry is both in one event.
    """

    session: str
    position: int
    payload: Payload
    publish: Event | None
    save: Event | None

    @property
    def lag_us(self) -> int | None:
        """L: saved minus published; 0 where nobody's command can have come between."""
        if self.publish is None or self.save is None:
            return None
        return 0 if self._one_block() else self.save.at_us - self.publish.at_us

    @property
    def published_first(self) -> bool:
        """Whether there was a moment at which it was published and not saved."""
        if self.publish is None or self.save is None or self._one_block():
            return False
        return self.publish.line < self.save.line

    def _one_block(self) -> bool:
        assert self.publish is not None
        assert self.save is not None
        return self.publish.block is not None and self.publish.block == self.save.block


@dataclass(frozen=True, slots=True)
class WatchedJoin:
    """One join. `window_us` is W, `lag_us` the session's median L, both None where not known.

    `raced`: the order in which the store got the commands left room for a loss, whatever the
    times; None where that cannot be known. `because` says why the verdict is unknown.
    """

    session: str
    read: Event
    arrival: Event | None
    window_us: int | None
    lag_us: float | None
    lost: tuple[WatchedChunk, ...]
    raced: bool | None
    ambiguous: bool
    verdict: str
    because: str | None

    @property
    def gap_us(self) -> float | None:
        """G = W + L."""
        if self.window_us is None or self.lag_us is None:
            return None
        return self.window_us + self.lag_us


@dataclass(frozen=True, slots=True)
class Found:
    """What one session's events say. `without_read`: subscriptions that no read belongs to."""

    chunks: list[WatchedChunk] = field(default_factory=list)
    joins: list[WatchedJoin] = field(default_factory=list)
    without_read: int = 0


def found_in(events: Sequence[Event], learned: Learned) -> Found:
    """Judge a session; `events` are in the store's order."""
    chunks = chunks_of(events)
    history = _History(chunks)
    again = [event for event in events if event.again]
    joins, without_read = [], 0
    for pair in pairs(events, learned):
        if pair.read is None:
            without_read += 1
        else:
            joins.append(_join(pair.read, pair, history, again))
    return Found(chunks, joins, without_read)


def chunks_of(events: Sequence[Event]) -> list[WatchedChunk]:
    """Publications and saves brought together: the n-th of a payload with its n-th."""
    waiting: defaultdict[tuple[Kind, bytes], deque[int]] = defaultdict(deque)
    rows: list[list[Event | None]] = []
    for event in events:
        if event.payload is None:
            continue
        if event.kind is Kind.APPEND:
            rows.append([event, event])
            continue
        side = int(event.kind is Kind.SAVE)
        other = waiting[Kind.PUBLISH if side else Kind.SAVE, event.payload.key]
        if other:
            rows[other.popleft()][side] = event
        else:
            waiting[event.kind, event.payload.key].append(len(rows))
            rows.append([None, event] if side else [event, None])
    ordered = sorted(rows, key=lambda row: _first(row).line)
    return [
        WatchedChunk(_first(row).session, n, _told(row), row[0], row[1])
        for n, row in enumerate(ordered, 1)
    ]


def _first(row: "list[Event | None]") -> Event:
    """Its publication, or its save where none was seen."""
    event = row[0] or row[1]
    assert event is not None
    return event


def _told(row: "list[Event | None]") -> Payload:
    payload = _first(row).payload
    assert payload is not None
    return payload


class _History:
    """A session's chunks, to be looked up around a join."""

    def __init__(self, chunks: Sequence[WatchedChunk]) -> None:
        self.chunks = chunks
        self._at_us = [_first([chunk.publish, chunk.save]).at_us for chunk in chunks]
        self.lags_us = [lag for chunk in chunks if (lag := chunk.lag_us) is not None]
        self.longest_us = max((abs(lag) for lag in self.lags_us), default=0)
        self.published_first = any(chunk.published_first for chunk in chunks)

    def median_lag_us(self) -> float | None:
        return float(median(self.lags_us)) if self.lags_us else None

    def around(self, read: Event, until: Event) -> Sequence[WatchedChunk]:
        """All that can have been published before `until` and saved after `read`, and a few more.

        Only saves in the database that was read count, as only those could have been found.
        """
        first = bisect_left(self._at_us, read.at_us - self.longest_us)
        end = bisect_right(self._at_us, max(read.at_us, until.at_us) + self.longest_us)
        return [c for c in self.chunks[first:end] if c.save is None or c.save.db == read.db]


def _join(read: Event, pair: Pair, history: _History, again: list[Event]) -> WatchedJoin:
    arrival = pair.arrival
    if arrival is None or arrival.cursor == UNKNOWN:
        return _unknown(read, history, GROUP if arrival else _why_alone(read, again))
    window_us = arrival.at_us - read.at_us
    if arrival.kind is Kind.FOLLOW and arrival.cursor != NEWEST:
        window_us = 0
        lost, open_ = _behind_cursor(read, arrival, history)
        raced = bool(lost)
    else:
        repeats = _repeats(arrival, again)
        lost, open_ = _between(read, arrival, history)
        lost += _while_away(arrival, repeats, history)
        raced = arrival.line > read.line or history.published_first or bool(repeats)
    verdict, because = _verdict(read, pair, history, bool(lost), raced, open_)
    return WatchedJoin(
        read.session, read, arrival, window_us, history.median_lag_us(), tuple(lost), raced,
        pair.ambiguous, verdict, because,
    )  # fmt: skip


def _unknown(read: Event, history: _History, because: str) -> WatchedJoin:
    return WatchedJoin(
        read.session, read, None, None, history.median_lag_us(), (), None, False,
        UNKNOWN_VERDICT, because,
    )  # fmt: skip


def _why_alone(read: Event, again: list[Event]) -> str:
    """A second SUBSCRIBE of a connection changes nothing at the store."""
    near = any(abs(event.at_us - read.at_us) < WITHIN_US for event in again)
    return AGAIN if near else NO_SUBSCRIPTION


def _verdict(
    read: Event, pair: Pair, history: _History, lost: bool, raced: bool, open_: bool
) -> tuple[str, str | None]:
    """Never better than what the store's order proves."""
    assert pair.arrival is not None
    if pair.ambiguous:
        return UNKNOWN_VERDICT, AMBIGUOUS
    if lost:
        return LOST, None
    if open_:
        return UNKNOWN_VERDICT, UNMATCHED
    if raced:
        return LUCKY, None
    by_cursor = pair.arrival.kind is Kind.FOLLOW and pair.arrival.cursor != NEWEST
    if by_cursor:
        return ORDERED, None
    if not history.lags_us:
        return UNKNOWN_VERDICT, UNMATCHED
    one_connection = read.client is not None and read.client == pair.arrival.client
    return (ORDERED, None) if one_connection else (UNKNOWN_VERDICT, UNCONFIRMED)


# --- which chunks ---


def _between(read: Event, arrival: Event, history: _History) -> tuple[list[WatchedChunk], bool]:
    """(lost, whether there may be more): published before the arrival, saved after the read."""
    lost, open_ = [], False
    for chunk in history.around(read, arrival):
        late = chunk.publish is not None and chunk.publish.line > arrival.line
        early = chunk.save is not None and chunk.save.line < read.line
        if late or early:
            continue
        if chunk.publish is None or chunk.save is None:
            open_ = True
        else:
            lost.append(chunk)
    return lost, open_


def _repeats(arrival: Event, again: list[Event]) -> list[Event]:
    """Later reads from the newest on, by who followed from the newest already."""
    if arrival.cursor != NEWEST or arrival.client is None:
        return []
    return [e for e in again if e.client == arrival.client and e.line > arrival.line]


def _while_away(arrival: Event, repeats: list[Event], history: _History) -> list[WatchedChunk]:
    """Entries between two reads from the newest: the first read gets one, if it still waits."""
    lost: list[WatchedChunk] = []
    for last, now in zip([arrival, *repeats], repeats, strict=False):
        missed = [c for c in history.around(last, now) if _is_between(c, last, now)]
        until_us = last.at_us + last.block_ms * 1_000
        waits = last.block_ms == 0 or (missed and _first([missed[0].publish]).at_us <= until_us)
        lost += missed[1:] if waits else missed
    return lost


def _is_between(chunk: WatchedChunk, last: Event, now: Event) -> bool:
    return chunk.publish is not None and last.line < chunk.publish.line < now.line


def _behind_cursor(
    read: Event, follow: Event, history: _History
) -> tuple[list[WatchedChunk], bool]:
    """Entries appended after the read that the cursor skips: it was taken from somewhere else.

    MONITOR does not show the ids that the store makes; their milliseconds are its clock's.
    """
    if is_beginning(follow.cursor) or follow.cursor is None:
        return [], False
    lost, open_ = [], False
    cursor = _id(follow.cursor)
    for chunk in history.around(read, follow):
        entry = chunk.publish
        if entry is None or not read.line < entry.line < follow.line or cursor is None:
            continue
        if entry.cursor is not None:
            skipped = (_id(entry.cursor) or (0, 0)) <= cursor
        else:
            at_ms = entry.at_us // 1_000
            skipped = at_ms < cursor[0] - 1
            open_ = open_ or cursor[0] - 1 <= at_ms <= cursor[0]
        if skipped:
            lost.append(chunk)
    return lost, open_


def _id(cursor: str) -> tuple[int, int] | None:
    milliseconds, _, serial = cursor.partition("-")
    if not milliseconds.isdecimal() or not (serial or "0").isdecimal():
        return None
    return int(milliseconds), int(serial or 0)
