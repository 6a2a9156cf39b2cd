"""What each session streams and when: a pure function of the plan and the recorded answers.

A session is one script, played in every cell at the same offsets. It starts at a seeded moment in
the first tenth of the cell, so that sessions are not in lockstep, and then streams seeded answers
back to back until the cell's `duration_ms` is over.

Pace. Without `chunk_rate` the recorded instants stand, but for a given `ttft_ms`. With it, let r be
the rate in chunks a ms and T the time from the session's start to the cell's end: the session has
N = floor(r T) chunks and takes N / r, the times to the first tokens included, so N chunks over the
session's time are exactly the rate asked for.

- As recorded: each answer of n chunks is stretched as a whole, first token and all, to n / r.
- With `ttft_ms` = t: each of the session's M answers waits t for its first token. The rest of the
  time is shared evenly: the mean gap is (N / r - M t) / N, and the recorded gaps of an answer
  are stretched to that mean (one such gap passes after an answer's last chunk).

Jitter. Each chunk is delayed by an exponential time with the standard deviation asked for. As in
a TCP stream, a chunk never overtakes the one before: it waits for it. The cell's end bounds all.

Seeds: (seed, session, purpose). Adding sessions, or changing pace, leaves the other draws alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import UsageError
from chunk7.producer.answers import Answer
from chunk7.wire.plan import Plan, SessionPlan

MAX_CHUNKS = 10_000_000
"""Chunks of all sessions of a cell together."""
FASTEST_MS = 0.1
"""Shortest mean chunk interval, as for chunk_rate: an answer that takes no time never ends."""
STAGGER = 0.1
"""Sessions start in this first part of the cell."""

Milliseconds = NDArray[np.float64]
Part = tuple[Answer, int]
"""An answer, and how many of its chunks are streamed."""


class _Purpose(IntEnum):
    STAGGER = 0
    ANSWERS = 1
    JITTER = 2


@dataclass(frozen=True, eq=False, slots=True)
class Script:
    """What one session streams. `offsets_ms` has a chunk's instant after the cell's start each.

    It never decreases; its length is the sum of the parts' counts. `start_ms` is the session's.
    """

    start_ms: float
    offsets_ms: Milliseconds
    parts: tuple[Part, ...]

    def chunks(self, session_id: str) -> Iterator[tuple[float, Chunk]]:
        """(offset in ms, chunk without a number), in order."""
        offsets = map(float, self.offsets_ms)
        for number, (answer, count) in enumerate(self.parts):
            message_id = f"{session_id}-m{number}"
            for index in range(count):
                final = index == count - 1
                yield (
                    next(offsets),
                    Chunk(session_id, message_id, index, answer.texts[index], final),
                )


def scripts(plan: Plan, answers: Sequence[Answer]) -> tuple[Script, ...]:
    """A script for each session of a checked plan, by session number.

    Raises UsageError, naming the fields, when the plan cannot be met with these answers.
    """
    written: list[Script] = []
    left = MAX_CHUNKS
    for session in range(plan.sessions):
        written.append(_script(plan, answers, session, left))
        left -= len(written[-1].offsets_ms)
    return tuple(written)


def session_plans(plan: Plan, written: Sequence[Script]) -> list[SessionPlan]:
    """The promise: every session of every cell, cell by cell."""
    return [
        SessionPlan(
            session_id=plan.session_id(cell, session),
            cell=cell,
            start_ms=plan.cell_start_ms(cell) + script.start_ms,
            end_ms=plan.cell_start_ms(cell) + float(script.offsets_ms[-1]),
            chunks=len(script.offsets_ms),
        )
        for cell in range(len(plan.cells))
        for session, script in enumerate(written)
    ]


def _script(plan: Plan, answers: Sequence[Answer], session: int, most: int) -> Script:
    start_ms = plan.duration_ms * STAGGER * _generator(plan, session, _Purpose.STAGGER).random()
    stream_ms = plan.duration_ms - start_ms
    drawn = _draw(plan, answers, _generator(plan, session, _Purpose.ANSWERS))
    if plan.chunk_rate is None:
        parts, instants_ms = _as_recorded(plan, drawn, stream_ms, most)
        interval_ms = stream_ms / len(instants_ms)
    else:
        interval_ms = 1_000 / plan.chunk_rate
        parts = _fill(drawn, stream_ms, interval_ms, most)
        instants_ms = _paced(plan, parts, interval_ms)
    if plan.jitter:
        jitter = _generator(plan, session, _Purpose.JITTER)
        instants_ms = _jittered(instants_ms, plan.jitter * interval_ms, jitter)
    offsets_ms = start_ms + np.minimum(instants_ms, stream_ms)
    return Script(start_ms, np.minimum(offsets_ms, plan.duration_ms), tuple(parts))


def _generator(plan: Plan, session: int, purpose: _Purpose) -> np.random.Generator:
    return np.random.default_rng([plan.seed, session, purpose])


def _draw(plan: Plan, answers: Sequence[Answer], generator: np.random.Generator) -> Iterator[Part]:
    """Answers without end; whoever draws bounds it."""
    while True:
        answer = answers[int(generator.random() * len(answers))]
        yield answer, min(len(answer.texts), plan.message_chunks or len(answer.texts))


def _fill(drawn: Iterator[Part], stream_ms: float, interval_ms: float, most: int) -> list[Part]:
    """Answers of floor(stream_ms / interval_ms) chunks together; the last one is cut to fit."""
    left = int(stream_ms / interval_ms + 1e-9)  # the rate's rounding must not cost a chunk
    if left == 0:
        raise UsageError("chunk_rate: less than one chunk in duration_ms; give more of either")
    _check_count(left, most)
    parts: list[Part] = []
    while left:
        answer, count = next(drawn)
        parts.append((answer, min(count, left)))
        left -= parts[-1][1]
    return parts


def _paced(plan: Plan, parts: Sequence[Part], interval_ms: float) -> Milliseconds:
    """Every chunk's instant after the session's start, at one chunk an interval on average."""
    lead_ms = 0.0
    if plan.ttft_ms is not None:
        chunks = sum(count for _, count in parts)
        lead_ms = plan.ttft_ms
        left_ms = chunks * interval_ms - len(parts) * lead_ms
        if left_ms <= 0 < lead_ms:
            raise UsageError(
                f"ttft_ms: {lead_ms:g} before each of {len(parts)} answers leaves no time for "
                f"{chunks} chunks at chunk_rate {plan.chunk_rate:g}"
            )
        interval_ms = left_ms / chunks
    instants_ms: list[Milliseconds] = []
    at_ms = 0.0
    for answer, count in parts:
        gaps = np.diff(answer.at_ms[:count], prepend=0.0)
        if plan.ttft_ms is None:
            gaps = _of_mean_one(gaps)
        else:
            gaps[0] = 0.0
            gaps[1:] = _of_mean_one(gaps[1:])
        instants_ms.append(at_ms + lead_ms + interval_ms * np.cumsum(gaps))
        at_ms += lead_ms + interval_ms * count
    return np.maximum.accumulate(np.concatenate(instants_ms))  # rounding must not disorder them


def _of_mean_one(gaps: Milliseconds) -> Milliseconds:
    """The same pattern stretched to a mean of 1; evenly spaced where all came at one instant."""
    total = gaps.sum()
    return gaps * (len(gaps) / total) if total else np.ones_like(gaps)


def _as_recorded(
    plan: Plan, drawn: Iterator[Part], stream_ms: float, most: int
) -> tuple[list[Part], Milliseconds]:
    """Answers at their recorded pace until the time is over, the last one cut there."""
    parts: list[Part] = []
    instants_ms: list[Milliseconds] = []
    at_ms, chunks = 0.0, 0
    while True:
        answer, count = next(drawn)
        at = answer.at_ms[:count]
        ttft_ms = at[0] if plan.ttft_ms is None else plan.ttft_ms
        at = at_ms + ttft_ms + (at - at[0])
        fitting = int(np.searchsorted(at, stream_ms, side="right"))
        if fitting:
            parts.append((answer, fitting))
            instants_ms.append(at[:fitting])
            chunks += fitting
            _check_count(chunks, most)
        if fitting < count:
            break
        if at[-1] - at_ms < count * FASTEST_MS:
            raise UsageError(
                f"answer {answer.name}: {count} chunks in less than {count * FASTEST_MS:g} ms; "
                "give chunk_rate or ttft_ms"
            )
        at_ms = float(at[-1])
    if not parts:
        raise UsageError(f"duration_ms: {plan.duration_ms} is over before the first chunk")
    return parts, np.concatenate(instants_ms)


def _check_count(chunks: int, most: int) -> None:
    if chunks > most:
        raise UsageError(
            f"sessions, duration_ms, chunk_rate: more than {MAX_CHUNKS} chunks a cell; give less"
        )


def _jittered(
    instants_ms: Milliseconds, deviation_ms: float, generator: np.random.Generator
) -> Milliseconds:
    """Each chunk late by an exponential time (its mean is its standard deviation), in order."""
    late_ms = -deviation_ms * np.log1p(-generator.random(len(instants_ms)))
    return np.maximum.accumulate(instants_ms + late_ms)
