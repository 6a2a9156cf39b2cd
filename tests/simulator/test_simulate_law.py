"""Both engines against closed forms, and against the headline facts."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from chunk7.delivery.errors import UsageError
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual.distributions import (
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    empirical,
)
from chunk7.simulator.virtual.fault_schedule import draw_schedule
from chunk7.simulator.virtual.population import blocks
from chunk7.simulator.virtual.settings import (
    Arrivals,
    Engine,
    JoinSpread,
    Recurrence,
    SimulationSettings,
)
from chunk7.simulator.virtual.simulate import simulate

ENGINES = [(Engine.EVENTS, 20_000), (Engine.VECTORISED, 400_000)]


def cell(connect: str, write: str, **changes: Any) -> Any:
    return simulate(
        SimulationSettings(**changes), CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]
    )


def law(engine: Engine, connections: int, arrivals: Arrivals, gap_ms: float, **more: Any) -> Any:
    """A cell with exactly this handover gap: no latency, atomic writes, work between the steps."""
    return cell(
        "history_then_subscribe",
        "atomic_lua",
        engine=engine,
        connections=connections,
        arrivals=arrivals,
        store_latency=Constant(0),
        node_work=Constant(gap_ms),
        **more,
    )


def allowed(share: float, connections: int) -> float:
    """Six binomial standard errors, a false alarm once in 5 x 10^8, and half a percent for joins
    so near the end of an answer that their window reaches beyond it."""
    return 6 * math.sqrt(share * (1 - share) / connections) + 0.005


@pytest.mark.parametrize(("engine", "connections"), ENGINES)
@pytest.mark.parametrize("gap_ms", [2.0, 10.0, 19.0])
def test_evenly_spaced_chunks_lose_rate_times_gap(
    engine: Engine, connections: int, gap_ms: float
) -> None:
    found = law(engine, connections, Arrivals.EVEN, gap_ms)
    expected = 50 * gap_ms / 1_000
    assert abs(found.loss_rate - expected) < allowed(expected, connections)
    assert found.chunks_lost == found.lossy_connections  # at most one chunk in a short window
    assert found.chunks_lost_predicted == pytest.approx(expected * connections)
    assert asdict(found.window_ms) == pytest.approx({"p50": gap_ms, "p95": gap_ms, "p99": gap_ms})
    assert found.gap_ms == found.window_ms


@pytest.mark.parametrize(("engine", "connections"), ENGINES)
@pytest.mark.parametrize("gap_ms", [2.0, 10.0, 50.0])
def test_poisson_chunks_lose_by_the_exponential_law(
    engine: Engine, connections: int, gap_ms: float
) -> None:
    """Many sessions, so that the mean over their answers is near the process's own."""
    sessions = 400 if engine is Engine.EVENTS else 4_000
    found = law(engine, connections, Arrivals.POISSON, gap_ms, sessions=sessions, message_chunks=50)
    expected = 1 - math.exp(-50 * gap_ms / 1_000)
    spread = 3 * math.sqrt(50 * gap_ms / 1_000 / (sessions * 50))
    edge = gap_ms / 1_000  # the windows that reach beyond an answer of one second
    assert abs(found.loss_rate - expected) < allowed(expected, connections) + spread + edge


@pytest.mark.parametrize(("engine", "connections"), ENGINES)
def test_duty_scales_the_loss_rate(engine: Engine, connections: int) -> None:
    found = law(engine, connections, Arrivals.EVEN, 10.0, duty=0.02)
    assert abs(found.loss_rate - 0.02 * 0.5) < 6 * math.sqrt(0.01 / connections) + 1e-4


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    window_ms=st.floats(0, 40),
    lag_ms=st.floats(0, 40),
    rate=st.sampled_from([5.0, 25.0, 100.0]),
    seed=st.integers(0, 2**32),
)
def test_what_is_lost_is_what_the_law_predicts(
    window_ms: float, lag_ms: float, rate: float, seed: int
) -> None:
    """Joins are uniform, so the number lost in an answer of n chunks varies around rate x G by at
    most one chunk each way for even spacing; six standard errors of that over 20,000 joins."""
    for connect, sign in (("history_then_subscribe", 1), ("subscribe_then_history", -1)):
        found = cell(
            connect,
            "publish_then_save",
            engine=Engine.VECTORISED,
            connections=20_000,
            sessions=4,
            arrivals=Arrivals.EVEN,
            message_chunks=1_000,
            chunk_rate=rate,
            store_latency=Constant(0),
            node_work=Constant(window_ms),
            save_lag=Constant(lag_ms),
            seed=seed,
        )
        gap = rate * (sign * window_ms + lag_ms) / 1_000
        room = 6 * math.sqrt(20_000 * (0.25 + 0.01 * gap**2)) + 0.02 * abs(gap) * 20_000
        assert abs(found.chunks_lost - max(0.0, gap) * 20_000) < room
        assert abs(found.chunks_duplicate - max(0.0, -gap) * 20_000) < room
        assert found.chunks_lost_predicted == pytest.approx(max(0.0, gap) * 20_000, abs=1e-6)
        assert found.chunks_duplicate_predicted == pytest.approx(max(0.0, -gap) * 20_000, abs=1e-6)


