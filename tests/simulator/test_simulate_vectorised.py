"""The two engines hold each other: equal connection by connection, and equal as statistics."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mutants import MUTANTS
from wide_kit import rarely

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Follow,
    NextSeq,
    Publish,
    ReadHistory,
    ReadStream,
    Release,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import (
    ConnectOrdering,
    ConnectSteps,
    Feed,
    Join,
    WriteOrdering,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual import events, vectorised
from chunk7.simulator.virtual.chunks import timelines_by_events, timelines_by_law
from chunk7.simulator.virtual.distributions import Constant, Exponential, LogNormal, Uniform
from chunk7.simulator.virtual.results import BlockOutcome
from chunk7.simulator.virtual.settings import (
    Arrivals,
    Engine,
    JoinSpread,
    Recurrence,
    SimulationSettings,
)
from chunk7.simulator.virtual.simulate import simulate
from chunk7.wire.account import CellAccount


@connect_ordering()
def unconfirmed(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()


@connect_ordering()
def unmerged(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield Release(known=frozenset())
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def from_the_newest(join: Join) -> ConnectSteps:
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    yield Follow(after=NEWEST)
    yield SendWelcome()


PAIRS = [
    (connect, write)
    for connect in (*CONNECT_ORDERINGS.values(), unconfirmed, unmerged, from_the_newest)
    for write in WRITE_ORDERINGS.values()
    if connect.feed is write.feed and connect.recovery is None
]


def both(
    cluster: SimulationSettings, connect: ConnectOrdering, write: WriteOrdering
) -> list[list[BlockOutcome]]:
    return [
        list(events.outcomes(cluster, connect, timelines_by_events(cluster, write))),
        list(vectorised.outcomes(cluster, connect, timelines_by_law(cluster, write))),
    ]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(PAIRS),
    watchers=st.integers(1, 5),
    nodes=st.integers(1, 3),
    joins=st.sampled_from(JoinSpread),
    arrivals=st.sampled_from(Arrivals),
    duty=st.sampled_from([1.0, 0.3]),
    seed=st.integers(0, 1_000_000),
    scale=st.sampled_from([0.3, 3.0, 30.0]),
    works=st.booleans(),
)
def test_every_connection_has_the_same_outcome_in_both_engines(
    cell: Any,
    watchers: int,
    nodes: int,
    joins: JoinSpread,
    arrivals: Arrivals,
    duty: float,
    seed: int,
    scale: float,
    works: bool,
) -> None:
    """Without node work a client is attached at the very instant at which its history is sent."""
    cluster = SimulationSettings(
        connections=200,
        nodes=nodes,
        sessions=4,
        watchers=watchers,
        message_chunks=30,
        chunk_rate=100,
        joins=joins,
        arrivals=arrivals,
        duty=duty,
        store_latency=Exponential(scale),
        node_work=LogNormal(scale, 0.5) if works else Constant(0),
        save_lag=Uniform(0, 2 * scale),
        delivery_delay=Exponential(2 * scale),
        heartbeat_ms=10_000,
        seed=seed,
    )
    (by_events,), (by_law,) = both(cluster, *cell)
    assert by_events.lost.tolist() == by_law.lost.tolist()
    assert by_events.duplicate.tolist() == by_law.duplicate.tolist()
    assert by_events.out_of_order.tolist() == by_law.out_of_order.tolist()
    assert by_events.rewinds.tolist() == by_law.rewinds.tolist()
    assert by_events.fetched.tolist() == by_law.fetched.tolist()
    np.testing.assert_allclose(by_events.window_ms, by_law.window_ms, atol=1e-6)
    np.testing.assert_allclose(by_events.join_ms, by_law.join_ms, atol=1e-6)
    assert {k: n for k, n in by_events.causes.items() if n} == {
        k: n for k, n in by_law.causes.items() if n
    }


@pytest.mark.parametrize("name", [n for n, w in WRITE_ORDERINGS.items()])
def test_chunks_have_the_same_instants_in_both_engines(name: str) -> None:
    cluster = SimulationSettings(
        sessions=3, store_latency=Exponential(5), save_lag=LogNormal(10, 1)
    )
    write = WRITE_ORDERINGS[name]
    pairs = zip(timelines_by_events(cluster, write), timelines_by_law(cluster, write), strict=True)
    for run, law in pairs:
        assert run.regular
        for field in ("intended_ms", "number_ms", "publish_ms", "save_ms", "arrive_ms"):
            np.testing.assert_array_equal(getattr(run, field), getattr(law, field), field)


@pytest.mark.parametrize(("connect", "write"), PAIRS[:10], ids=lambda o: o.name)
def test_constant_latencies_give_the_same_result_to_the_last_field(
    connect: Any, write: Any
) -> None:
    cluster = SimulationSettings(
        connections=2_000,
        sessions=8,
        arrivals=Arrivals.EVEN,
        node_work=Constant(12),
        store_latency=Constant(0.7),
        save_lag=Constant(25),
    )
    assert simulate(cluster, connect, write) == simulate(
        replace(cluster, engine=Engine.VECTORISED), connect, write
    )


Z_LIMIT = 4.5
"""Two-sided: a false alarm once in 147,000 comparisons of two honest engines."""


def _z(first: CellAccount, second: CellAccount) -> float:
    """Two-proportion z of the loss rates, with the pooled variance."""
    total = first.connections + second.connections
    share = (first.lossy_connections + second.lossy_connections) / total
    spread = share * (1 - share) * (1 / first.connections + 1 / second.connections)
    return abs(first.loss_rate - second.loss_rate) / math.sqrt(spread)


@pytest.mark.parametrize(
    ("connect", "write"),
    [
        ("history_then_subscribe", "publish_then_save"),
        rarely("history_then_subscribe", "atomic_lua"),
        rarely("subscribe_then_history", "publish_then_save"),
        rarely("buffered_merge", "publish_then_save"),
    ],
)
def test_loss_rates_agree_for_different_joins_and_durations(connect: str, write: str) -> None:
    """Seeds differ, so nothing is shared but the law. Every connection has an answer of its own:
    connections are independent, and the binomial variance is exact."""
    cluster = SimulationSettings(
        connections=3_000,
        sessions=3_000,
        message_chunks=10,
        store_latency=Exponential(1),
        node_work=LogNormal(8, 0.5),
        save_lag=Exponential(20),
        seed=1,
    )
    orderings = CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]
    by_events = simulate(cluster, *orderings)
    other = replace(cluster, engine=Engine.VECTORISED, seed=2, connections=10_000, sessions=10_000)
    by_law = simulate(other, *orderings)
    assert by_events.loss_rate > 0.05
    assert _z(by_events, by_law) < Z_LIMIT


def test_the_z_test_sees_a_difference() -> None:
    cluster = SimulationSettings(
        connections=3_000, sessions=3_000, message_chunks=10, node_work=Constant(8)
    )
    orderings = CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["atomic_lua"]
    longer = replace(cluster, engine=Engine.VECTORISED, seed=2, node_work=Constant(12))
    assert _z(simulate(cluster, *orderings), simulate(longer, *orderings)) > Z_LIMIT


def test_a_result_does_not_depend_on_how_the_engine_cuts_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks draw their own numbers, so only the deterministic parts can be compared whole."""
    cluster = SimulationSettings(connections=900, sessions=7, watchers=3, engine=Engine.VECTORISED)
    orderings = CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"]
    whole = simulate(cluster, *orderings)
    monkeypatch.setattr("chunk7.simulator.virtual.population.BLOCK", 100)
    parts = simulate(cluster, *orderings)
    assert (whole.connections, whole.chunks_expected) == (parts.connections, parts.chunks_expected)
    assert (parts.chunks_lost, parts.chunks_duplicate) == (0, 0)


