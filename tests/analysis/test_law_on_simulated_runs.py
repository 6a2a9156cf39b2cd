"""The law that judges live runs, held against simulated ones, connection by connection.

The simulator executes the ordering files in virtual time and counts what each client lost or got
twice; `analysis.law` predicts that from the instants alone. They share no code. The simulator has
an estimate of its own (`expected.py`), which other tests hold against its cells; here the
prediction is the one that `chunk7 run` prints, for every join by itself.

Store latency is constant, so that an Outcome's W says when the read and the subscription were
executed; what the node does between them, and the producer between its writes, varies.

False alarms. Seeds are fixed; over seeds each bound fails at most once in 10^4 if the law holds.
Given the answers and the windows, joins are independent, and the predicted variance is exact.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import chi2, norm

from chunk7.analysis.law import Joins, Writes, handover
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual import events
from chunk7.simulator.virtual.chunks import timelines_by_events
from chunk7.simulator.virtual.distributions import Constant, Durations, Exponential
from chunk7.simulator.virtual.settings import Engine, SimulationSettings

SEEDS = 40
CONNECTIONS = 600
"""Of each seed."""
LATENCY_MS = 1.0
BOUND = 1e-4


@dataclass(frozen=True)
class Found:
    """Measured chunks and the law's moments, shape (SEEDS, CONNECTIONS) each."""

    measured: Durations
    mean: Durations
    variance: Durations


CELLS = {
    "lost": ("history_then_subscribe", "publish_then_save"),
    "lost by the save lag alone": ("buffered_merge", "publish_then_save"),
    "duplicate": ("subscribe_then_history", "atomic_lua"),
}


@pytest.fixture(scope="module", params=CELLS)
def found(request: pytest.FixtureRequest) -> Found:
    """All seeds of a cell that loses, or doubles."""
    kind = request.param.partition(" ")[0]
    parts = [simulated(seed, kind, *CELLS[request.param]) for seed in range(SEEDS)]
    return Found(*(np.array(column) for column in zip(*parts, strict=True)))


def simulated(
    seed: int, kind: str, connect: str, write: str
) -> tuple[Durations, Durations, Durations]:
    """Measured, mean and variance of every connection of one seed."""
    settings = SimulationSettings(
        connections=CONNECTIONS,
        sessions=6,
        message_chunks=100,
        store_latency=Constant(LATENCY_MS),
        node_work=Exponential(30 if connect == "subscribe_then_history" else 40),
        save_lag=Exponential(20 if connect == "history_then_subscribe" else 200),
        engine=Engine.EVENTS,
        seed=seed,
    )
    timelines = timelines_by_events(settings, WRITE_ORDERINGS[write])
    [outcome] = events.outcomes(settings, CONNECT_ORDERINGS[connect], timelines)
    mean, variance = np.zeros(CONNECTIONS), np.zeros(CONNECTIONS)
    for session, timeline in enumerate(timelines):
        here = outcome.session == session
        writes = Writes(timeline.publish_ms, timeline.save_ms, np.arange(1, timeline.chunks + 1))
        lost, twice = handover(joins(settings, outcome.window_ms[here]), writes)
        moments = twice if kind == "duplicate" else lost
        mean[here], variance[here] = moments.mean, moments.variance
    return getattr(outcome, kind).astype(float), mean, variance


def joins(settings: SimulationSettings, window_ms: Durations) -> Joins:
    """Evenly over the wave; what comes first is executed one latency after the join."""
    return Joins(
        earliest_ns=np.zeros(len(window_ms)),
        latest_ns=np.full(len(window_ms), settings.wave_ms),
        subscribe_delay_ns=LATENCY_MS + np.maximum(window_ms, 0),
        read_delay_ns=LATENCY_MS + np.maximum(-window_ms, 0),
        after_seq=np.zeros(len(window_ms), np.int64),
    )


def test_the_prediction_is_unbiased(found: Found) -> None:
    """Measured over predicted, 95%: 1 within an interval that is less than 3% wide."""
    ratio = found.measured.sum() / found.mean.sum()
    error = np.sqrt(found.variance.sum()) / found.mean.sum()
    assert 2 * norm.isf(0.025) * error < 0.03
    assert abs(ratio - 1) < norm.isf(BOUND / 2) * error


def test_the_predicted_variance_is_that_of_the_runs(found: Found) -> None:
    """Sums over a run, standardised: their squares add up as those of normal values do."""
    z = (found.measured - found.mean).sum(axis=1) / np.sqrt(found.variance.sum(axis=1))
    low, high = chi2.ppf([BOUND / 2, 1 - BOUND / 2], SEEDS)
    assert low < (z**2).sum() < high


def test_standardised_residuals_have_mean_0_and_variance_1(found: Found) -> None:
    """Of single connections. The bound of the variance is from the residuals' own fourth moment;
    joins whose windows are so short that they hardly lose would make that one meaningless."""
    some = found.mean > 0.05
    z = (found.measured - found.mean)[some] / np.sqrt(found.variance[some])
    allowed = norm.isf(BOUND / 2) / np.sqrt(len(z))
    assert some.mean() > 0.8
    assert abs(z.mean()) < allowed
    assert abs((z**2).mean() - 1) < allowed * (z**2).std()


def test_a_prediction_off_by_a_twentieth_would_be_told(found: Found) -> None:
    error = np.sqrt(found.variance.sum()) / found.mean.sum()
    ratio = found.measured.sum() / (1.05 * found.mean.sum())
    assert abs(ratio - 1) > norm.isf(BOUND / 2) * error / 1.05