def test_the_predicted_interval_holds_what_is_lost_doubled_and_fetched() -> None:
    """95% intervals of 40 seeds each: fewer than 30 hits would be a false alarm once in 10^5."""
    hits = {"lost": 0, "duplicate": 0, "fetched": 0}
    cells = {
        "lost": ("history_then_subscribe", "publish_then_save"),
        "duplicate": ("subscribe_then_history", "atomic_lua"),
        "fetched": ("sequence_gap_fill", "publish_then_save"),
    }
    for seed in range(40):
        for name, (connect, write) in cells.items():
            found = cell(
                connect,
                write,
                engine=Engine.VECTORISED,
                connections=4_000,
                sessions=8,
                seed=seed,
                message_chunks=400,
                store_latency=Exponential(1),
                node_work=Exponential(15),
                save_lag=Exponential(5),
            )
            low = getattr(found, f"chunks_{name}_predicted_low")
            high = getattr(found, f"chunks_{name}_predicted_high")
            hits[name] += low <= getattr(found, f"chunks_{name}") <= high
    assert min(hits.values()) >= 30, hits


@pytest.mark.parametrize(("engine", "connections"), ENGINES)
def test_subscribing_first_still_loses_with_the_bug_reports_producer(
    engine: Engine, connections: int
) -> None:
    found = cell(
        "subscribe_then_history",
        "publish_then_save",
        engine=engine,
        connections=connections,
        save_lag=Constant(20),
    )
    assert found.loss_rate > 0.5
    assert set(found.causes) == {"save_lag"}


CLEAN = [
    ("subscribe_then_history", "save_then_publish"),
    ("subscribe_then_history", "atomic_multi"),
    ("subscribe_then_history", "atomic_lua"),
    ("buffered_merge", "save_then_publish"),
    ("buffered_merge", "atomic_lua"),
    ("sequence_gap_fill", "publish_then_save"),
    ("redis_streams", "stream_append"),
]


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize(("connect", "write"), CLEAN)
@pytest.mark.parametrize("watchers", [1, 20])
@pytest.mark.parametrize("node_work", [LogNormal(10, 1), Constant(0)])
def test_sound_cells_lose_nothing_at_any_latency(
    engine: Engine, connect: str, write: str, watchers: int, node_work: Distribution
) -> None:
    """Without node work following a stream once overtook the history sent at the same instant."""
    found = cell(
        connect,
        write,
        engine=engine,
        connections=3_000,
        sessions=20,
        watchers=watchers,
        store_latency=Exponential(3),
        node_work=node_work,
        save_lag=LogNormal(10, 1),
        delivery_delay=Exponential(10) if watchers == 1 else None,
    )
    assert (found.chunks_lost, found.loss_rate, found.causes) == (0, 0.0, {})
    if connect in ("buffered_merge", "redis_streams"):
        assert (found.chunks_duplicate, found.chunks_out_of_order) == (0, 0)
    if connect == "subscribe_then_history":
        assert found.chunks_duplicate > 0


@pytest.mark.parametrize("write", ["publish_then_save", "save_then_publish", "atomic_lua"])
def test_the_bug_loses_under_every_write_ordering(write: str) -> None:
    assert (
        cell("history_then_subscribe", write, node_work=Constant(10), connections=2_000).loss_rate
        > 0.1
    )


def test_measured_windows_can_stand_in_for_the_cluster() -> None:
    """W and L as a live run recorded them: no latency, all of W is node work, all of L save lag."""
    measured = [10.0, 12.0, 30.0]
    found = cell(
        "history_then_subscribe",
        "publish_then_save",
        engine=Engine.VECTORISED,
        connections=60_000,
        arrivals=Arrivals.EVEN,
        store_latency=Constant(0),
        node_work=empirical(measured),
        save_lag=empirical([3.0]),
    )
    assert found.window_ms is not None
    assert found.window_ms.p50 == pytest.approx(12.0)
    expected = np.mean(np.minimum(1, 0.05 * (np.array(measured) + 3)))
    assert abs(found.loss_rate - expected) < allowed(float(expected), 60_000) + 0.005


# --- population and settings ---


