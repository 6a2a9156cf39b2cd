"""Who joins which session when: a pure function of the timetable and the user's number.

A cell is cut into equal slots of about 5 s (`Plan.slots`), and in each a user makes one visit to
one session. The join's moment is drawn evenly from the part of the slot in which the session
streams; that evenness is what the law's expectation rests on, so its bounds are kept. Every cell
has the same visits at the same offsets: cells differ in their orderings only.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.wire.plan import STAY, Plan, SessionPlan, Timetable


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


def join_schedule(timetable: Timetable, user: int) -> list[Visit]:
    """A user's visits, in order of time.

    They depend on the timetable and `user` (0, 1, ...) alone, so more users change nothing for
    those there are. Users 0..n-1 spread evenly: in any slot, session counts differ by at most 1.
    A slot in which the session does not stream long enough to be joined has no visit.
    """
    plan = timetable.plan
    by_cell: list[list[SessionPlan]] = [[] for _ in plan.cells]
    for session in timetable.sessions:
        by_cell[session.cell].append(session)
    stays = [
        stay
        for slot in range(plan.slots)
        if (stay := _stay(plan, by_cell[0], user, slot)) is not None
    ]
    return [
        _visit(plan, cell, sessions, stay)
        for cell, sessions in enumerate(by_cell)
        for stay in stays
    ]


@dataclass(frozen=True, slots=True)
class _Stay:
    """A visit without its cell: offsets from the cell's start, the session by its place."""

    session: int
    earliest_ms: float
    latest_ms: float
    join_ms: float
    leave_ms: float
    last: bool


def _stay(plan: Plan, sessions: Sequence[SessionPlan], user: int, slot: int) -> _Stay | None:
    """The stay in one slot, drawn on the first cell's sessions, which all others repeat."""
    slot_start_ms = slot * plan.slot_ms
    slot_end_ms = slot_start_ms + plan.slot_ms
    place = _place(plan.seed, user, slot, len(sessions))
    session = sessions[place]
    start_ms = plan.cell_start_ms(session.cell)
    # Later slots wait until the visit before is over.
    first_ms = slot_start_ms + (plan.quiet_ms if slot else 0.0)
    earliest_ms = max(first_ms, session.start_ms - start_ms)
    latest_ms = min(slot_end_ms, session.end_ms - start_ms)
    if latest_ms <= earliest_ms:
        return None
    draw = random.Random(f"{plan.seed} join {user} {slot}").random()
    return _Stay(
        session=place,
        earliest_ms=earliest_ms,
        latest_ms=latest_ms,
        join_ms=earliest_ms + draw * (latest_ms - earliest_ms),
        leave_ms=slot_end_ms + STAY * plan.quiet_ms,
        last=slot == plan.slots - 1,
    )


def _place(seed: int, user: int, slot: int, sessions: int) -> int:
    """Each block of as many users as there are sessions gets a permutation of them."""
    block, place = divmod(user, sessions)
    permutation = list(range(sessions))
    random.Random(f"{seed} sessions {block} {slot}").shuffle(permutation)
    return permutation[place]


def _visit(plan: Plan, cell: int, sessions: Sequence[SessionPlan], stay: _Stay) -> Visit:
    start_ms = plan.cell_start_ms(cell)
    session = sessions[stay.session]
    return Visit(
        cell=cell,
        connect=plan.cells[cell].connect,
        write=plan.cells[cell].write,
        session_id=session.session_id,
        join_earliest_ms=start_ms + stay.earliest_ms,
        join_latest_ms=start_ms + stay.latest_ms,
        join_ms=start_ms + stay.join_ms,
        leave_ms=start_ms + stay.leave_ms,
        chunks_due=session.chunks if stay.last else None,
    )
