"""Totals over runs are of all their connections together, as if they had been one run."""

from pathlib import Path

import pytest
from race import EMPTY, FIXED, judged
from story import CELL, Story, ns

from chunk7.analysis.statistics.proportions import wilson
from chunk7.analysis.study import Study, analyse
from chunk7.analysis.totals import Kept, history, keep, totals
from chunk7.wire.account import Account


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return judged(tmp_path_factory.mktemp("race") / "run")


@pytest.fixture(scope="module")
def kept(study: Study) -> Kept:
    return keep(study)


def test_of_one_run_they_are_its_results_but_for_cells_that_nobody_joined(
    study: Study, kept: Kept
) -> None:
    found = totals([kept])
    results = [result for result in study.summary.results if result.name != EMPTY.name]
    assert [total.name for total in found] == [CELL.name, FIXED.name]
    for total, result in zip(found, results, strict=True):
        for name in Account.__struct_fields__:
            expected = getattr(result, name)
            exact = not isinstance(expected, float)
            assert getattr(total, name) == (expected if exact else pytest.approx(expected)), name


def test_of_two_runs_they_are_sums_and_their_interval_is_of_all_connections(kept: Kept) -> None:
    once, twice = totals([kept])[0], totals([kept, kept])[0]
    assert (once.connections, once.chunks_lost, once.causes) == (1, 1, {"handover_gap": 1})
    assert (twice.connections, twice.chunks_lost, twice.causes) == (2, 2, {"handover_gap": 2})
    assert twice.chunks_lost_predicted == pytest.approx(2 * once.chunks_lost_predicted)
    interval = wilson(2, 2)
    assert (twice.loss_rate_low, twice.loss_rate_high) == (interval.low, interval.high)
    narrower = twice.chunks_lost_predicted_high / 2 - once.chunks_lost_predicted_high
    assert narrower < 0, "joins are independent: their spread grows with the root of their number"
    assert twice.window_ms == once.window_ms


def test_of_no_run_there_are_none() -> None:
    assert totals([]) == []
    assert history([], 0, 5.0, 10) == []


def test_the_history_has_a_row_a_bin_and_pair_the_newest_at_last(kept: Kept) -> None:
    rows = history([kept, kept], ns(0) or 0, 0.02, most=10)
    assert [(row.at_s, row.connect, row.connections, row.chunks_lost) for row in rows] == [
        (0.03, CELL.connect, 2, 2),
        (0.03, FIXED.connect, 2, 0),
    ]
    assert [(row.window_ms_p50, row.loss_rate) for row in rows] == [(10, 1), (-10, 0)]
    later = kept.connections.assign(opened_ns=kept.connections["opened_ns"] + 10**9)
    newest = history([kept, Kept(later, kept.causes)], ns(0) or 0, 0.02, most=2)
    assert [row.at_s for row in newest] == [1.03, 1.03]


def test_a_bin_is_not_finished_while_losses_may_come_to_it(kept: Kept) -> None:
    """The charts' newest point always stood at 0, and looked like a cure."""

    def finished(*runs: Kept, running: bool) -> list[bool]:
        rows = history(runs, ns(0) or 0, 0.02, most=10, running=running)
        return [row.finished for row in rows]

    later = kept.connections.assign(opened_ns=kept.connections["opened_ns"] + 10**9)
    both = (kept, Kept(later, kept.causes))
    assert finished(*both, running=True) == [True, True, False, False]
    assert finished(*both, running=False) == [True] * 4
    first_open = kept.connections.assign(ended=[False, True])
    assert finished(Kept(first_open, kept.causes), running=False) == [False, True]
    first_cut_off = kept.connections.assign(undetermined=[3, 0])
    assert finished(Kept(first_cut_off, kept.causes), running=False) == [False, True]


def test_a_bin_of_clients_that_were_stopped_is_never_finished(tmp_path: Path) -> None:
    """Stop was pressed 0.3 s after they joined: nothing was undetermined to speak of, as they had a
    long history, and the chart's line fell from 60% to 0."""
    story = Story(tmp_path / "run")
    for seq in range(1, 101):
        story.chunk(seq, seq * 10)
    all_of_it = [(seq * 10 + 1, seq) for seq in range(1, 101)]
    story.connection(1, all_of_it, leave_ms=2_000)
    story.connection(2, all_of_it, open_ms=1_000, leave_ms=5_000, closed_ns=ns(1_300))
    kept = keep(analyse(story.end()))
    assert kept.connections["ended"].tolist() == [True, False]
    moments = history([kept], ns(0) or 0, 1.0, most=10)
    assert [moment.finished for moment in moments] == [True, False]
