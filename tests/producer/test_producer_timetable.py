"""The timetable is a function of plan and answers, and holds what its docstring promises."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from producer_kit import ANSWERS, a_plan

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import UsageError
from chunk7.producer.answers import SHIPPED, Answer, read_answers
from chunk7.producer.timetable import (
    MAX_CHUNKS,
    STAGGER,
    Script,
    scripts,
    session_plans,
)
from chunk7.wire.plan import Cell, Plan

pytestmark = pytest.mark.clocked

gaps = st.lists(st.sampled_from([0.0, 7.0, 40.0, 900.0]), min_size=1, max_size=30)
answer_sets = st.lists(gaps, min_size=1, max_size=3).map(
    lambda recorded: tuple(
        Answer(str(number), tuple(f"{number}.{i}" for i in range(len(steps))), np.cumsum(steps))
        for number, steps in enumerate(recorded)
    )
)
plans = st.builds(
    a_plan,
    cells=st.just([Cell("a", "atomic_lua"), Cell("b", "save_then_publish")]),
    seed=st.integers(0, 2**63 - 1),
    sessions=st.integers(1, 4),
    duration_ms=st.integers(1, 3_000),
    settle_ms=st.integers(0, 1_000),
    lead_ms=st.integers(0, 1_000),
    chunk_rate=st.none() | st.floats(0.5, 200),
    jitter=st.sampled_from([0.0, 0.3, 2.0]),
    ttft_ms=st.sampled_from([None, 0.0, 1.5, 40.0, 300.0]),
    message_chunks=st.none() | st.integers(1, 40),
)

relaxed = settings(deadline=None)  # the machine is shared


def scripts_of(plan: Plan, answers: tuple[Answer, ...]) -> tuple[Script, ...]:
    """The scripts; plans that no timetable can meet are left out."""
    try:
        return scripts(plan, answers)
    except UsageError:
        assume(False)
        raise


def told(script: Script, session: str = "s") -> list[tuple[float, Chunk]]:
    """A script's chunks as a list."""
    return list(script.chunks(session))


@relaxed
@given(plans, answer_sets)
def test_offsets_never_decrease_and_stay_in_the_cell(
    plan: Plan, answers: tuple[Answer, ...]
) -> None:
    for script in scripts_of(plan, answers):
        offsets = [offset for offset, _ in told(script)]
        assert len(offsets) == sum(count for _, count in script.parts) > 0
        assert offsets == sorted(offsets)
        assert 0 <= script.start_ms <= STAGGER * plan.duration_ms
        assert script.start_ms <= offsets[0]
        assert offsets[-1] <= plan.duration_ms


@relaxed
@given(plans, answer_sets)
def test_messages_are_answers_from_the_start_with_one_final_chunk(
    plan: Plan, answers: tuple[Answer, ...]
) -> None:
    for script in scripts_of(plan, answers):
        chunks = iter([chunk for _, chunk in told(script)])
        for number, (answer, count) in enumerate(script.parts):
            assert count <= (plan.message_chunks or count)
            assert list(itertools.islice(chunks, count)) == [
                Chunk("s", f"s-m{number}", i, answer.texts[i], i == count - 1) for i in range(count)
            ]


@relaxed
@given(plans, answer_sets)
def test_the_same_order_gives_the_same_timetable(plan: Plan, answers: tuple[Answer, ...]) -> None:
    first, second = scripts_of(plan, answers), scripts(plan, answers)
    assert [told(script) for script in first] == [told(script) for script in second]


@relaxed
@given(plans, answer_sets)
def test_adding_sessions_keeps_the_others(plan: Plan, answers: tuple[Answer, ...]) -> None:
    more = a_plan(**{**_fields(plan), "sessions": plan.sessions + 1})
    longer = scripts_of(more, answers)
    assert [told(script) for script in scripts(plan, answers)] == [
        told(script) for script in longer[:-1]
    ]


@relaxed
@given(plans, answer_sets)
def test_every_cell_gets_the_same_offsets(plan: Plan, answers: tuple[Answer, ...]) -> None:
    written = scripts_of(plan, answers)
    promised = session_plans(plan, written)
    assert len({one.session_id for one in promised}) == len(promised) == 2 * plan.sessions
    shift_ms = plan.duration_ms + plan.quiet_ms
    assert plan.cell_start_ms(1) - plan.cell_start_ms(0) == shift_ms
    for session, script in enumerate(written):
        first, second = promised[session], promised[plan.sessions + session]
        assert (first.cell, second.cell) == (0, 1)
        assert first.session_id == plan.session_id(0, session) == f"r-0-{session}"
        assert first.chunks == second.chunks == len(script.offsets_ms)
        assert second.start_ms - first.start_ms == pytest.approx(shift_ms)
        assert second.end_ms - first.end_ms == pytest.approx(shift_ms)
        assert first.end_ms <= plan.cell_start_ms(0) + plan.duration_ms


