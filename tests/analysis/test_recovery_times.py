"""How long a fault kept clients waiting, and what became of the chunks of its time."""

from pathlib import Path

import pytest
from story import CELL, Story, ns

from chunk7.analysis.recovery import FaultChunks, FaultResult, RecoveryTimes
from chunk7.analysis.study import analyse
from chunk7.delivery.verdicts import Cause
from chunk7.wire.plan import Cell

SECOND = Cell("buffered_merge", "atomic_lua")
NOTHING = FaultChunks(expected=0, delivered=0, lost=0, undetermined=0, duplicate=0, causes={})


def results(story: Story) -> list[FaultResult]:
    return analyse(story.end()).summary.faults


def chunks(story: Story, *at_ms: float) -> None:
    for seq, at in enumerate(at_ms, 1):
        story.chunk(seq, at)


def test_a_run_without_faults_has_no_results_of_them(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.connection(1, [(11, 1)])
    assert results(story) == []


def test_delivery_is_back_with_the_first_chunk_after_the_last_that_was_lost(
    tmp_path: Path,
) -> None:
    """Struck at 1,000; chunks 2 and 3 are lost, 4 comes at 1,301: back after 301 ms."""
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 1_200, 1_300, 1_400)
    story.connection(1, [(501, 1), (1_301, 4), (1_401, 5)])
    story.join(1)
    story.fault("store_kill_pubsub store", 1_000, 1_000)
    (result,) = results(story)
    assert (result.visits, result.interrupted, result.not_back) == (1, 1, 0)
    assert result.recovery_ms == RecoveryTimes(p50=301.0, p95=301.0)
    assert result.within == FaultChunks(
        expected=4, delivered=2, lost=2, undetermined=0, duplicate=0,
        causes={Cause.STORE_RECONNECT: 2},
    )  # fmt: skip
    assert result.outside == FaultChunks(
        expected=1, delivered=1, lost=0, undetermined=0, duplicate=0, causes={}
    )


def test_delivery_is_back_when_what_was_held_up_comes(tmp_path: Path) -> None:
    """The store is paused from 1,000 to 2,000 and loses nothing: all comes at 2,005."""
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 1_900, 2_100)
    story.connection(1, [(501, 1), (2_005, 2), (2_005, 3), (2_101, 4)])
    story.join(1)
    story.fault("store_pause store", 1_000, 2_000)
    (result,) = results(story)
    assert (result.interrupted, result.recovery_ms.p50) == (1, 1_005.0)
    assert result.within.lost == 0


def test_who_was_not_struck_was_not_interrupted(tmp_path: Path) -> None:
    """Of two visits that of another node gets everything in time: it has no recovery."""
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 1_200)
    story.connection(1, [(501, 1), (1_101, 2), (1_201, 3)])
    story.connection(2, [(501, 1), (1_201, 3)])
    for number, node in ((1, "node-1"), (2, "node-2")):
        story.join(number, process=node)
    story.fault("deaf_node node-2", 1_000, 1_150)
    (result,) = results(story)
    assert (result.visits, result.interrupted) == (2, 1)
    assert result.recovery_ms.p50 == 201.0
    assert result.within.causes == {Cause.DEAF_NODE: 1}


def test_a_visit_that_is_over_before_anything_came_is_not_back(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 1_200)
    story.connection(1, [(501, 1)], closed_ns=ns(1_050), by_server=True, close_code=1006)
    story.join(1)
    story.fault("node_kill node", 1_000, 1_500)
    (result,) = results(story)
    assert (result.visits, result.interrupted, result.not_back) == (1, 1, 1)
    assert result.recovery_ms == RecoveryTimes()
    assert result.within.causes == {Cause.NODE_GONE: 2}


def test_a_visit_of_after_the_fault_or_before_it_was_not_open(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100)
    story.connection(1, [(501, 1)], leave_ms=900)
    story.connection(2, [(1_101, 2)], open_ms=1_050, after_seq=1)
    story.fault("node_pause node", 1_000, 1_020)
    (result,) = results(story)
    assert result.visits == 0
    assert result.recovery_ms == RecoveryTimes()


