"""The simulated side of a sweep: a live run's settings, mapped, and what was measured added."""

import numpy as np
import pytest
from msgspec.structs import replace
from sweep_kit import MEASURED, PLAN, cells

from chunk7.cluster.jobs.sweep.plan import live_settings
from chunk7.cluster.jobs.sweep.simulation import USUAL, planned, simulate_cells, simulated_settings
from chunk7.cluster.settings import RunSettings
from chunk7.simulator.virtual.distributions import empirical


def settings(**setting: float) -> RunSettings:
    """The plan's base with these parameters."""
    return live_settings(PLAN, cells(), replace(PLAN.base, **setting))


def test_a_live_runs_settings_are_mapped_with_the_measured_rest_on_top() -> None:
    found = simulated_settings(settings(store_latency_ms=2.0), MEASURED, 900)
    assert found.store_latency == empirical([2.25])
    assert found.node_work == empirical([10.5])
    assert found.save_lag == empirical([5.125])
    assert (found.nodes, found.watchers, found.connections) == (2, 4, 900)
    assert (found.sessions, found.seed) == (225, 7)  # 900 connections, 4 on each answer


def test_the_chunks_come_as_a_live_run_plans_them() -> None:
    gaps = planned(settings(chunk_rate=25).plan)
    assert len(gaps.answers_ms) == 3
    assert all(len(answer) >= 0.9 * 25 * 2 - 1 for answer in gaps.answers_ms)
    drawn = gaps.draw(np.random.default_rng(1), 500)
    assert any(set(drawn.tolist()) == set(answer) for answer in gaps.answers_ms)
    assert simulated_settings(settings(chunk_rate=25), USUAL, 200).arrivals == gaps


def test_many_chunks_are_drawn_for_fewer_answers() -> None:
    assert simulated_settings(settings(chunk_rate=2_000), USUAL, 20_000).sessions <= 50


def test_without_a_live_run_the_latency_is_the_usual_one() -> None:
    assert np.median(USUAL.one_way_ms) == pytest.approx(0.5, rel=0.01)
    assert (USUAL.node_work_ms, USUAL.save_lag_ms) == ([0.0], [0.0])


def test_more_node_work_loses_more_and_the_same_seed_the_same() -> None:
    idle, busy, again = (
        simulate_cells(simulated_settings(settings(node_work_ms=ms), USUAL, 2_000), cells())[0]
        for ms in (0, 50, 50)
    )
    assert idle.loss_rate_high < busy.loss_rate_low
    assert busy == again