@relaxed
@given(plans.filter(lambda plan: plan.chunk_rate is not None), answer_sets)
def test_a_session_streams_at_the_rate_it_was_told(plan: Plan, answers: tuple[Answer, ...]) -> None:
    """N chunks take N intervals, the last chunk's own apart where the first token's is given."""
    assert plan.chunk_rate is not None
    interval_ms = 1_000 / plan.chunk_rate
    plan = a_plan(**{**_fields(plan), "jitter": 0.0})
    for script in scripts_of(plan, answers):
        chunks = len(script.offsets_ms)
        took_ms = script.offsets_ms[-1] - script.start_ms
        available_ms = plan.duration_ms - script.start_ms
        assert abs(chunks * interval_ms - available_ms) <= interval_ms * (1 + 1e-6)
        slack_ms = 0 if plan.ttft_ms is None else interval_ms
        assert chunks * interval_ms - slack_ms - 1e-6 <= took_ms <= chunks * interval_ms + 1e-6


@relaxed
@given(plans, answer_sets)
def test_jitter_only_delays(plan: Plan, answers: tuple[Answer, ...]) -> None:
    calm = scripts_of(a_plan(**{**_fields(plan), "jitter": 0.0}), answers)
    for still, shaken in zip(calm, scripts(plan, answers), strict=True):
        assert [chunk for _, chunk in told(still)] == [chunk for _, chunk in told(shaken)]
        assert (shaken.offsets_ms >= still.offsets_ms - 1e-9).all()


def test_jitter_has_the_deviation_it_was_told() -> None:
    """Far apart, so that no chunk waits for another: the delays are exponential, deviation 2 ms."""
    still = a_plan(sessions=1, duration_ms=2_000_000, chunk_rate=1.0, ttft_ms=0.0)
    shaken = a_plan(**{**_fields(still), "jitter": 0.002})
    even = (Answer("even", ("a", "b"), np.array([0.0, 1.0])),)
    late_ms = (scripts(shaken, even)[0].offsets_ms - scripts(still, even)[0].offsets_ms)[:-1]
    error = 2 * 5 / np.sqrt(len(late_ms))  # five standard errors of an exponential's mean
    assert abs(late_ms.mean() - 2) < error
    assert abs(late_ms.std() - 2) < 2 * error


def test_without_a_rate_the_recorded_instants_stand() -> None:
    plan = a_plan(sessions=1, duration_ms=3_000, chunk_rate=None)
    script = scripts(plan, ANSWERS)[0]
    at_ms, expected = script.start_ms, []
    for answer, count in script.parts:
        expected += [at_ms + at for at in answer.at_ms[:count]]
        at_ms += answer.at_ms[-1]
    assert script.offsets_ms.tolist() == pytest.approx(expected)
    assert at_ms > 2_500  # the last answer was cut, not left out


def test_a_given_first_token_replaces_the_recorded_one() -> None:
    plan = a_plan(sessions=1, duration_ms=350, chunk_rate=None, ttft_ms=7.0)
    script = scripts(plan, ANSWERS[:1])[0]
    offsets = (script.offsets_ms - script.start_ms).round(6).tolist()
    assert offsets == [7.0, 107.0, 207.0, 307.0]


def test_a_given_first_token_keeps_the_rate() -> None:
    """Ten answers of 8 chunks at 100 chunks/s: 40 ms, then gaps of (800 - 400) / 80 = 5 ms."""
    plan = a_plan(sessions=1, duration_ms=889, ttft_ms=40.0, seed=9)
    script = scripts(plan, ANSWERS[:1])[0]
    chunks = len(script.offsets_ms)
    gap_ms = (chunks * 10 - len(script.parts) * 40) / chunks
    steps = np.diff(script.offsets_ms, prepend=script.start_ms)
    firsts = np.arange(chunks) % 8 == 0
    assert steps[~firsts] == pytest.approx(gap_ms)
    assert steps[0] == pytest.approx(40)
    assert steps[firsts][1:] == pytest.approx(40 + gap_ms)


def test_the_corpus_runs_at_the_rate_it_was_told() -> None:
    plan = a_plan(sessions=20, duration_ms=9_000, chunk_rate=50.0)
    for script in scripts(plan, read_answers(SHIPPED)):
        took_s = (script.offsets_ms[-1] - script.start_ms) / 1_000
        assert len(script.offsets_ms) / took_s == pytest.approx(50, rel=0.001)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"chunk_rate": 1.0, "duration_ms": 100}, "chunk_rate: less than one chunk"),
        ({"chunk_rate": None, "duration_ms": 50}, "duration_ms: 50 is over before the first"),
        ({"ttft_ms": 300.0}, "ttft_ms: 300 before each of"),
        ({"duration_ms": 86_400_000, "chunk_rate": 10_000.0}, f"more than {MAX_CHUNKS} chunks"),
    ],
)
def test_what_no_timetable_can_meet_is_named(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        scripts(a_plan(**changed), ANSWERS)


def test_answers_that_take_no_time_are_named_not_streamed_for_ever() -> None:
    instant = (Answer("instant", ("a", "b"), np.zeros(2)),)
    with pytest.raises(UsageError, match=r"answer instant: 2 chunks in less than 0\.2 ms"):
        scripts(a_plan(chunk_rate=None), instant)
    assert len(scripts(a_plan(chunk_rate=100.0, duration_ms=1_000), instant)) == 2


def _fields(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__struct_fields__}
