"""Who joins which session when: a pure function of the timetable and the user's number.

A cell of duration D is cut into V = max(1, round(D / 5 s)) equal slots, and in each a user makes
one visit to one session. The join's moment is drawn evenly from the part of the slot in which the
session streams; that evenness is what the law's expectation rests on, so its bounds are kept.
Every cell has the same visits at the same offsets: cells differ in their orderings only.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.wire.timetable import Order, SessionPlan, Timetable

SLOT_MS = 5_000
STAY = 0.8
"""Part of the settle time that a visit outlasts its slot by; the rest is for closing."""

SETTLE_MS = 1_200
"""The settle time where nothing is slow."""
_ROUND_TRIPS = 6


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection to be made. Instants are milliseconds after the timetable's epoch."""

    cell: int
    connect: str
    write: str
    session_id: str
    join_earliest_ms: float
    join_latest_ms: float
    join_ms: float
    leave_ms: float
    chunks_due: int | None
    """How many chunks the session has sent by `leave_ms`, where that is the whole of it."""


def slot_count(duration_ms: int) -> int:
    """How many visits a user makes in a cell."""
    return max(1, round(duration_ms / SLOT_MS))


def settle_ms(node_work_ms: float, save_lag_ms: float, store_latency_ms: float) -> int:
    """Quiet time after each cell: long enough for the last join and the last write to end.

    The latency is that of one way; a join has up to six round trips to the store.
    """
    slow_ms = node_work_ms + save_lag_ms + 2 * _ROUND_TRIPS * store_latency_ms
    return SETTLE_MS + round(slow_ms / STAY)


def itinerary(timetable: Timetable, user: int) -> list[Visit]:
    """A user's visits, in order of time.

    They depend on the timetable and `user` (0, 1, ...) alone, so more users change nothing for
    those there are. Users 0..n-1 spread evenly: in any slot, session counts differ by at most 1.
    A slot in which the session does not stream long enough to be joined has no visit.
    """
    order = timetable.order
    by_cell: list[list[SessionPlan]] = [[] for _ in order.cells]
    for plan in timetable.sessions:
        by_cell[plan.cell].append(plan)
    stays = [
        stay
        for slot in range(slot_count(order.duration_ms))
        if (stay := _stay(order, by_cell[0], user, slot)) is not None
    ]
    return [
        _visit(order, cell, plans, stay) for cell, plans in enumerate(by_cell) for stay in stays
    ]


def cell_start_ms(order: Order, cell: int) -> float:
    """When a cell starts, after the epoch."""
    return order.lead_ms + cell * (order.duration_ms + order.settle_ms)


def end_ms(order: Order) -> float:
    """When the last cell has settled, after the epoch."""
    return cell_start_ms(order, len(order.cells))


@dataclass(frozen=True, slots=True)
class _Stay:
    """A visit without its cell: offsets from the cell's start, the session by its place."""

    session: int
    earliest_ms: float
    latest_ms: float
    join_ms: float
    leave_ms: float
    last: bool


def _stay(order: Order, plans: Sequence[SessionPlan], user: int, slot: int) -> _Stay | None:
    """The stay in one slot, drawn on the first cell's plans, which all others repeat."""
    slot_ms = order.duration_ms / slot_count(order.duration_ms)
    slot_start_ms = slot * slot_ms
    session = _session(order.seed, user, slot, len(plans))
    plan = plans[session]
    start_ms = cell_start_ms(order, plan.cell)
    # Later slots wait until the visit before is over.
    first_ms = slot_start_ms + (order.settle_ms if slot else 0.0)
    earliest_ms = max(first_ms, plan.start_ms - start_ms)
    latest_ms = min(slot_start_ms + slot_ms, plan.end_ms - start_ms)
    if latest_ms <= earliest_ms:
        return None
    draw = random.Random(f"{order.seed} join {user} {slot}").random()
    return _Stay(
        session=session,
        earliest_ms=earliest_ms,
        latest_ms=latest_ms,
        join_ms=earliest_ms + draw * (latest_ms - earliest_ms),
        leave_ms=slot_start_ms + slot_ms + STAY * order.settle_ms,
        last=slot == slot_count(order.duration_ms) - 1,
    )


def _session(seed: int, user: int, slot: int, sessions: int) -> int:
    """Each block of as many users as there are sessions gets a permutation of them."""
    block, place = divmod(user, sessions)
    permutation = list(range(sessions))
    random.Random(f"{seed} sessions {block} {slot}").shuffle(permutation)
    return permutation[place]


def _visit(order: Order, cell: int, plans: Sequence[SessionPlan], stay: _Stay) -> Visit:
    start_ms = cell_start_ms(order, cell)
    plan = plans[stay.session]
    return Visit(
        cell=cell,
        connect=order.cells[cell].connect,
        write=order.cells[cell].write,
        session_id=plan.session_id,
        join_earliest_ms=start_ms + stay.earliest_ms,
        join_latest_ms=start_ms + stay.latest_ms,
        join_ms=start_ms + stay.join_ms,
        leave_ms=start_ms + stay.leave_ms,
        chunks_due=plan.chunks if stay.last else None,
    )
