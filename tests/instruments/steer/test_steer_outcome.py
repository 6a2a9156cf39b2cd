"""What the tries come to: counts, a verdict, and which of our orderings a system is like."""

import json
from dataclasses import replace

import pytest
from steer_kit import (
    APPEND,
    BUG,
    DOUBLED,
    FIX,
    FOLLOW,
    HUNG,
    KEPT,
    LOSING,
    LOST,
    MENDED,
    NAIVE,
    PUBLISH,
    READ,
    REFUSED,
    SAVE,
    SUBSCRIBE,
    WRITE,
    learned,
    steered,
)

from chunk7.instruments.steer.outcome import (
    METRICS,
    Natural,
    SteerLearning,
    SteerResult,
    SteerRow,
    SteerVerdict,
    Try,
    document,
)
from chunk7.instruments.steer.plan import PlannedSchedule, SteerEvent, SteerSchedule, SteerStep

SCHEDULE = PlannedSchedule(SteerSchedule((SteerStep("join1", "read"),)))


def verdict(*tries: Try, infeasible: str | None = None) -> str:
    """Of one schedule."""
    row = SteerRow(replace(SCHEDULE, infeasible=infeasible), tries)
    return SteerResult("relay", SteerLearning(), (row,)).verdict.name


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ((KEPT, KEPT), "SURVIVES"),
        ((KEPT, LOST), "LOSES"),
        ((HUNG, LOST), "LOSES"),  # once forced and lost is enough
        ((KEPT, HUNG), "UNKNOWN"),
        ((KEPT, REFUSED), "UNKNOWN"),  # it cannot be both
        ((REFUSED, REFUSED), "UNKNOWN"),  # nothing was forced at all
        ((), "UNKNOWN"),
        ((replace(HUNG, lost=(1,)),), "UNKNOWN"),  # after release: real, and proves no schedule
        ((KEPT, replace(KEPT, lost_other=1)), "UNKNOWN"),  # lost, and not by this schedule
        ((replace(KEPT, forced=False),), "UNKNOWN"),
        ((DOUBLED,), "SURVIVES"),
    ],
)
def test_the_verdict_of_a_schedule_needs_every_try(tries: tuple[Try, ...], expected: str) -> None:
    assert verdict(*tries) == expected


def test_infeasible_schedules_are_left_out_of_the_verdict_and_cannot_make_it() -> None:
    assert verdict(infeasible="read comes only after subscribe") == "UNKNOWN"
    assert MENDED.verdict is SteerVerdict.SURVIVES
    assert steered(FIX, {"save 1, publish 1, subscribe, read": (HUNG,)}).verdict == "unknown"
    refused = steered(FIX, {"save 1, publish 1, subscribe, read": (REFUSED,) * 2})
    assert refused.verdict is SteerVerdict.SURVIVES
    assert refused.rows[0].infeasible == "subscribe comes only after read"


def test_what_the_plan_forbids_and_a_try_did_all_the_same_is_not_infeasible() -> None:
    row = SteerRow(replace(SCHEDULE, infeasible="read comes only after subscribe"), (KEPT,))
    assert row.infeasible is None


def test_tries_are_counted_by_what_they_came_to() -> None:
    disordered = replace(DOUBLED, out_of_order=2, late=1, unexpected=1)
    row = SteerRow(SCHEDULE, (KEPT, LOST, disordered, HUNG, replace(KEPT, forced=False), REFUSED))
    assert row.counts == {
        "tries": 6, "forced": 3, "lossy": 1, "lossy_elsewhere": 0, "doubled": 1,
        "out_of_order": 1, "unexpected": 1, "late": 1, "infeasible": 1, "undetermined": 2,
    }  # fmt: skip
    assert row.lost == {1: 1}
    assert row.because == {"no read within 5 s": 1, "not every event came in its place": 1}


def test_the_schedule_that_is_drawn_lost_most_often() -> None:
    second = "publish 1, save 1, read, subscribe"
    result = steered(BUG, {LOSING: (LOST, KEPT), second: (LOST, LOST)})
    assert result.losing is not None
    assert result.losing.schedule.key == second
    assert MENDED.losing is None