def test_a_slow_cell_calls_late_what_is_late_for_it(tmp_path: Path) -> None:
    """Outside of the fault a chunk takes 200 ms: in it 390 are not late, 410 are."""
    for latency_ms, interrupted in ((390, 0), (410, 1)):
        story = Story(tmp_path / f"run-{latency_ms}")
        chunks(story, 100, 200, 1_100, 3_000)
        late = (1_100 + latency_ms, 3)
        story.connection(1, [(300, 1), (400, 2), late, (3_200, 4)])
        story.join(1)
        story.fault("store_latency store", 1_000, 1_500)
        (result,) = results(story)
        assert result.interrupted == interrupted


def test_every_strike_has_its_own_cell_and_its_own_chunks(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", cells=[CELL, SECOND])
    chunks(story, 500, 1_100, 1_300)
    for seq, at_ms in ((1, 5_500), (2, 6_100)):
        story.chunk(seq, at_ms, cell=1, session_id="t")
    story.connection(1, [(501, 1), (1_301, 3), (1_302, 3)], leave_ms=4_500)
    story.join(1)
    story.connection(
        2, [(5_501, 1), (6_101, 2)], cell=1, session_id="t", open_ms=5_000, leave_ms=9_000
    )
    story.join(2, session_id="t", connect=SECOND.connect, accepted_ns=ns(5_000))
    for at_ms in (1_000, 6_000):
        story.fault("trim store", at_ms, at_ms)
    first, second = results(story)
    assert (first.connect, first.interrupted, first.within.lost) == (CELL.connect, 1, 1)
    assert (first.within.duplicate, first.within.delivered) == (1, 1)
    assert (second.connect, second.interrupted, second.within.lost) == (SECOND.connect, 0, 0)
    assert (first.offset_ms, second.offset_ms) == (1_000.0, 1_000.0)


def test_what_the_next_fault_does_is_not_the_one_befores(tmp_path: Path) -> None:
    """A node was down from 1,000 to 2,500; a visit of another node was told interrupted by it, and
    back 2,065 ms later, as the next fault struck within the allowance of the first."""
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 3_010, 3_100)
    story.connection(1, [(501, 1), (1_101, 2), (3_101, 4)])
    story.join(1)
    story.fault("node_kill node-2", 1_000, 2_500)
    story.fault("store_kill_pubsub store", 3_000, 3_000)
    first, second = results(story)
    assert (first.interrupted, first.within.lost, first.within.delivered) == (0, 0, 1)
    assert (second.interrupted, second.within.lost, second.recovery_ms.p50) == (1, 1, 101.0)


def test_two_that_strike_together_both_have_what_they_did(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    chunks(story, 500, 1_100, 1_200)
    story.connection(1, [(501, 1), (1_201, 3)])
    story.join(1)
    for name, at_ms in (("trim store", 1_000), ("store_kill_pubsub store", 1_020)):
        story.fault(name, at_ms, at_ms)
    first, second = results(story)
    assert (first.interrupted, second.interrupted) == (1, 1)
    assert (first.recovery_ms.p50, second.recovery_ms.p50) == (201.0, 181.0)


def test_chunks_without_a_known_outcome_are_undetermined_within(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 500)
    story.chunk(2, 1_100, publish_done_ns=None, save_done_ns=None)
    story.chunk(3, 1_800)
    story.connection(1, [(501, 1), (1_801, 3)])
    story.join(1)
    story.fault("store_pause store", 1_000, 1_500)
    (result,) = results(story)
    assert (result.within.undetermined, result.outside.undetermined) == (1, 0)
    assert result.recovery_ms.p50 == 801.0


@pytest.mark.parametrize(("visits", "bounded"), [(5, False), (6, True)])
def test_the_median_has_an_interval_from_six_visits_on(
    visits: int, bounded: bool, tmp_path: Path
) -> None:
    """Of n values the least and the greatest hold the median with 1 - 2^(1 - n): 97% of six."""
    story = Story(tmp_path / "run")
    chunks(story, 1_100, 2_000)
    for number in range(1, visits + 1):
        story.connection(number, [(2_000 + number, 2)])
        story.join(number)
    story.fault("store_kill_pubsub store", 1_000, 1_000)
    (result,) = results(story)
    times = result.recovery_ms
    ends = (1_001.0, 1_000.0 + visits) if bounded else (None, None)
    assert (times.p50, times.p50_low, times.p50_high) == (1_000 + (visits + 1) / 2, *ends)
    assert times.p95_high is None


def test_a_fault_of_a_run_in_which_nobody_connected_has_nothing_to_tell(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.fault("trim store", 1_000, 1_000)
    (result,) = results(story)
    assert (result.visits, result.within, result.outside) == (0, NOTHING, NOTHING)
