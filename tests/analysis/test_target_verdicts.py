"""Somebody else's back end may be slow, may end in order, and may die; none of it is a loss."""

from pathlib import Path

import pytest
from story import Story, ns

from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import TargetFacts
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import analyse
from chunk7.analysis.verdicts import judge

THEIRS = TargetFacts("theirs", "ws://their.host/", "theirs.yaml", "producer")
COUNTED = ("expected", "delivered", "lost", "undetermined")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Three chunks, at 10, 20 and 3,000 ms; clients leave at 5,000."""
    story = Story(tmp_path / "run", target=THEIRS)
    for seq, at_ms in ((1, 10), (2, 20), (3, 3_000)):
        story.chunk(seq, at_ms)
    return story


def account(folder: Path) -> tuple[int, ...]:
    """COUNTED of the first connection."""
    gather(folder)
    row = judge(load_run(folder)).accounts.iloc[0]
    return tuple(int(row[name]) for name in COUNTED)


def test_what_never_comes_from_a_quick_target_is_lost(story: Story) -> None:
    story.connection(1, [(12, 1), (22, 2)])
    assert account(story.end()) == (3, 2, 1, 0)


def test_what_may_still_be_on_its_way_from_a_slow_one_is_undetermined(story: Story) -> None:
    """It takes 2 s for a chunk: the third, due 2 s before the client left, would have come later.

    Once it was judged as on our own nodes, where half a second is long, and a target that lost
    nothing lost its last chunks of every connection.
    """
    story.connection(1, [(2_010, 1), (2_020, 2)])
    assert account(story.end()) == (3, 2, 0, 1)


def test_a_slow_target_is_named_as_the_reason(story: Story) -> None:
    story.connection(1, [(2_010, 1), (2_020, 2)])
    [line] = [one for one in analyse(story.end()).summary.invalid_because if "undetermined" in one]
    assert line.startswith("1 of 3 chunks expected in ")
    assert line.endswith(
        "(limit 5%): the target took up to 2,000 ms for a chunk, so more may have been coming"
    )


def test_a_hole_in_what_a_slow_one_sent_is_still_lost(story: Story) -> None:
    story.connection(1, [(2_010, 1), (4_900, 3)])
    assert account(story.end()) == (3, 2, 1, 0)


def test_what_it_sent_of_before_the_join_says_nothing_about_its_pace(story: Story) -> None:
    """Many send what there was in the same frames as what comes live: 2 s old, and not slow."""
    story.connection(1, [(2_012, 1), (2_013, 2)], open_ms=2_000)
    assert account(story.end()) == (3, 2, 1, 0)


def test_who_was_told_that_it_is_over_has_lost_what_is_missing(story: Story) -> None:
    """Even a moment before it would have left: after an end nothing is on its way."""
    story.chunk(4, 4_900)
    story.connection(1, [(12, 1), (22, 2), (3_002, 3)], by_server=True, closed_ns=ns(4_950))
    assert account(story.end()) == (4, 3, 1, 0)


def test_of_who_was_cut_off_nothing_more_is_expected(story: Story) -> None:
    story.connection(1, [(12, 1)], closed_ns=ns(15), close_code=1006)
    assert account(story.end()) == (1, 1, 0, 0)


def test_a_target_that_cuts_its_clients_off_makes_the_run_not_valid(story: Story) -> None:
    story.connection(1, [(12, 1)], closed_ns=ns(15), close_code=1006)
    study = analyse(story.end())
    [line] = [line for line in study.summary.invalid_because if "broken off" in line]
    assert line.startswith("1 of 1 connections of ")
    assert line.endswith(
        "were broken off by the target (limit 1%): 1006 (without a word: it died, or was killed)"
    )


def test_what_nobody_can_know_of_a_target_is_null(story: Story) -> None:
    story.connection(1, [(12, 1), (22, 2), (3_002, 3)])
    [result] = analyse(story.end()).summary.results
    assert result.chunks_lost_predicted is None
    assert result.chunks_duplicate_predicted_low is None
    assert result.window_ms.p50 is None
    assert result.gap_ms.p50 is None
