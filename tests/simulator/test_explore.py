"""The explorer's verdicts: the known facts, exact counts, honest bounds."""

import math

import pytest
from explore_kit import PAIR_NAMES, PAIRS, counts, every_schedule, toy_connects, toy_writes
from hypothesis import given, settings
from wide_kit import share

from chunk7.delivery.effects import Confirmed, ReadHead, ReadHistory, SendHistory, SendWelcome
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import ConnectOrdering, ConnectSteps, Join, WriteOrdering
from chunk7.faults import STRIKES
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore import search
from chunk7.simulator.explore.schedule import ALWAYS, Failure
from chunk7.simulator.explore.search import (
    Exploration,
    ExploreVerdict,
    SearchLimits,
    explore,
    failures,
    walk,
)
from chunk7.simulator.explore.state import ExploreCell, State, session_chunks
from chunk7.simulator.explore.world import World, replay

PUBSUB_WRITES = [name for name in WRITE_ORDERINGS if name != "stream_append"]
ORDERED_WRITES = [name for name in PUBSUB_WRITES if name != "publish_then_save"]

QUICK_PAIRS = [
    (connect, write)
    for connect, write in PAIRS
    if connect.name != "sequence_gap_fill" or write.name == "atomic_lua"
]
"""Cells whose schedules can all be walked within a second or so under a fault."""


def explored(connect: str, write: str, **options: object) -> Exploration:
    return explore(ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], **options))


def seen(result: Exploration) -> dict[str, bool]:
    """Which failures some schedule of a completely explored cell has."""
    assert result.search.complete
    return {str(kind): getattr(result.search.tally, kind) > 0 for kind in ALWAYS}


# --- the known facts ---------------------------------------------------------------------------


@pytest.mark.parametrize("write", PUBSUB_WRITES)
def test_history_then_subscribe_loses_under_every_write_ordering(write: str) -> None:
    assert explored("history_then_subscribe", write).verdict == ExploreVerdict.LOSES


def test_the_recommended_fix_loses_with_the_bug_reports_own_producer() -> None:
    result = explored("subscribe_then_history", "publish_then_save")
    assert result.verdict == ExploreVerdict.LOSES


@pytest.mark.parametrize("write", ORDERED_WRITES)
def test_the_recommended_fix_with_an_ordered_producer_duplicates_and_never_loses(
    write: str,
) -> None:
    result = explored("subscribe_then_history", write)
    assert result.verdict == ExploreVerdict.LOSSLESS
    assert seen(result) == {
        "lossy": False,
        "duplicating": True,
        "out_of_order": True,
        "rewinding": True,
        "stuck": False,
    }


@pytest.mark.parametrize("write", ORDERED_WRITES)
@pytest.mark.parametrize("joiners", [1, 2])
def test_buffered_merge_with_an_ordered_producer_neither_loses_nor_duplicates_nor_reorders(
    write: str, joiners: int
) -> None:
    result = explored("buffered_merge", write, joiners=joiners)
    assert not any(seen(result).values())


def test_streams_are_lossless_without_duplicates_and_in_order() -> None:
    assert not any(seen(explored("redis_streams", "stream_append")).values())


@pytest.mark.parametrize("write", PUBSUB_WRITES)
def test_gap_filling_with_heads_loses_nothing_whoever_writes(write: str) -> None:
    assert explored("sequence_gap_fill", write).verdict == ExploreVerdict.LOSSLESS