# --- what the vectorised engine refuses ---


@connect_ordering()
def reads_twice(join: Join) -> ConnectSteps:
    yield SendHistory((yield ReadHistory()))
    yield Subscribe()
    yield Confirmed()
    yield SendHistory((yield ReadHistory()))
    yield SendWelcome()


@connect_ordering()
def depends(join: Join) -> ConnectSteps:
    history = yield ReadHistory()
    yield SendHistory(history)
    if history:
        yield Subscribe()
        yield Confirmed()
    yield SendWelcome()


@connect_ordering()
def never_releases(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield SendHistory((yield ReadHistory()))
    yield SendWelcome()


@connect_ordering()
def sends_half(join: Join) -> ConnectSteps:
    yield Subscribe()
    history = yield ReadHistory()
    yield SendHistory(history[1:])
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def holds_a_stream(join: Join) -> ConnectSteps:
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    yield Follow(after=read.cursor, to=Sink.BUFFER)
    yield SendWelcome()


@write_ordering()
def never_saves(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Publish(chunk)


@pytest.mark.parametrize(
    ("connect", "write", "reason"),
    [
        (reads_twice, "atomic_lua", "it does not read exactly once"),
        (depends, "atomic_lua", "what it does depends on what it reads"),
        (never_releases, "atomic_lua", "it does not release its buffer once"),
        (sends_half, "atomic_lua", "it does not send exactly once, and just what it read"),
        (CONNECT_ORDERINGS["positioned_merge"], "atomic_lua", "its node recovers what it has"),
        (MUTANTS["reads_the_tail_last"].connect, "stream_append", "it has ReadTail, which has no"),
        (holds_a_stream, "stream_append", "it follows into a buffer"),
        (unconfirmed, never_saves, "a chunk is not numbered, published and saved once each"),
    ],
)
def test_what_is_no_fixed_list_of_steps_is_left_to_the_events(
    connect: ConnectOrdering, write: Any, reason: str
) -> None:
    cluster = SimulationSettings(connections=100, sessions=2, engine=Engine.VECTORISED)
    write = WRITE_ORDERINGS.get(write, write) if isinstance(write, str) else write
    with pytest.raises(UsageError, match=reason):
        simulate(cluster, connect, write)
    assert simulate(replace(cluster, engine=Engine.EVENTS), connect, write).connections == 100


def test_faults_need_the_event_driven_engine() -> None:
    with pytest.raises(UsageError, match="faults need the engine 'events'"):
        SimulationSettings(engine=Engine.VECTORISED, faults=(Recurrence("store_kill_pubsub"),))
