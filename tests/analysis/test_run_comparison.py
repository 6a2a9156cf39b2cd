"""Two runs against each other: planted differences, none, and runs that cannot be compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from comparing_kit import SESSIONS, sample
from msgspec.structs import replace
from story import CELL, Story, ns

from chunk7.analysis.comparison import NO_EVIDENCE, NOT_VALID
from chunk7.analysis.manifest import Manifest, read_manifest, write_manifest
from chunk7.analysis.parameters import changed, differing, same_plan
from chunk7.analysis.run_comparison import (
    DELIVERY,
    MARGINS,
    CellComparison,
    Comparison,
    Sample,
    compare_runs,
    compare_samples,
    overall,
)
from chunk7.analysis.study import open_study
from chunk7.wire.plan import Cell

RUNS = 200
"""Synthetic comparisons without any difference. At 5%, more than 24 are wrong once in 30,000."""
MOST_WRONG = 24
CELLS = [("history_then_subscribe", "publish_then_save"), ("b", "b"), ("c", "c"), ("d", "d")]


def compared(
    rng: np.random.Generator,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    margins: Mapping[str, float] | None = None,
    paired: bool = True,
) -> list[CellComparison]:
    """CELLS, of which the first differs; the others are all the same."""
    pairs = {CELLS[0]: (sample(rng, **a), sample(rng, **b))}
    pairs |= {cell: (sample(rng), sample(rng)) for cell in CELLS[1:]}
    return compare_samples(pairs, paired, margins)


def verdicts(cell: CellComparison) -> dict[str, str]:
    return {d.metric: d.verdict for d in cell.differences if d.verdict != NO_EVIDENCE}


def test_runs_alike_are_told_apart_in_at_most_5_percent_of_comparisons() -> None:
    """Each of the two families, what is decisive and what is not, before any margin; every other
    comparison is of pairs."""
    rng = np.random.default_rng(7)
    wrong = {True: 0, False: 0}
    for number in range(RUNS):
        pairs = {cell: (sample(rng), sample(rng)) for cell in CELLS[:2]}
        cells = compare_samples(pairs, paired=number % 2 == 0)
        for family in wrong:
            differences = [d for cell in cells for d in cell.differences if d.decisive == family]
            wrong[family] += min(d.p_adjusted for d in differences) < 0.05
    assert max(wrong.values()) <= MOST_WRONG, wrong


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize(
    ("b", "metric"),
    [
        ({"lossy": 0.5}, "loss_rate"),
        ({"lossy": 0.8}, "chunk_loss_rate"),
        ({"doubles": 1.2}, "duplicates"),
    ],
)
def test_a_planted_difference_is_found_and_called_by_its_name(
    b: dict[str, float], metric: str, paired: bool
) -> None:
    rng = np.random.default_rng(8)
    for _ in range(5):
        first, *others = compared(rng, {}, b, paired=paired)
        assert verdicts(first)[metric] == "worse"
        back, *_ = cells = compared(rng, b, {}, paired=paired)
        assert verdicts(back)[metric] == "better"
        assert overall(cells) == "better"
        assert [verdicts(cell) for cell in others] == [{}, {}, {}]


def test_times_must_differ_by_more_than_their_margin() -> None:
    rng = np.random.default_rng(9)
    slow = {"join_ms": 6.0, "latency_ms": 4.0, "window_ms": 9.0}
    usual = compared(rng, {}, slow)
    assert verdicts(usual[0]) == {"window_ms.p50": "longer"}
    assert overall(usual) == NO_EVIDENCE
    strict = compared(rng, {}, slow, {"join_ms.p50": 1.0, "window_ms.p50": 5.0})
    assert verdicts(strict[0]) == {"join_ms.p50": "worse"}
    assert overall(strict) == "worse"
    slower = compared(rng, {}, {"join_ms": 60.0, "latency_ms": 40.0})
    assert verdicts(slower[0]) == {
        "join_ms.p50": "worse", "join_ms.p95": "worse", "chunk_latency_ms.p50": "worse",
        "chunk_latency_ms.p95": "worse",
    }  # fmt: skip
    assert overall(slower) == NO_EVIDENCE


def test_a_loss_below_the_margin_does_not_matter() -> None:
    rng = np.random.default_rng(10)
    margins = {"loss_rate": 0.4, "chunk_loss_rate": 0.4}
    assert verdicts(compared(rng, {}, {"lossy": 0.5}, margins)[0]) == {}


def test_one_cell_that_is_worse_outweighs_one_that_is_better() -> None:
    rng = np.random.default_rng(11)
    pairs = {
        CELLS[0]: (sample(rng, lossy=0.6), sample(rng, lossy=0.0)),
        CELLS[1]: (sample(rng, lossy=0.0), sample(rng, lossy=0.6)),
    }
    assert overall(compare_samples(pairs, paired=False)) == "worse"


def test_a_cell_without_connections_says_nothing() -> None:
    rng = np.random.default_rng(12)
    full = sample(rng)
    empty = Sample(full.connections[:0], full.latency_ms[:0], full.latency_session[:0])
    [cell] = compare_samples({CELLS[0]: (full, empty)}, paired=False)
    assert (cell.connections_a, cell.connections_b, cell.pairs) == (120, 0, None)
    assert {d.metric for d in cell.differences} == set(MARGINS)
    assert all(
        (d.b, d.difference, d.p_value, d.verdict) == (None, None, 1.0, NO_EVIDENCE)
        for d in cell.differences
    )


def test_pairs_are_the_same_user_turn_and_session() -> None:
    rng = np.random.default_rng(13)
    a, b = sample(rng, run="one"), sample(rng, run="other", cell=3)
    b.connections.loc[0, "session_id"] = f"other-3-{SESSIONS + 1}"
    [cell] = compare_samples({CELLS[0]: (a, b)}, paired=True)
    assert cell.pairs == 119


# --- whole run folders -----------------------------------------------------------------------

LOSERS = 20


def folder(path: Path, losers: int, cells: list[Cell] | None = None, **plan: Any) -> Path:
    """Forty users of one session of five chunks; so many of them lose the third, in each cell."""
    story = Story(path, cells=cells)
    for cell, ordering in enumerate(story.cells):
        session = f"{path.name}-{cell}-0"
        for seq in range(1, 6):
            story.chunk(seq, 10 * seq, cell=cell, session_id=session)
        for user in range(40):
            number = 100 * cell + user + 1
            live = [(10 * seq + 2, seq) for seq in range(1, 6) if seq != 3 or user >= losers]
            story.connection(number, live, cell=cell, session_id=session, user=user)
            story.join(number, session_id=session, connect=ordering.connect, accepted_ns=ns(1))
    story.healthy("producer", "node", "locust")
    manifest = read_manifest(story.end())
    plan_ = msgspec.structs.replace(manifest.plan, **plan)
    write_manifest(path, msgspec.structs.replace(manifest, plan=plan_))
    return path


def of_folders(a: Path, b: Path) -> Comparison:
    return compare_runs(open_study(a), open_study(b))


def test_two_runs_come_to_a_document(tmp_path: Path) -> None:
    other = Cell("buffered_merge", "atomic_lua")
    a = folder(tmp_path / "a", 0, [CELL, other])
    found = of_folders(a, folder(tmp_path / "b", LOSERS, [CELL]))
    assert (found.verdict, found.paired, found.unpaired_because) == ("worse", True, None)
    assert (found.a.only_here, found.b.only_here) == (["buffered_merge x atomic_lua"], [])
    assert (found.a.run_dir, found.a.seed, found.a.valid) == (str(a), 7, True)
    assert found.warnings == found.changes == []
    [cell] = found.cells
    assert (cell.name, cell.connections_a, cell.pairs) == (CELL.name, 40, 40)
    loss = cell.differences[0]
    assert (loss.metric, loss.a, loss.b, loss.difference) == ("loss_rate", 0.0, 0.5, 0.5)
    assert loss.p_value == pytest.approx(2 / 2**20)
    assert loss.p_adjusted == pytest.approx(3 * loss.p_value)  # three metrics are decisive
    assert (loss.low, loss.high) == (pytest.approx(0.328, abs=1e-3), pytest.approx(0.648, abs=1e-3))
    chunks = cell.differences[1]
    assert (chunks.b, chunks.low, chunks.high) == (0.1, pytest.approx(0.1 - 0.9552, abs=1e-4), 1)
    assert {d.metric for d in cell.differences if d.decisive} == set(DELIVERY)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Comparison)
    assert again == found
    assert list(found.table()["metric"]) == list(MARGINS)


def test_the_same_run_twice_is_no_evidence_of_anything(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", LOSERS)
    found = of_folders(path, path)
    assert found.verdict == NO_EVIDENCE
    assert {d.difference for d in found.cells[0].differences} == {0.0}


def test_runs_of_different_seeds_are_not_paired_and_say_so(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 0), folder(tmp_path / "b", LOSERS, seed=8, chunk_rate=60.0)
    found = of_folders(a, b)
    assert (found.paired, found.unpaired_because) == (False, "they differ in seed")
    assert found.warnings == ["seed: 7 in A, 8 in B", "chunk_rate: 50 in A, 60 in B"]
    assert (found.verdict, found.cells[0].pairs) == ("worse", None)


def test_a_run_that_is_not_valid_gets_no_verdict(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a", 0), folder(tmp_path / "b", LOSERS)
    cut_short(b / "raw" / "node.joins.arrows")
    for found in (of_folders(a, b), of_folders(b, a)):
        assert (found.valid, found.verdict) == (False, NOT_VALID)
        assert {d.verdict for cell in found.cells for d in cell.differences} == {NOT_VALID}
    assert (found.a.valid, found.b.valid) == (False, True)
    assert len(found.a.invalid_because) == 1


def cut_short(records: Path) -> None:
    """As a process leaves them that is killed: without their end mark."""
    records.write_bytes(records.read_bytes()[:-8])


def test_a_run_in_which_nobody_joined_is_not_valid_either(tmp_path: Path) -> None:
    found = of_folders(folder(tmp_path / "a", 0), Story(tmp_path / "c").end())
    assert (found.paired, found.verdict) == (False, NOT_VALID)
    assert found.unpaired_because == "the runs' joins are not the same"


def manifest(tmp_path: Path, **extra: Any) -> Manifest:
    Story(tmp_path / "run")
    return msgspec.structs.replace(read_manifest(tmp_path / "run"), extra=extra)


def test_parameters_machine_and_versions_that_differ_are_told(tmp_path: Path) -> None:
    a = manifest(
        tmp_path,
        settings={"nodes": 3, "answers": "mine", "thresholds": ["x<1"]},
        machine={"cpu_count": 2},
        versions={"python": "3.11", "packages": {"websockets": "17"}},
        commit="1",
    )
    b = msgspec.structs.replace(
        a,
        plan=msgspec.structs.replace(a.plan, node_work_ms=5.0, settle_ms=a.plan.quiet_ms),
        extra={
            "settings": {"nodes": 2, "thresholds": []}, "machine": "big", "commit": "2",
            "versions": {"python": "3.11", "packages": {"websockets": "18"}},
        },
    )  # fmt: skip
    assert differing(a, a) == changed(a, a) == []
    assert differing(a, b) == [
        "node_work_ms: 0 in A, 5 in B",
        "nodes: 3 in A, 2 in B",
        "answers: mine in A, none in B",
        "cpu_count: 2 in A, none in B",
    ]
    assert changed(a, b) == ["commit: 1 in A, 2 in B", "websockets: 17 in A, 18 in B"]
    assert (same_plan(a, a), same_plan(a, b)) == (None, "they differ in answers")


def test_a_plan_is_the_same_while_users_meet_the_same_chunks_at_the_same_moments(
    tmp_path: Path,
) -> None:
    a = manifest(tmp_path)

    def differs(**plan: Any) -> str | None:
        return same_plan(a, msgspec.structs.replace(a, plan=replace(a.plan, **plan)))

    assert differs(run="other", number=2, lead_ms=7) is None
    assert differs(node_work_ms=9.0, save_lag_ms=9.0, settle_ms=a.plan.quiet_ms) is None
    assert differs(users=60) == "they differ in users"
    assert differs(ttft_ms=60.0) == "they differ in ttft_ms"
    assert differs(settle_ms=60) == "they differ in quiet_ms"
