"""Ten times as many receipts take time, not memory; what is kept of them is an even sample."""

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from benchmarks.analysis_scale import make
from chunk7.analysis import gather, latencies, law
from chunk7.analysis.latencies import Latencies
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import study

RECEIPTS, TIMES = 100_000, 8
GROWTH = 1.5
"""Largest growth of the peak for TIMES as many row groups."""


def peak_bytes(folder: Path) -> int:
    """Peak of what judging and summing up allocate, numpy's arrays included."""
    run = load_run(folder)
    gc.collect()
    tracemalloc.start()
    try:
        assert study(run).summary.valid
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_more_row_groups_do_not_take_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bounds are lowered with the sizes, so that both runs reach them."""
    monkeypatch.setattr(gather, "RECEIPTS_PER_GROUP", 20_000)
    monkeypatch.setattr(latencies, "MOST", 20_000)
    monkeypatch.setattr(law, "BLOCK", 5_000)
    for times in (1, TIMES):
        make(tmp_path / str(times), times * RECEIPTS)
    peak_bytes(tmp_path / "1")  # what is imported on the way stays, and is nobody's growth
    once, often = peak_bytes(tmp_path / "1"), peak_bytes(tmp_path / str(TIMES))
    assert often < GROWTH * once


def filled(most: int, batches: int, size: int) -> Latencies:
    """Batches of `size` values, 0 to 1 in order, of 10 connections each."""
    kept = Latencies(most)
    for number in range(batches):
        values = np.linspace(0, 1, size, dtype=np.float32)
        kept.add(10 * number, values, np.full(10, size // 10))
    return kept


def test_all_latencies_are_kept_up_to_a_bound() -> None:
    kept = filled(most=5_000, batches=5, size=1_000)
    assert kept.halvings == 0
    assert [len(ms) for ms, _ in kept.kept.values()] == [1_000] * 5


def test_beyond_it_an_even_part_of_every_batch_is_kept() -> None:
    kept = filled(most=20_000, batches=50, size=2_000)
    assert kept.halvings == 3
    sizes = [len(ms) for ms, _ in kept.kept.values()]
    assert 10_000 <= sum(sizes) <= 20_000
    # Each is kept with a chance of 1/8: 250 of a batch, give or take 14.8; five of them bound all.
    assert min(sizes) > 250 - 5 * 14.8
    assert max(sizes) < 250 + 5 * 14.8
    every = np.concatenate([ms for ms, _ in kept.kept.values()])
    for share in (0.5, 0.95, 0.99):
        off = 5 * np.sqrt(share * (1 - share) / len(every))
        assert np.quantile(every, share) == pytest.approx(share, abs=off)


def test_what_is_kept_stays_with_its_connection() -> None:
    kept = Latencies(most=100)
    who = np.repeat(np.arange(10), 20)
    kept.add(0, who.astype(np.float32), np.full(10, 20))
    ms, timed = kept.kept[0]
    assert len(ms) == timed.sum() <= 100
    assert ms.tolist() == np.repeat(np.arange(10), timed).tolist()


def test_the_same_run_gives_the_same_sample() -> None:
    first, second = (filled(most=1_000, batches=20, size=500) for _ in range(2))
    assert [ms.tolist() for ms, _ in first.kept.values()] == [
        ms.tolist() for ms, _ in second.kept.values()
    ]
