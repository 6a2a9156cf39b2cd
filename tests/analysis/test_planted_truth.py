"""A run folder whose truth is known, through real recorders: everything in it is found again.

Two cells, 240 connections each, of 12 sessions with 60 chunks. Each connection loses, doubles and
overtakes chunks of its own, drawn at random; its window, its join time and the ways of its chunks
are drawn from known distributions. Counts must come back exactly and quantiles to the nanosecond.
The distributions' own quantiles must lie in the intervals, which fail once in 10^5 where the
values are independent (LEVEL).
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import expon, lognorm
from story import Story, ns

from chunk7.analysis.comparison import compare_orderings
from chunk7.analysis.run_comparison import compare_runs
from chunk7.analysis.statistics.proportions import wilson
from chunk7.analysis.statistics.quantiles import (
    clustered_quantile_interval,
    quantile_interval,
    quantiles,
)
from chunk7.analysis.study import Study, open_study
from chunk7.delivery.verdicts import Cause
from chunk7.wire.plan import Cell
from chunk7.wire.tables import Via

CELLS = [Cell("history_then_subscribe", "publish_then_save"), Cell("buffered_merge", "atomic_lua")]
SESSIONS, USERS, CHUNKS, EVERY_MS = 12, 240, 60, 20.0
LOSSY = (0.35, 0.05)
"""Probability that a connection of either cell loses something."""
WINDOW_MS, JOIN_MS = lognorm(0.4, scale=8.0), lognorm(0.3, scale=3.0)
WAY_MS = expon(1.0, 4.0)
LEVEL = 1 - 1e-5
PROBABILITIES = (0.5, 0.95)
COUNTED = ("expected", "delivered", "lost", "duplicate", "out_of_order")


@dataclass
class Truth:
    """What was planted, a list entry a connection (or a live chunk)."""

    counts: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in COUNTED})
    cell: list[int] = field(default_factory=list)
    window_ms: list[float] = field(default_factory=list)
    join_ms: list[float] = field(default_factory=list)
    way_ms: list[tuple[int, float]] = field(default_factory=list)


def plant(folder: Path, seed: int, lossy: tuple[float, float] = LOSSY) -> Truth:
    """A run folder, and the truth about it."""
    rng, truth = np.random.default_rng(seed), Truth()
    story = Story(folder, cells=CELLS)
    for cell in range(len(CELLS)):
        for session in range(SESSIONS):
            for seq in range(1, CHUNKS + 1):
                story.chunk(seq, EVERY_MS * seq, cell=cell, session_id=f"r-{cell}-{session}")
        for user in range(USERS):
            connection(story, truth, rng, cell, user, lossy[cell])
    story.healthy("producer", "node", "locust")
    story.end()
    return truth


def connection(
    story: Story, truth: Truth, rng: np.random.Generator, cell: int, user: int, lossy: float
) -> None:
    """One that joins before the first chunk and gets all of them live, but for its own fate."""
    number, session = 1_000 * cell + user + 1, f"r-{cell}-{user % SESSIONS}"
    window_ms, join_ms = (
        float(WINDOW_MS.rvs(random_state=rng)),
        float(JOIN_MS.rvs(random_state=rng)),
    )
    fates = rng.permutation(np.arange(2, CHUNKS, 2))  # none next to another one
    lost = set(fates[: rng.integers(1, 4)].tolist()) if rng.random() < lossy else set()
    doubled, overtaken = (
        set(fates[4 : 4 + rng.integers(0, 4)]),
        set(fates[8 : 8 + rng.integers(0, 3)]),
    )
    receipts: list[tuple[Any, ...]] = []
    for seq in range(1, CHUNKS + 1):
        if seq in lost:
            continue
        way_ms = float(WAY_MS.rvs(random_state=rng))
        # A chunk is overtaken by coming with the one after it, whose way is shorter than that.
        at_ms = EVERY_MS * seq + way_ms + (4 * EVERY_MS if seq in overtaken else 0)
        receipts.append((at_ms, seq, Via.LIVE))
        truth.way_ms.append((cell, at_ms - EVERY_MS * seq))
        if seq in doubled:
            receipts.append((at_ms, seq, Via.HISTORY))
    receipts.sort(key=lambda receipt: receipt[0])
    seqs = np.array(list(dict.fromkeys(seq for _, seq, _ in receipts)))
    truth.cell.append(cell)
    truth.window_ms.append(window_ms)
    truth.join_ms.append(join_ms)
    for name, count in (
        ("expected", CHUNKS), ("delivered", CHUNKS - len(lost)), ("lost", len(lost)),
        ("duplicate", len(doubled)),
        ("out_of_order", int((seqs < np.maximum.accumulate(seqs)).sum())),
    ):  # fmt: skip
        truth.counts[name].append(count)
    story.connection(
        number, receipts, cell=cell, session_id=session, user=user, history_ns=ns(join_ms)
    )
    read, subscribe = (5.0, 5.0 + window_ms) if cell == 0 else (5.0 + window_ms, 5.0)
    story.join(
        number, (read, read), (subscribe, subscribe), session_id=session, accepted_ns=ns(1),
        connect=CELLS[cell].connect,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Truth]:
    folder = tmp_path_factory.mktemp("planted") / "run"
    truth = plant(folder, seed=1)
    return open_study(folder), truth


def test_the_run_is_valid_and_enough_is_planted(planted: tuple[Study, Truth]) -> None:
    study, truth = planted
    assert study.summary.invalid_because == []
    assert all(sum(values) > 100 for values in truth.counts.values())


def test_every_connections_counts_come_back(planted: tuple[Study, Truth]) -> None:
    study, truth = planted
    found = study.connections.sort_values("connection_id")
    assert found["cell"].tolist() == truth.cell
    for name, values in truth.counts.items():
        assert found[name].tolist() == values, name
    assert found["unexpected"].sum() == found["undetermined"].sum() == 0


def test_cells_add_up_and_the_intervals_hold_the_truth(planted: tuple[Study, Truth]) -> None:
    study, truth = planted
    lost, cells = np.array(truth.counts["lost"]), np.array(truth.cell)
    for cell, result in enumerate(study.summary.results):
        of_cell = lost[cells == cell]
        assert (result.connections, result.chunks_lost) == (USERS, of_cell.sum())
        assert result.lossy_connections == (of_cell > 0).sum()
        assert sum(result.causes.values()) == of_cell.sum()
        interval = wilson(result.lossy_connections, USERS, LEVEL)
        assert interval.low < LOSSY[cell] < interval.high
    assert len(study.losses) == lost.sum()
    # No loss was planted into a window, so none may be put down to one.
    assert set(study.losses["cause"]) == {Cause.UNKNOWN}


def test_times_come_back_to_the_nanosecond(planted: tuple[Study, Truth]) -> None:
    study, truth = planted
    found = study.connections.sort_values("connection_id")
    signs = np.where(np.array(truth.cell) == 0, 1, -1)
    assert found["join_ms"].to_numpy() == pytest.approx(np.array(truth.join_ms), abs=1e-6)
    assert found["window_ms"].to_numpy() == pytest.approx(signs * truth.window_ms, abs=1e-5)


@pytest.mark.parametrize("cell", [0, 1])
def test_quantiles_are_those_of_what_was_planted(planted: tuple[Study, Truth], cell: int) -> None:
    """Latencies are kept as 32-bit floats: 7 digits."""
    study, truth = planted
    of_cell, result = np.array(truth.cell) == cell, study.summary.results[cell]
    sign = 1 if cell == 0 else -1
    for found, values in (
        (result.window_ms, sign * np.array(truth.window_ms)[of_cell]),
        (result.join_ms, np.array(truth.join_ms)[of_cell]),
        (result.chunk_latency_ms, np.array([ms for k, ms in truth.way_ms if k == cell])),
    ):
        assert (found.p50, found.p95, found.p99) == pytest.approx(quantiles(values), rel=1e-6)


@pytest.mark.parametrize("probability", PROBABILITIES)
def test_the_distributions_quantiles_lie_in_the_intervals(
    planted: tuple[Study, Truth], probability: float
) -> None:
    study, _ = planted
    first = study.connections[study.connections["cell"] == 0]
    for column, distribution in (("window_ms", WINDOW_MS), ("join_ms", JOIN_MS)):
        interval = quantile_interval(first[column], probability, LEVEL)
        assert interval is not None
        assert interval.low < distribution.ppf(probability) < interval.high
        assert interval.high < 3 * interval.low


def test_chunk_latencies_are_told_by_session(planted: tuple[Study, Truth]) -> None:
    """All ways are drawn alike but those of overtaken chunks, so sessions differ by chance."""
    study, _ = planted
    latencies = np.concatenate(list(study.judgement.latency_ms.values()))
    sessions = np.repeat(
        study.run.connections["session_id"].to_numpy(), study.judgement.accounts["timed"]
    )
    interval = clustered_quantile_interval(latencies, sessions, 0.5, LEVEL)
    assert interval is not None
    assert interval.low < WAY_MS.ppf(0.5 / (1 - overtaken_share())) < interval.high
    assert interval.high - interval.low < 0.5


def overtaken_share() -> float:
    """Of all live chunks: one a connection on average, which only lifts the quantile."""
    return 1 / CHUNKS


def test_the_planted_difference_of_the_orderings_is_found(planted: tuple[Study, Truth]) -> None:
    study, truth = planted
    table = compare_orderings(study).set_index("metric")
    lost = np.array(truth.counts["lost"]).reshape(2, USERS) > 0
    assert table.loc["loss_rate", "only_a"] == (lost[0] & ~lost[1]).sum()
    assert table.loc["loss_rate", "only_b"] == (lost[1] & ~lost[0]).sum()
    assert table["verdict"].to_dict() == {
        "loss_rate": "A loses more", "duplicates": "no evidence", "join_ms": "no evidence",
    }  # fmt: skip
    assert table.loc["loss_rate", "low"] < LOSSY[0] - LOSSY[1] < table.loc["loss_rate", "high"]


def test_a_run_that_loses_more_in_one_cell_is_worse_in_that_one(
    planted: tuple[Study, Truth], tmp_path: Path
) -> None:
    plant(tmp_path / "run", seed=2, lossy=(LOSSY[0], 0.4))
    found = compare_runs(planted[0], open_study(tmp_path / "run"))
    assert (found.paired, found.verdict) == (True, "worse")
    told = {
        (cell.connect, d.metric): d.verdict
        for cell in found.cells
        for d in cell.differences
        if d.verdict != "no evidence"
    }
    assert told == {
        ("buffered_merge", "loss_rate"): "worse", ("buffered_merge", "chunk_loss_rate"): "worse",
    }  # fmt: skip


def test_orderings_of_a_run_that_is_not_valid_get_no_verdict(planted: tuple[Study, Truth]) -> None:
    study, _ = planted
    summary = msgspec.structs.replace(study.summary, valid=False, invalid_because=["nginx died"])
    table = compare_orderings(dataclasses.replace(study, summary=summary))
    assert set(table["verdict"]) == {"run not valid"}
