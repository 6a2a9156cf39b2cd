"""An uneventful run is valid; everything that can be wrong with one has a line of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from story import CELL, MS, SECOND, Story, clean, ns

from chunk7.analysis.gather import gather
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.validity import reasons
from chunk7.analysis.verdicts import judge
from chunk7.wire import recorder
from chunk7.wire.plan import Cell
from chunk7.wire.recorder import Recorder


def why(folder: Path) -> list[str]:
    gather(folder)
    run = load_run(folder)
    return reasons(run, judge(run))


def test_an_uneventful_run_is_valid(tmp_path: Path) -> None:
    assert why(clean(tmp_path / "run").end()) == []


def test_a_single_stall_does_not_spoil_a_short_run(tmp_path: Path) -> None:
    """With seven seconds their p95 is nearly the maximum: one stall made sound runs invalid."""
    story = clean(tmp_path / "run")
    story.healthy("node", loop_lag_ms=67)
    story.healthy(*["node"] * 6)
    assert why(story.end()) == []


def nothing_published(story: Story) -> None:
    story.connection(10, cell=1)


def nobody_connected(story: Story) -> None:
    story.chunk(1, 10, cell=1, session_id="t")


def never_opened(story: Story) -> None:
    story.connection(3, connected_ns=None, welcome_ns=None, error="refused")


def saturated(story: Story) -> None:
    story.healthy("node", "node", loop_lag_ms=900)


def joins_late(story: Story) -> None:
    story.connection(3, [(11, 1)], intended_ns=ns(-900))
    story.join(3)


def chunks_late(story: Story) -> None:
    story.chunk(2, 6_900, intended_ns=ns(6_100))


def publish_backwards(story: Story) -> None:
    story.chunk(2, 6_000, publish_done_ns=ns(5_999))


def read_backwards(story: Story) -> None:
    story.connection(3, [(11, 1)])
    story.join(3, read_ms=(3, 2), subscribe_ms=(4, 4))


def both_ways(story: Story) -> None:
    story.connection(3, [(11, 1)])
    story.join(3, read_ms=(4, 4), subscribe_ms=(3, 3))


def received_early(story: Story) -> None:
    story.connection(3, [(9, 1)])
    story.join(3)


def offset_changes(story: Story) -> None:
    for at_ms, offset in ((0, 0), (1_000, 6 * MS)):
        story.of("node").add("clocks", at_ns=ns(at_ms), offset_ns=offset, uncertainty_ns=MS // 10)


def offsets_differ(story: Story) -> None:
    for process, offset in (("node", 0), ("producer", 6 * MS)):
        story.of(process).add("clocks", at_ns=ns(0), offset_ns=offset, uncertainty_ns=MS // 10)


def strange_join(story: Story) -> None:
    story.join(77)


def unseen_join(story: Story) -> None:
    story.connection(3, [(11, 1)])


def endless(story: Story) -> None:
    story.connection(3, [(11, 1)], end=False)
    story.join(3)


def undetermined(story: Story) -> None:
    story.chunk(2, 20, error="StoreLost")


REASONS: list[tuple[Callable[[Story], None], list[Cell], list[str]]] = [
    (nothing_published, [CELL, SECOND], [
        f"nothing was published for {SECOND.name}",
        "no node recorded the joins of 1 connections that were welcomed",
    ]),
    (nobody_connected, [CELL, SECOND], [f"nobody connected for {SECOND.name}"]),
    (never_opened, [CELL], [f"1 of 3 connections of {CELL.name} never opened (limit 1%)"]),
    (saturated, [CELL], [
        "node was saturated: its event loop ran up to 900 ms late, more than the limit of 50 ms "
        "in 2 of 3 seconds"
    ]),
    (joins_late, [CELL], [
        f"joins of {CELL.name} came 810 ms after their plan (p95 of 3; limit 100 ms)"
    ]),
    (chunks_late, [CELL], [
        f"chunks of {CELL.name} came 760 ms after their plan (p95 of 2; limit 100 ms)",
    ]),
    (publish_backwards, [CELL], [
        "negative window: 1 published have publish_done_ns before publish_sent_ns"
    ]),
    (read_backwards, [CELL], [
        "negative window: 1 joins have read_done_ns before read_sent_ns"
    ]),
    (both_ways, [CELL], [
        f"negative window: {CELL.connect} subscribed before it read in 1 joins and after it in 2"
    ]),
    (received_early, [CELL], [
        "clock skew: 1 live chunks were received before they were published"
    ]),
    (strange_join, [CELL], [
        "nodes recorded 1 joins of connections that the load test did not open"
    ]),
    (unseen_join, [CELL], ["no node recorded the joins of 1 connections that were welcomed"]),
    (endless, [CELL], ["1 connections have no recorded end"]),
    (undetermined, [CELL], [
        f"2 of 4 chunks expected in {CELL.name} are undetermined (limit 5%)"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "cells", "lines"), REASONS)
def test_what_spoils_a_run_is_said_in_one_line(
    spoil: Callable[[Story], None], cells: list[Cell], lines: list[str], tmp_path: Path
) -> None:
    story = clean(tmp_path / "run", cells)
    spoil(story)
    assert why(story.end()) == lines


@pytest.mark.parametrize(
    ("spoil", "who"), [(offset_changes, "node"), (offsets_differ, "node, producer")]
)
def test_clocks_that_drift_apart_are_said(
    spoil: Callable[[Story], None], who: str, tmp_path: Path
) -> None:
    story = clean(tmp_path / "run")
    spoil(story)
    (line,) = why(story.end())
    assert line.startswith("clock skew: the offset of host ")
    assert line.endswith(f"to the store varies by 6.0 ms (limit 5 + 0.2 ms) over {who}")


@pytest.mark.parametrize("process", ["node", "locust", "producer"])
def test_a_process_that_was_killed_is_named(process: str, tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    assert why(story.end(process)) == [f"{process} was cut short: its records have no end"]


def test_a_host_whose_clock_nobody_measured_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = clean(tmp_path / "run")
    monkeypatch.setattr(recorder, "boot_id", lambda: "elsewhere")
    story.recorders["far"] = Recorder(story.folder / "raw", "far")
    story.of("far").add("health", at_ns=ns(0), loop_lag_ms=0.0)
    story.of("node").add("clocks", at_ns=ns(0), offset_ns=0, uncertainty_ns=0)
    assert why(story.end()) == ["far runs on another host and has no clock offset"]


def test_accounts_that_do_not_cross_foot_are_said(tmp_path: Path) -> None:
    gather(clean(tmp_path / "run").end())
    run = load_run(tmp_path / "run")
    judgement = judge(run)
    for column in ("delivered", "receipts"):
        judgement.accounts.loc[0, column] += 1
        assert reasons(run, judgement) == ["the accounts of 1 connections do not cross-foot"]
        judgement.accounts.loc[0, column] -= 1
    assert reasons(run, judgement) == []


def test_a_killed_node_is_not_blamed_again_for_the_joins_it_did_not_record(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    unseen_join(story)
    assert why(story.end("node")) == ["node was cut short: its records have no end"]


def test_a_run_with_nothing_in_it_says_so(tmp_path: Path) -> None:
    expected: Any = [f"nothing was published for {CELL.name}", f"nobody connected for {CELL.name}"]
    assert why(Story(tmp_path / "run").end()) == expected


def test_of_a_run_that_is_still_recorded_only_what_cannot_be_mended_counts(tmp_path: Path) -> None:
    story = clean(tmp_path / "run", [CELL, SECOND])
    story.connection(3, [], end=False)
    story.join(4)
    story.chunk(2, 4_900)
    story.connection(5, connected_ns=None)
    story.healthy(*["node"] * 9, loop_lag_ms=67)
    folder = story.end("producer", "node", "locust")
    strict = why(folder)
    run = load_run(folder)
    running = reasons(run, judge(run), running=True)
    assert [line for line in strict if line in running] == running
    assert len(running) == 1
    assert running[0].startswith("node was saturated")
    assert len(strict) > 4


def test_a_connection_that_could_not_be_opened_counts_while_the_run_is_recorded(
    tmp_path: Path,
) -> None:
    story = clean(tmp_path / "run")
    story.connection(3, end=False)
    story.of("locust").add("closed", connection_id=3, closed_ns=ns(5), error="refused")
    why(story.end())
    run = load_run(story.folder)
    assert reasons(run, judge(run), running=True) == [
        f"1 of 3 connections of {CELL.name} never opened (limit 1%)"
    ]


def test_while_it_is_recorded_most_of_what_ended_must_be_known(tmp_path: Path) -> None:
    """All frames of a foreign server were unreadable, each user left at once: valid, it was said.

    Of a connection that goes on, the newest chunks are unknown as a matter of course.
    """
    story = Story(tmp_path / "run")
    for number in (1, 2):
        story.connection(number, closed_ns=ns(12), leave_ns=ns(5_000))
        story.join(number)
    story.connection(3, end=False)
    story.join(3)
    for seq in (1, 2):
        story.chunk(seq, 10 + seq - 1)
    gather(story.end())
    run = load_run(story.folder)
    assert reasons(run, judge(run), running=True) == [
        f"4 of 4 chunks expected in {CELL.name} are undetermined (limit 50%)"
    ]
