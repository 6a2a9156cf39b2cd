from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chunk7.loadtest.join_schedule import Visit, join_schedule
from chunk7.wire.plan import STAY, Cell, Plan, SessionPlan, Timetable

CELLS = [Cell("a", "x"), Cell("b", "x"), Cell("b", "y")]


def make_timetable(
    sessions: int = 4,
    duration_ms: int = 12_000,
    settle_ms: int = 500,
    seed: int = 1,
    spread_ms: float = 0.0,
    cells: list[Cell] = CELLS,
) -> Timetable:
    """Sessions that start `spread_ms` apart and end as much before the cell does."""
    plan = Plan(
        run="r",
        cells=cells,
        seed=seed,
        sessions=sessions,
        duration_ms=duration_ms,
        settle_ms=settle_ms,
        lead_ms=500,
    )
    sessions_ = [
        SessionPlan(
            session_id=f"r-{cell}-{session}",
            cell=cell,
            start_ms=plan.cell_start_ms(cell) + session * spread_ms,
            end_ms=plan.cell_start_ms(cell) + duration_ms - session * spread_ms,
            chunks=100 + session,
        )
        for cell in range(len(cells))
        for session in range(sessions)
    ]
    return Timetable(plan, epoch_ns=0, epoch_unix_ns=0, boot_id="", sessions=sessions_)


timetables = st.builds(
    make_timetable,
    sessions=st.integers(1, 9),
    duration_ms=st.integers(500, 40_000),
    settle_ms=st.integers(50, 3_000),
    seed=st.integers(0, 2**53),
    spread_ms=st.floats(0, 20),
)


def offsets(timetable: Timetable, visits: list[Visit], cell: int) -> list[tuple[object, ...]]:
    start_ms = timetable.plan.cell_start_ms(cell)
    return [
        (
            visit.session_id.rsplit("-")[-1],
            round(visit.join_earliest_ms - start_ms, 6),
            round(visit.join_latest_ms - start_ms, 6),
            round(visit.join_ms - start_ms, 6),
            round(visit.leave_ms - start_ms, 6),
            visit.chunks_due,
        )
        for visit in visits
        if visit.cell == cell
    ]


@given(timetables, st.integers(0, 10_000))
def test_every_cell_has_the_same_visits_at_the_same_offsets(
    timetable: Timetable, user: int
) -> None:
    visits = join_schedule(timetable, user)
    first = offsets(timetable, visits, 0)
    assert first
    assert offsets(timetable, visits, 1) == first
    assert offsets(timetable, visits, 2) == first
    assert {(v.cell, v.connect, v.write) for v in visits} == {
        (0, "a", "x"),
        (1, "b", "x"),
        (2, "b", "y"),
    }


@given(timetables, st.integers(0, 10_000))
def test_a_join_is_within_its_bounds_and_the_session_streams_then(
    timetable: Timetable, user: int
) -> None:
    plans = {plan.session_id: plan for plan in timetable.sessions}
    for visit in join_schedule(timetable, user):
        plan = plans[visit.session_id]
        assert plan.cell == visit.cell
        assert visit.join_earliest_ms < visit.join_latest_ms
        assert visit.join_earliest_ms <= visit.join_ms <= visit.join_latest_ms
        assert plan.start_ms <= visit.join_earliest_ms + 1e-6
        assert visit.join_latest_ms <= plan.end_ms + 1e-6
        assert visit.join_latest_ms < visit.leave_ms


@given(timetables, st.integers(0, 10_000))
def test_a_visit_is_over_before_the_users_next_can_begin(timetable: Timetable, user: int) -> None:
    visits = join_schedule(timetable, user)
    spare_ms = (1 - STAY) * timetable.plan.quiet_ms
    for before, after in pairwise(visits):
        assert before.leave_ms + spare_ms <= after.join_earliest_ms + 1e-6
    assert visits[-1].leave_ms <= timetable.plan.end_ms


@given(timetables, st.integers(1, 60))
def test_the_users_of_a_slot_are_spread_evenly_over_the_sessions(
    timetable: Timetable, users: int
) -> None:
    slot_ms = timetable.plan.slot_ms
    by_slot: dict[int, Counter[str]] = {}
    for user in range(users):
        for visit in join_schedule(timetable, user):
            if visit.cell == 0:
                offset_ms = visit.leave_ms - timetable.plan.cell_start_ms(0)
                slot = int(offset_ms // slot_ms) if slot_ms > timetable.plan.quiet_ms else 0
                by_slot.setdefault(slot, Counter())[visit.session_id] += 1
    sessions = [plan.session_id for plan in timetable.sessions if plan.cell == 0]
    if timetable.plan.quiet_ms < slot_ms / 2:  # every slot can be joined
        for counts in by_slot.values():
            per_session = [counts[session] for session in sessions]
            assert max(per_session) - min(per_session) <= 1


@given(st.integers(0, 50))
def test_a_users_draws_depend_on_seed_and_user_only(user: int) -> None:
    one_cell = join_schedule(make_timetable(cells=CELLS[:1]), user)
    assert [v for v in join_schedule(make_timetable(), user) if v.cell == 0] == one_cell
    assert join_schedule(make_timetable(), user) == join_schedule(make_timetable(), user)


def test_users_and_seeds_differ() -> None:
    joins = {
        tuple(visit.join_ms for visit in join_schedule(make_timetable(seed=seed), user))
        for seed in range(5)
        for user in range(20)
    }
    assert len(joins) == 100


def test_joins_fill_their_bounds_evenly() -> None:
    timetable = make_timetable(cells=CELLS[:1])
    places = sorted(
        (visit.join_ms - visit.join_earliest_ms) / (visit.join_latest_ms - visit.join_earliest_ms)
        for user in range(1_000)
        for visit in join_schedule(timetable, user)
    )
    # Kolmogorov's bound at a false-alarm rate of 1e-6; the seed is fixed.
    worst = max(abs(place - i / len(places)) for i, place in enumerate(places))
    assert worst < 2.7 / len(places) ** 0.5


def test_only_the_last_slot_knows_the_whole_answer() -> None:
    visits = join_schedule(make_timetable(sessions=1, duration_ms=15_000, cells=CELLS[:1]), 0)
    assert [visit.chunks_due for visit in visits] == [None, None, 100]


def test_a_cell_of_twelve_seconds_has_two_slots_and_joins_start_where_the_slot_lets_them() -> None:
    visits = join_schedule(make_timetable(sessions=1, cells=CELLS[:1]), 3)
    lead = 500
    assert [
        (v.join_earliest_ms - lead, v.join_latest_ms - lead, v.leave_ms - lead) for v in visits
    ] == [
        (0, 6_000, 6_400),
        (6_500, 12_000, 12_400),
    ]


def test_a_session_that_is_over_is_not_joined() -> None:
    timetable = make_timetable(sessions=1, cells=CELLS[:1])
    plan = timetable.sessions[0]
    short = SessionPlan(plan.session_id, 0, plan.start_ms, plan.start_ms + 3_000, 30)
    ended = Timetable(timetable.plan, 0, 0, "", [short])
    visits = join_schedule(ended, 0)
    assert [(v.join_earliest_ms, v.join_latest_ms) for v in visits] == [(500, 3_500)]