def test_joins_are_spread_as_the_settings_say() -> None:
    uniform = SimulationSettings(connections=100_000, watchers=4, sessions=10, nodes=3, duty=0.5)
    seen = [(b.group, b.join_ms, b.node) for b in blocks(uniform)]
    groups = np.concatenate([group for group, _, _ in seen])
    assert np.sort(groups).tolist() == (np.arange(100_000) // 4).tolist()
    joins = np.concatenate([join for _, join, _ in seen])
    assert abs(np.mean(joins < uniform.answer_ms) - 0.5) < 6 * math.sqrt(0.25 / 100_000)
    nodes = np.concatenate([node for _, _, node in seen])
    assert np.bincount(nodes).max() - np.bincount(nodes).min() <= len(seen)


def test_poisson_joins_have_a_poisson_number_for_each_answer() -> None:
    cluster = SimulationSettings(connections=100_000, watchers=5, joins=JoinSpread.POISSON)
    counts = np.bincount(np.concatenate([block.group for block in blocks(cluster)]))
    assert counts.mean() == pytest.approx(5, rel=0.01)
    assert counts.var() == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"connections": 0}, "connections is 0: must be 1 to 1000000000"),
        ({"chunk_rate": -1.0}, "chunk_rate is -1: must be above 0"),
        ({"chunk_rate": math.nan}, "chunk_rate is nan"),
        ({"duty": 1.5}, "duty is 1.5"),
        ({"sessions": 100_000, "message_chunks": 1_000}, "sessions x message_chunks"),
        ({"arrivals": Constant(0)}, "gaps of mean 0 have no rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        SimulationSettings(**change)


# --- faults ---


def _with(*faults: Recurrence, connect: str = "buffered_merge", write: str = "atomic_lua") -> Any:
    return cell(connect, write, connections=1_000, sessions=10, faults=faults, nodes=2)


RECONNECT = Recurrence("store_kill_pubsub", every_ms=5_000, for_ms=100)
CRASH = Recurrence("node_kill", every_ms=5_000, for_ms=300)


def test_a_sound_cell_loses_chunks_when_a_node_loses_the_store() -> None:
    found = _with(RECONNECT)
    assert found.loss_rate > 0.1
    assert found.causes == {"store_reconnect": found.chunks_lost}
    assert _with().chunks_lost == 0


def test_a_stream_and_a_gap_filling_client_survive_a_reconnect() -> None:
    assert _with(RECONNECT, connect="redis_streams", write="stream_append").chunks_lost == 0
    filled = _with(RECONNECT, connect="sequence_gap_fill")
    assert filled.chunks_lost == 0
    assert filled.chunks_out_of_order > 0


def test_a_deaf_node_loses_as_one_that_lost_the_store() -> None:
    deaf = replace(RECONNECT, fault="deaf_node")
    assert _with(deaf).causes == {"store_reconnect": _with(deaf).chunks_lost}
    assert _with(deaf).chunks_lost > 0
    assert _with(replace(CRASH, fault="node_drain")).chunks_lost == 0


def test_spells_of_two_faults_are_in_the_order_of_time() -> None:
    """They were one fault's after the other's, and a search among them went astray."""
    deaf = replace(RECONNECT, fault="deaf_node", every_ms=700)
    settings = SimulationSettings(nodes=1, faults=(RECONNECT, deaf))
    [spells] = draw_schedule(settings).reconnects
    edges = [at for spell in zip(spells.start_ms, spells.end_ms, strict=True) for at in spell]
    assert edges == sorted(edges)
    assert len(set(edges)) == len(edges)


def test_a_node_that_keeps_positions_survives_a_reconnect_and_late_saving() -> None:
    kept = _with(RECONNECT, connect="positioned_merge")
    assert (kept.chunks_lost, kept.chunks_duplicate, kept.chunks_out_of_order) == (0, 0, 0)
    late = cell("positioned_merge", "publish_then_save", connections=1_000, sessions=10)
    assert (late.chunks_lost, late.chunks_lost_predicted) == (0, 0)
    assert late.chunks_fetched > 0


def test_a_crash_hands_over_again() -> None:
    """Rejoining reads the history anew, so a sound cell stays sound and the bug strikes again."""
    assert _with(CRASH).chunks_lost == 0
    buggy = _with(CRASH, connect="history_then_subscribe")
    assert set(buggy.causes) == {"handover_gap"}
    assert buggy.join_ms is not None
    assert buggy.join_ms.p99 > 100  # the last welcome of those who had to rejoin


def test_many_crashes_are_repeatable_bounded_and_mend_the_first_hole() -> None:
    """A client that rejoins asks for what follows its last gapless chunk."""
    often = Recurrence("node_kill", every_ms=300, for_ms=50)
    once = _with(often, RECONNECT, connect="history_then_subscribe")
    assert once == _with(often, RECONNECT, connect="history_then_subscribe")
    assert once.connections == 1_000
    assert 0 < once.loss_rate < _with(RECONNECT, connect="history_then_subscribe").loss_rate