# --- counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
def test_pruned_counts_are_those_of_walking_every_schedule(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    asks_again = connect.name in ("sequence_gap_fill", "positioned_merge")
    vast = asks_again and write.name != "atomic_lua"
    cell = ExploreCell(connect, write, chunks=1 if vast else 2)
    assert explore(cell).search.tally[: 1 + len(Failure)] == counts(World(cell, blind=True))


def test_pruned_counts_hold_without_heartbeats_while_the_producer_writes() -> None:
    gap_fill, multi = CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["atomic_multi"]
    cell = ExploreCell(gap_fill, multi, chunks=2, early_beats=0)
    assert explore(cell).search.tally[: 1 + len(Failure)] == counts(World(cell, blind=True))


@pytest.mark.parametrize("faults", [(), ("node_kill",), ("stale_read",)], ids=str)
@pytest.mark.parametrize(("connect", "write"), QUICK_PAIRS)
def test_states_that_differ_in_the_clients_names_are_counted_as_if_walked_twice(
    connect: ConnectOrdering,
    write: WriteOrdering,
    faults: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = ExploreCell(connect, write, chunks=1, joiners=2, faults=faults, early_beats=0)
    by_symmetry = walk(World(cell), SearchLimits(), math.inf)
    monkeypatch.setattr(search, "canonical", lambda state: state)
    one_by_one = walk(World(cell), SearchLimits(), math.inf)
    assert by_symmetry.tally == one_by_one.tally
    assert by_symmetry.states < 0.6 * one_by_one.states
    assert {k: len(steps) for k, steps in by_symmetry.shortest.items()} == {
        k: len(steps) for k, steps in one_by_one.shortest.items()
    }
    world = World(cell)
    for steps in by_symmetry.shortest.values():
        assert not world.moves(replay(world, steps)[-1])


WRITES_ALL_AGAIN = frozenset({"producer_crash", "producer_zombie", "store_failover_behind"})
"""Faults after which one chunk is as many commands as two, or which strike in many ways: only short
writes are walked.
"""


@pytest.mark.parametrize(
    ("connect", "write", "fault"),
    share(
        (connect, write, fault)
        for connect, write in QUICK_PAIRS
        for fault in STRIKES
        if fault not in WRITES_ALL_AGAIN or write.name in ("atomic_lua", "stream_append")
    ),
)
def test_pruned_counts_are_those_of_walking_every_schedule_under_a_fault(
    connect: ConnectOrdering, write: WriteOrdering, fault: str
) -> None:
    cell = ExploreCell(connect, write, chunks=1, faults=(fault,), early_beats=0)
    assert explore(cell).search.tally[: 1 + len(Failure)] == counts(World(cell, blind=True))


@given(toy_connects, toy_writes)
@settings(max_examples=60, deadline=None)
def test_pruned_counts_hold_for_orderings_that_nobody_has_thought_of(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    assert explore(cell).search.tally[: 1 + len(Failure)] == counts(World(cell, blind=True))


@pytest.mark.parametrize(
    ("connect", "write", "faults"),
    share(
        (
            (connect, write, faults)
            for connect, write in PAIRS
            for faults in [(), *((fault,) for fault in STRIKES)]
            if (connect, write) in QUICK_PAIRS or not WRITES_ALL_AGAIN.intersection(faults)
        ),
        one_in=6,
    ),
)
def test_a_client_that_hears_at_once_changes_no_verdict(
    connect: ConnectOrdering, write: WriteOrdering, faults: tuple[str, ...]
) -> None:
    wide = connect.name == "sequence_gap_fill" or (connect.mends and faults)
    chunks = 1 if wide or WRITES_ALL_AGAIN.intersection(faults) else 2
    cell = ExploreCell(connect, write, chunks=chunks, faults=faults)
    found = [
        walk(World(cell, wires=wires), SearchLimits(), float("inf")) for wires in (False, True)
    ]
    at_once, later = ({kind: getattr(s.tally, kind) > 0 for kind in Failure} for s in found)
    assert all(search.complete for search in found)
    assert at_once == later


def test_the_shortest_failure_is_the_shortest_of_all_schedules() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["subscribe_then_history"], WRITE_ORDERINGS["publish_then_save"], chunks=2
    )
    world = World(cell)
    shortest = dict.fromkeys(Failure, 99)

    def visit(steps: tuple[object, ...], state: object) -> None:
        for kind, holds in failures(world.outcome(state)).items():
            if holds:
                shortest[kind] = min(shortest[kind], len(steps))

    every_schedule(world, visit)
    found = explore(cell).search.shortest
    assert {kind: len(steps) for kind, steps in found.items()} == {
        kind: steps for kind, steps in shortest.items() if steps < 99
    }


# --- bounds and broken orderings ---------------------------------------------------------------


def test_a_bound_that_is_reached_without_a_loss_is_unknown_and_never_lossless() -> None:
    cell = ExploreCell(CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"])
    result = explore(cell, SearchLimits(max_schedules=5))
    assert result.verdict == ExploreVerdict.UNKNOWN
    assert not result.search.complete
    assert 0 < result.search.tally.schedules < explore(cell).search.tally.schedules
    assert explore(cell, SearchLimits(max_seconds=0)).verdict in ("unknown", "lossless")


def test_time_bounds_a_cell_that_is_too_big() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["save_then_publish"], 20, 2
    )
    result = explore(cell, SearchLimits(max_seconds=0.1))
    assert result.verdict == ExploreVerdict.UNKNOWN


def test_a_loss_within_a_bound_is_a_loss() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["atomic_lua"], 20, 2
    )
    result = explore(cell, SearchLimits(max_schedules=2_000))
    assert not result.search.complete
    assert result.verdict == ExploreVerdict.LOSES
    assert result.counterexample is not None
    assert result.counterexample.chunks == 1


def test_who_waits_for_a_subscription_that_nobody_sent_is_stuck() -> None:
    def waits(join: Join) -> ConnectSteps:
        yield Confirmed()
        yield SendWelcome()

    result = explore(ExploreCell(ConnectOrdering("waits", waits), WRITE_ORDERINGS["atomic_lua"]))
    tally = result.search.tally
    assert tally.schedules == tally.stuck == tally.lossy
    assert result.search.shortest[Failure.STUCK]


def test_an_effect_of_the_other_side_is_refused() -> None:
    swapped = ConnectOrdering("swapped", WRITE_ORDERINGS["atomic_multi"].steps)
    with pytest.raises(OrderingError, match="swapped"):
        explore(ExploreCell(swapped, WRITE_ORDERINGS["atomic_lua"]))


def test_an_ordering_that_is_not_deterministic_is_refused() -> None:
    calls = []

    def moody(join: Join) -> ConnectSteps:
        calls.append(join)
        if len(calls) == 1:
            yield from CONNECT_ORDERINGS["history_then_subscribe"].steps(join)
        else:
            yield SendWelcome()

    with pytest.raises(OrderingError, match="deterministic"):
        explore(ExploreCell(ConnectOrdering("moody", moody), WRITE_ORDERINGS["atomic_lua"]))


def test_the_document_of_a_cell() -> None:
    document = explored("history_then_subscribe", "atomic_lua", chunks=1).document()
    assert document == {
        "connect": "history_then_subscribe",
        "write": "atomic_lua",
        "faults": [],
        "resumes": True,
        "verdict": "loses",
        "schedules": 10,
        "lossy": 3,
        "duplicating": 0,
        "out_of_order": 0,
        "rewinding": 0,
        "stuck": 0,
        "complete": True,
        "states": 25,
        "transitions": 31,
        "depth": 8,
        "never": [],
        "counterexamples": {
            "lossy": {
                "schema": 1,
                "connect": "history_then_subscribe",
                "write": "atomic_lua",
                "chunks": 1,
                "joiners": 1,
                "faults": [],
                "resumes": True,
                "steps": [
                    {"actor": "node1.join1", "effect": "read_history", "chunk": None},
                    {"actor": "producer", "effect": "number_save_and_publish", "chunk": 1},
                    {"actor": "node1.join1", "effect": "send_history", "chunk": None},
                    {"actor": "node1.join1", "effect": "subscribe", "chunk": None},
                    {"actor": "store", "effect": "subscription", "chunk": None},
                    {"actor": "node1.join1", "effect": "confirmed", "chunk": None},
                    {"actor": "node1.join1", "effect": "send_welcome", "chunk": None},
                ],
            }
        },
    }


# --- what was explored -------------------------------------------------------------------------


@pytest.mark.parametrize(("connect", "write"), QUICK_PAIRS)
def test_states_transitions_and_depth_are_those_of_the_whole_graph(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    world = World(cell, blind=True)
    moves: dict[State, list[State]] = {}
    reached = [world.initial()]
    while reached:
        state = reached.pop()
        if state not in moves:
            moves[state] = [after for _, after in world.moves(state)]
            reached += moves[state]
    deepest = 0
    layer = {world.initial()}
    while layer := {after for state in layer for after in moves[state]}:
        deepest += 1
    search = explore(cell).search
    assert (search.states, search.transitions, search.depth) == (
        len(moves),
        sum(map(len, moves.values())),
        deepest,
    )


def reads_the_head_of_long_sessions(join: Join) -> ConnectSteps:
    history = yield ReadHistory()
    yield SendHistory(history)
    if len(history) > 5:
        yield from with_the_head()


def with_the_head() -> ConnectSteps:
    yield SendWelcome((yield ReadHead()))


def test_what_never_happens_is_said() -> None:
    """The session is too short for the second half, which is another function's, and for a trim."""
    mine = ConnectOrdering("mine", reads_the_head_of_long_sessions)
    faults = ("trim", "producer_timeout")
    cell = ExploreCell(mine, WRITE_ORDERINGS["atomic_lua"], chunks=1, faults=faults)
    assert explore(cell).never == ("read_head", "send_welcome", "trim")


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
def test_nothing_that_the_shipped_orderings_do_is_left_untried(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2, faults=("slow_client",))
    assert explore(cell).never == ()


# --- more than losses --------------------------------------------------------------------------


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
def test_every_failure_has_a_counter_example_that_fails_so_with_the_fewest_chunks(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    result = explore(ExploreCell(connect, write))
    assert {kind for kind in Failure if getattr(result.search.tally, kind)} == set(
        result.counterexamples
    )
    for kind, example in result.counterexamples.items():
        cell = ExploreCell(connect, write, example.chunks)
        world = World(cell, receipts=True)
        end = replay(world, example.steps)[-1]
        assert failures(world.outcome(end))[kind]
        for chunks in range(1, example.chunks):
            fewer = explore(ExploreCell(connect, write, chunks)).search
            assert kind not in fewer.shortest


@pytest.mark.parametrize(
    ("receipts", "duplicated", "disordered", "rewound"),
    [
        ((1, 2, 3), False, False, False),
        ((1, 1, 2), True, False, False),
        ((1, 3, 2), False, True, True),
        ((1, 2, 3, 1, 2, 3, 4), True, False, True),
        ((2, 2, 3, 1), True, True, True),
    ],
)
def test_text_that_goes_backwards_is_an_outcome_of_its_own(
    receipts: tuple[int, ...], duplicated: bool, disordered: bool, rewound: bool
) -> None:
    """1 2 3 1 2 3 4 was nothing but duplicates."""
    chunks = session_chunks(4)

    def sends(join: Join) -> ConnectSteps:
        yield SendHistory(tuple(chunks[number - 1] for number in receipts))

    world = World(
        ExploreCell(ConnectOrdering("sends", sends), WRITE_ORDERINGS["atomic_lua"], chunks=4)
    )
    state = world.initial()
    while moves := world.moves(state):
        state = moves[-1][1]
    seen = failures(world.outcome(state))
    assert (
        seen[Failure.DUPLICATING],
        seen[Failure.OUT_OF_ORDER],
        seen[Failure.REWINDING],
    ) == (duplicated, disordered, rewound)


def test_a_client_that_starts_over_rewinds_and_one_that_resumes_does_not() -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["redis_streams"],
        WRITE_ORDERINGS["stream_append"],
        chunks=2,
        faults=("slow_client",),
    )
    resumes, starts_over = (set(explore(each).counterexamples) for each in cell.with_each_client())
    assert resumes == set()
    assert starts_over == {Failure.DUPLICATING, Failure.REWINDING}