def test_metrics_count_schedules_and_tries() -> None:
    metrics = NAIVE.metrics
    assert metrics.pop("natural_loss_rate_high") == Natural.of(1, 50).high
    assert metrics == {
        "lossy_schedules": 1, "lossy_tries": 3, "doubled_tries": 0, "out_of_order_tries": 0,
        "undetermined_schedules": 0, "infeasible_schedules": 13, "lossy_faults": 0,
        "natural_loss_rate": 0.02,
    }  # fmt: skip
    hung = steered(FIX, {"save 1, subscribe, read, publish 1": (HUNG, DOUBLED)})
    assert hung.metrics["undetermined_schedules"] == 1
    assert hung.metrics["doubled_tries"] == 1
    assert hung.metrics["natural_loss_rate"] is None
    assert tuple(NAIVE.metrics) == METRICS


def test_a_natural_rate_has_its_interval() -> None:
    """Wilson's of 1 of 50, at 95%."""
    natural = Natural.of(1, 50)
    assert (round(natural.low, 4), round(natural.high, 4)) == (0.0035, 0.105)


NEITHER = learned((READ, SUBSCRIBE), frozenset(), (PUBLISH, SAVE), frozenset())


INSIDE = replace(  # live chunks are passed on inside the process
    BUG,
    join=(READ, SteerEvent.ANSWER),
    join_keeps=frozenset([(READ, SteerEvent.ANSWER)]),
)


@pytest.mark.parametrize(
    ("result", "equals"),
    [
        (NAIVE, "history_then_subscribe x publish_then_save"),
        (MENDED, "buffered_merge x save_then_publish"),
        (
            steered(FIX, {"save 1, subscribe, read, publish 1": (DOUBLED,)}),
            "subscribe_then_history x save_then_publish",
        ),
        (steered(INSIDE, {}), "buffered_merge x publish_then_save"),
        (
            steered(INSIDE, {"read, publish 1, save 1, answer": (DOUBLED,) * 3}),
            "subscribe_then_history x publish_then_save",
        ),
        (
            steered(INSIDE, {"read, publish 1, save 1, answer": (LOST,) * 3}),
            "history_then_subscribe x publish_then_save",
        ),
        (steered(BUG, {}), "sequence_gap_fill x publish_then_save"),  # it repairs what it missed
        (steered(BUG, {LOSING: (HUNG,)}), None),
        (  # it orders nothing, as after an unconfirmed subscription: as it stood where it lost
            steered(NEITHER, {"read, publish 1, save 1, subscribe": (LOST,)}),
            "history_then_subscribe x publish_then_save",
        ),
        (
            steered(
                replace(NEITHER, join_keeps=FIX.join_keeps),
                {"publish 1, subscribe, read, save 1": (LOST,)},
            ),
            "buffered_merge x publish_then_save",
        ),
        (steered(NEITHER, {}), None),
        (
            steered(learned((READ, SUBSCRIBE), BUG.join_keeps, (WRITE,), frozenset()), {}),
            "sequence_gap_fill x atomic_multi",
        ),
        (
            steered(
                learned((READ, FOLLOW), frozenset([(READ, FOLLOW)]), (APPEND,), frozenset()), {}
            ),
            "redis_streams x stream_append",
        ),
        (  # a cursor that forgets is no ordering of ours
            steered(
                learned((READ, FOLLOW), frozenset([(READ, FOLLOW)]), (APPEND,), frozenset()),
                {"read, append 1, follow": (LOST,)},
            ),
            None,
        ),
        (replace(NAIVE, write="atomic_lua"), "history_then_subscribe x atomic_lua"),
    ],
)
def test_a_system_is_like_the_ordering_of_ours_that_comes_to_the_same(
    result: SteerResult, equals: str | None
) -> None:
    assert result.equals == equals


def test_the_document_is_json_and_has_every_try() -> None:
    told = json.loads(json.dumps(document(NAIVE)))
    assert told["verdict"] == "loses"
    assert told["equals"] == "history_then_subscribe x publish_then_save"
    assert told["learned"]["join_keeps"] == [["read", "subscribe"]]
    assert told["learned"]["rules"][0] == "--read 'LRANGE chat:{session_id}:history'"
    assert told["natural"]["rate"] == 0.02
    losing, *_, infeasible = told["schedules"]
    assert losing["schedule"] == LOSING
    assert losing["steps"][1] == {"actor": "producer", "event": "publish", "chunk": 1}
    assert (losing["forced"], losing["lossy"], losing["lost"]) == (3, 3, {"1": 3})
    assert losing["equivalents"] == 3
    assert losing["seconds_p50"] == 0.2
    assert len(losing["each"]) == 3
    assert losing["each"][0]["lost"] == [1]
    assert infeasible["infeasible"] == "subscribe comes only after read"
    assert infeasible["seconds_p50"] is None
