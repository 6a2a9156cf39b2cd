"""What was seen, as one JSON document and as sentences. docs/watch.md explains the fields."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from chunk7.instruments.watch.handover import (
    AGAIN,
    AMBIGUOUS,
    GROUP,
    LOST,
    LUCKY,
    NO_SUBSCRIPTION,
    ORDERED,
    UNCONFIRMED,
    UNKNOWN_VERDICT,
    UNMATCHED,
    WatchedChunk,
    WatchedJoin,
)
from chunk7.instruments.watch.log import Watched

SCHEMA = 1

WHY_UNKNOWN = {
    NO_SUBSCRIPTION: "a read without a subscription near it: a second client of a shared "
    "subscription, a fetch, or a reader inside the process",
    AGAIN: "the connection was subscribed already: what its process does with a second client "
    "cannot be seen",
    AMBIGUOUS: "another read could as well have been this subscription's",
    UNMATCHED: "a chunk's save or publication was not seen, or they are not the same bytes",
    UNCONFIRMED: "subscribed first, but on another connection: whether the system waited for the "
    "confirmation cannot be seen",
    GROUP: "the consumer group is older than the recording: where it stood cannot be seen",
}
"""By the `because` of an unknown join."""


class ChunkSeen(msgspec.Struct, frozen=True):
    """A chunk; instants are microseconds of Unix time on the store's clock, null: not seen.

    Lines count the commands that were read: the store's order, also where times are equal.
    """

    session: str
    position: int
    message_id: str | None
    index: int | None
    seq: int | None
    published_at_us: int | None
    saved_at_us: int | None
    lag_us: int | None
    published_line: int | None
    saved_line: int | None


class ChunkLost(msgspec.Struct, frozen=True):
    """A chunk that a join lost; `gap_us` is the join's W plus this chunk's L."""

    position: int
    message_id: str | None
    index: int | None
    seq: int | None
    published_at_us: int | None
    saved_at_us: int | None
    lag_us: int | None
    gap_us: int | None


class JoinSeen(msgspec.Struct, frozen=True):
    """A join; what cannot be known is null."""

    session: str
    read_at_us: int
    subscribed_at_us: int | None
    window_us: int | None
    lag_us: float | None
    gap_us: float | None
    chunks_lost: list[ChunkLost]
    raced: bool | None
    ambiguous: bool
    verdict: str
    because: str | None
    read_line: int
    subscribed_line: int | None
    db: int
    reader: str | None
    subscriber: str | None


class WatchSummary(msgspec.Struct, frozen=True):
    """Counts. `joins` = lost + lucky + ordered + unknown."""

    joins: int
    lost: int
    lucky: int
    ordered: int
    unknown: int
    ambiguous: int
    unknown_because: dict[str, int]
    chunks: int
    chunks_lost: int
    window_us_p50: float | None
    lag_us_p50: float | None
    subscriptions_without_read: int
    sessions: int
    lines: int
    unreadable: int
    seconds: float
    stopped: str | None


class WatchDocument(msgspec.Struct, frozen=True):
    """`chunk7 watch --json`."""

    schema: int
    joins: list[JoinSeen]
    chunks: list[ChunkSeen]
    summary: WatchSummary


def document_of(watched: Watched, stopped: str | None = None) -> WatchDocument:
    """`stopped`: why watching ended before its time, if it did."""
    found = watched.found
    return WatchDocument(
        SCHEMA,
        [_join(join) for join in found.joins],
        [_chunk(chunk) for chunk in found.chunks],
        _summary(watched, stopped),
    )


def _join(join: WatchedJoin) -> JoinSeen:
    arrival = join.arrival
    return JoinSeen(
        join.session,
        join.read.at_us,
        arrival.at_us if arrival else None,
        join.window_us,
        join.lag_us,
        join.gap_us,
        [_lost(chunk, join.window_us) for chunk in join.lost],
        join.raced,
        join.ambiguous,
        join.verdict,
        join.because,
        join.read.line,
        arrival.line if arrival else None,
        join.read.db,
        join.read.client,
        arrival.client if arrival else None,
    )


def _chunk(chunk: WatchedChunk) -> ChunkSeen:
    lines = (event.line if event else None for event in (chunk.publish, chunk.save))
    return ChunkSeen(chunk.session, *_told(chunk), *lines)


def _lost(chunk: WatchedChunk, window_us: int | None) -> ChunkLost:
    lag_us = chunk.lag_us
    gap_us = None if window_us is None or lag_us is None else window_us + lag_us
    return ChunkLost(*_told(chunk), gap_us)


def _told(
    chunk: WatchedChunk,
) -> tuple[int, str | None, int | None, int | None, int | None, int | None, int | None]:
    payload = chunk.payload
    return (
        chunk.position,
        payload.message_id,
        payload.index,
        payload.seq,
        chunk.publish.at_us if chunk.publish else None,
        chunk.save.at_us if chunk.save else None,
        chunk.lag_us,
    )


def _summary(watched: Watched, stopped: str | None) -> WatchSummary:
    joins, chunks = watched.found.joins, watched.found.chunks
    count = Counter(join.verdict for join in joins)
    return WatchSummary(
        joins=len(joins),
        lost=count[LOST],
        lucky=count[LUCKY],
        ordered=count[ORDERED],
        unknown=count[UNKNOWN_VERDICT],
        ambiguous=sum(join.ambiguous for join in joins),
        unknown_because=dict(Counter(join.because for join in joins if join.because)),
        chunks=len(chunks),
        chunks_lost=sum(len(join.lost) for join in joins if join.verdict == LOST),
        window_us_p50=_median([j.window_us for j in joins if not j.ambiguous]),
        lag_us_p50=_median([chunk.lag_us for chunk in chunks]),
        subscriptions_without_read=watched.found.without_read,
        sessions=len({*(j.session for j in joins), *(c.session for c in chunks)}),
        lines=watched.lines,
        unreadable=watched.unreadable,
        seconds=round(watched.seconds, 6),
        stopped=stopped,
    )


def _median(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None


def sentences(summary: WatchSummary) -> Iterator[str]:
    """What the numbers mean, and what they do not."""
    if summary.stopped:
        yield f"Stopped: {summary.stopped}."
    yield (
        f"{_count(summary.lines, 'command')} in {summary.seconds:.1f} s, "
        f"{_count(summary.sessions, 'session')}, {_count(summary.chunks, 'chunk')}, "
        f"{_count(summary.joins, 'join')}."
    )
    if summary.unreadable:
        yield f"{_count(summary.unreadable, 'line')} left out that MONITOR does not write so."
    if summary.lost:
        lost = _count(summary.chunks_lost, "chunk")
        yield f"LOST: {_count(summary.lost, 'join')} lost {lost}."
    if summary.lucky:
        yield (
            f"LUCKY: {_count(summary.lucky, 'join')} lost nothing, but only because no chunk came "
            "in the wrong moment: the order of the commands allows a loss."
        )
    if summary.ordered:
        yield f"ORDERED: {_count(summary.ordered, 'join')} left no room for a loss at the store."
    if summary.unknown:
        yield f"UNKNOWN: {_count(summary.unknown, 'join')}:"
        for because, count in summary.unknown_because.items():
            yield f"  {count}: {WHY_UNKNOWN[because]}"
        yield "To know, force the order of their commands: `chunk7 steer`."
    if not summary.joins:
        yield "No join was seen: nothing is known."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
