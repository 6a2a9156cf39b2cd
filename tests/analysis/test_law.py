"""The law against cases worked by hand, closed forms, and counting."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunk7.analysis import law
from chunk7.analysis.law import Joins, Writes, handover


def joins(count: int = 1, **given: Any) -> Joins:
    """Joins uniform over 0..100, reading and subscribing at once unless told otherwise."""
    values = {
        "earliest_ns": 0.0, "latest_ns": 100.0, "subscribe_delay_ns": 0.0, "read_delay_ns": 0.0,
        "after_seq": 0,
    } | given  # fmt: skip
    arrays = {name: np.full(count, value) for name, value in values.items()}
    return Joins(**arrays)


def writes(published: Any, lag_ns: float = 0.0) -> Writes:
    at = np.asarray(published, float)
    return Writes(at, at + lag_ns, np.arange(1, len(at) + 1))


def test_one_chunk_in_a_window_of_a_tenth_is_lost_by_one_join_in_ten() -> None:
    lost, twice = handover(joins(subscribe_delay_ns=10), writes([50]))
    assert lost.mean.tolist() == [0.1]
    assert lost.variance == pytest.approx([0.1 * 0.9])
    assert (twice.mean.tolist(), twice.variance.tolist()) == ([0.0], [0.0])


def test_the_same_window_the_other_way_round_doubles_instead() -> None:
    lost, twice = handover(joins(read_delay_ns=10), writes([50]))
    assert lost.mean.tolist() == [0.0]
    assert twice.mean.tolist() == [0.1]


def test_a_producer_that_publishes_first_adds_its_lag_to_the_window() -> None:
    lost, _ = handover(joins(read_delay_ns=10), writes([50], lag_ns=25))
    assert lost.mean == pytest.approx([0.15])


def test_a_producer_that_saves_first_subtracts_it() -> None:
    lost, twice = handover(joins(subscribe_delay_ns=10), writes([50], lag_ns=-25))
    assert (lost.mean.tolist(), twice.mean.tolist()) == ([0.0], [0.15])


def test_two_chunks_a_window_apart_are_never_lost_together() -> None:
    lost, _ = handover(joins(subscribe_delay_ns=10), writes([50, 60]))
    assert lost.mean == pytest.approx([0.2])
    assert lost.variance == pytest.approx([0.2 * 0.8])


def test_two_chunks_at_once_are_always_lost_together() -> None:
    lost, _ = handover(joins(subscribe_delay_ns=10), writes([50, 50]))
    assert lost.mean == pytest.approx([0.2])
    assert lost.variance == pytest.approx([4 * 0.1 - 0.2**2])


def test_what_a_client_already_had_is_not_lost() -> None:
    lost, _ = handover(joins(subscribe_delay_ns=10, after_seq=1), writes([50, 60]))
    assert lost.mean == pytest.approx([0.1])


def test_a_stream_has_no_handover() -> None:
    lost, twice = handover(joins(), writes([20, 50]))
    assert (lost.mean.tolist(), twice.mean.tolist()) == ([0.0], [0.0])


def test_a_chunk_outside_every_possible_join_counts_for_nothing() -> None:
    lost, _ = handover(joins(subscribe_delay_ns=10), writes([-5, 300]))
    assert lost.mean.tolist() == [0.0]


def test_a_chunk_at_the_edge_counts_for_its_part() -> None:
    lost, _ = handover(joins(subscribe_delay_ns=10), writes([5]))
    assert lost.mean.tolist() == [0.05]


def test_a_join_at_a_known_moment_is_a_distribution_of_one_point() -> None:
    known = joins(earliest_ns=45, latest_ns=45, subscribe_delay_ns=10)
    lost, _ = handover(known, writes([50, 60]))
    assert (lost.mean.tolist(), lost.variance.tolist()) == ([1.0], [0.0])


def test_no_chunks_and_no_joins_lose_nothing() -> None:
    assert handover(joins(), writes([]))[0].mean.tolist() == [0.0]
    assert handover(joins(0), writes([1]))[0].mean.tolist() == []


@given(st.integers(1, 20), st.integers(1, 5))
def test_evenly_spaced_chunks_lose_rate_times_gap(every: int, gap: int) -> None:
    """min(1, rate x G) of the joins lose a chunk, which is also their mean and fixes the rest."""
    many = np.arange(-50 * every, 50 * every, every)
    span = joins(earliest_ns=0, latest_ns=10 * every, subscribe_delay_ns=min(gap, every))
    lost, _ = handover(span, writes(many))
    share = min(gap, every) / every
    assert lost.mean == pytest.approx([share])
    assert lost.variance == pytest.approx([share * (1 - share)], abs=1e-9)


def test_poisson_chunks_lose_rate_times_gap_with_a_variance_as_large() -> None:
    """Over a long enough span the count of one random arrival process is nearly Poisson."""
    span_ns, gap_ns, rate = 1e6, 30.0, 0.02
    arrivals = np.sort(np.random.default_rng(1).uniform(0, span_ns, round(rate * span_ns)))
    join = joins(earliest_ns=0, latest_ns=span_ns - gap_ns, subscribe_delay_ns=gap_ns)
    lost, _ = handover(join, writes(arrivals))
    assert lost.mean == pytest.approx([rate * gap_ns], rel=0.01)
    assert lost.variance == pytest.approx([rate * gap_ns], rel=0.05)


instants = st.integers(-20, 60)


@settings(deadline=None)
@given(
    chunks=st.lists(st.tuples(instants, st.integers(-15, 15), st.booleans()), max_size=8),
    subscribe=st.integers(0, 20),
    read=st.integers(0, 20),
    span=st.integers(1, 40),
    block=st.integers(1, 20),
)
def test_the_moments_are_those_of_counting_every_join(
    chunks: Any, subscribe: int, read: int, span: int, block: int
) -> None:
    """Instants are whole, so joins at every half are all there are to try."""
    published = np.array([at for at, _, _ in chunks], float)
    saved = np.array([at + lag for at, lag, _ in chunks], float)
    seq = np.array([2 if wanted else 1 for _, _, wanted in chunks], np.int64)
    wanted = seq > 1
    u = np.arange(span)[:, None] + 0.5
    unseen, unsaved = published < u + subscribe, saved > u + read
    counted = [
        (unseen & unsaved & wanted).sum(axis=1),
        (~unseen & ~unsaved & wanted).sum(axis=1),
    ]
    join = joins(3, latest_ns=span, subscribe_delay_ns=subscribe, read_delay_ns=read, after_seq=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(law, "BLOCK", block)
        moments = handover(join, Writes(published, saved, seq))
    for moment, count in zip(moments, counted, strict=True):
        assert moment.mean == pytest.approx([count.mean()] * 3)
        assert moment.variance == pytest.approx([count.var()] * 3, abs=1e-9)
