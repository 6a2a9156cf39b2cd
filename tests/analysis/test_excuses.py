"""What a fault excuses in a run, and that nothing else is: an unplanned death spoils it as ever."""

from collections.abc import Callable
from pathlib import Path

import pytest
from story import CELL, SECOND, Story, clean, ns

from chunk7.analysis.gather import gather
from chunk7.analysis.prediction import per_join
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import analyse
from chunk7.analysis.validity import excused, reasons
from chunk7.analysis.verdicts import judge
from chunk7.analysis.windows import join_times, write_times
from chunk7.wire import recorder
from chunk7.wire.recorder import Recorder


def said(folder: Path) -> tuple[list[str], list[str]]:
    """(reasons against the run, what is excused)."""
    gather(folder)
    run = load_run(folder)
    judgement = judge(run)
    return reasons(run, judgement), excused(run, judgement)


# --- deaths --------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ["node", "producer"])
def test_a_planned_death_is_excused_and_written_down(process: str, tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    story.planned_death(process, 1_000)
    line = f"{process} was cut short: its records have no end"
    assert said(story.end(process)) == ([], [line])
    summary = analyse(story.folder).summary
    assert (summary.valid, summary.invalid_because, summary.excused) == (True, [], [line])


@pytest.mark.parametrize("process", ["node", "producer", "locust", "faults"])
def test_an_unplanned_death_still_spoils_the_run_beside_a_planned_one(
    process: str, tmp_path: Path
) -> None:
    story = clean(tmp_path / "run")
    story.healthy("node-2")
    story.planned_death("node-2", 1_000)
    line = "{} was cut short: its records have no end"
    assert said(story.end(process, "node-2")) == (
        [line.format(process)],
        [line.format("node-2")],
    )
    assert not analyse(story.folder).summary.valid


def test_the_second_life_of_a_part_is_excused_only_if_it_too_was_to_die(tmp_path: Path) -> None:
    for again, valid in ((False, False), (True, True)):
        story = clean(tmp_path / f"run-{again}")
        story.healthy("node-2", "node-2-2")
        story.planned_death("node-2", 1_000)
        if again:
            story.planned_death("node-2", 5_000)
        gather(story.end("node-2", "node-2-2"))
        assert analyse(story.folder).summary.valid is valid


def test_joins_that_only_the_killed_node_could_have_recorded_are_excused(tmp_path: Path) -> None:
    """A node writes its records down once a second: what it had not yet, died with it."""
    story = clean(tmp_path / "run")
    story.connection(3, [(901, 1, 0)], open_ms=900)
    story.planned_death("node-2", 1_000)
    story.healthy("node-2")
    lines = ["node-2 was cut short: its records have no end"]
    against, excuses = said(story.end("node-2"))
    assert against == []
    assert excuses[:1] == lines


def test_joins_that_no_node_recorded_long_before_the_death_are_not(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    story.connection(3, [(11, 1)])
    story.planned_death("node-2", 4_000)
    story.healthy("node-2")
    against, _ = said(story.end("node-2"))
    assert against == [
        "no node recorded the joins of 1 connections that were welcomed, and were not killed "
        "with their node"
    ]


def test_a_killed_process_whose_clock_nobody_measured_is_excused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = clean(tmp_path / "run")
    story.planned_death("far", 1_000)
    story.of("node").add("clocks", at_ns=ns(0), offset_ns=0, uncertainty_ns=0)
    monkeypatch.setattr(recorder, "boot_id", lambda: "elsewhere")
    story.recorders["far"] = Recorder(story.folder / "raw", "far")
    story.of("far").add("health", at_ns=ns(0), loop_lag_ms=0.0)
    against, excuses = said(story.end("far"))
    assert against == []
    assert "far runs on another host and has no clock offset" in excuses


def test_the_law_goes_on_with_the_successor_of_a_producer_that_was_killed_on_purpose(
    tmp_path: Path,
) -> None:
    """Its last record once bounded what the law could speak of, for all the rest of the run."""
    for planned in (False, True):
        story = Story(tmp_path / f"run-{planned}")
        story.chunk(1, 10)
        for number, at_ms in ((1, 0), (2, 4_000)):
            story.connection(number, [(at_ms + 11, 1)], open_ms=at_ms)
            instants = [(at_ms + after, at_ms + after) for after in (2, 3)]
            story.join(number, *instants, accepted_ns=ns(at_ms + 1))
        story.healthy("locust")
        story.of("producer").add("health", at_ns=ns(1_000), loop_lag_ms=1.0)
        story.of("producer-2").add("published", cell=0, write=CELL.write, seq=0)
        story.of("producer-2").add("health", at_ns=ns(9_000), loop_lag_ms=1.0)
        if planned:
            story.planned_death("producer", 1_100)
        gather(story.end("producer"))
        run = load_run(story.folder)
        known = per_join(run, join_times(run), write_times(run))["connection"].tolist()
        assert known == ([0, 1] if planned else [0])


# --- what lasts ----------------------------------------------------------------------------


def stalled(story: Story) -> None:
    for at_ms in (1_000, 2_000, 3_900):
        story.of("node").add("health", at_ns=ns(at_ms), loop_lag_ms=900.0)


def refused(story: Story) -> None:
    story.connection(3, connected_ns=None, welcome_ns=None, error="refused", open_ms=1_500)


def late(story: Story) -> None:
    story.chunk(2, 2_900, intended_ns=ns(2_000))


def unanswered(story: Story) -> None:
    story.chunk(2, 1_500, publish_done_ns=None)


@pytest.mark.parametrize("spoil", [stalled, refused, late, unanswered])
def test_what_a_fault_does_while_it_lasts_is_excused_and_nothing_before_it(
    spoil: Callable[[Story], None], tmp_path: Path
) -> None:
    """The same from 1,000 to 2,000 ms, and with a fault that comes afterwards."""
    found = []
    for began_ms, ended_ms in ((1_000, 2_000), (4_500, 4_600)):
        story = clean(tmp_path / f"run-{began_ms}")
        spoil(story)
        story.fault("node_pause node", began_ms, ended_ms)
        found.append(said(story.end()))
    (against, excuses), (against_later, excuses_later) = found
    assert against == []
    assert len(excuses) == 1
    assert len(against_later) == 1
    assert "outside of the faults" in against_later[0] or spoil in (stalled, late)
    assert not [line for line in excuses_later if line in against_later]


def test_chunks_of_unknown_outcome_are_counted_and_excused(tmp_path: Path) -> None:
    """The accounts say undetermined all the same, and cross-foot."""
    story = clean(tmp_path / "run")
    unanswered(story)
    story.fault("store_pause store", 1_000, 2_000)
    study = analyse(story.end())
    (result,) = study.summary.results
    counts = (result.chunks_expected, result.chunks_delivered, result.chunks_undetermined)
    assert counts == (4, 2, 2)
    assert study.summary.valid
    assert study.summary.excused == [
        f"2 of 4 chunks expected in {CELL.name} are undetermined (limit 5%)"
    ]


def test_too_many_undetermined_outside_of_the_faults_are_not_excused(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    story.chunk(2, 1_500, publish_done_ns=None)
    story.chunk(3, 4_000, publish_done_ns=None)
    story.fault("store_pause store", 1_000, 2_000)
    against, _ = said(story.end())
    assert against == [
        f"2 of 6 chunks expected in {CELL.name} are undetermined outside of the faults (limit 5%)"
    ]


def test_a_chunk_that_its_client_left_too_soon_for_is_not_the_faults_doing(tmp_path: Path) -> None:
    """The write was answered: only the end of the visit leaves it open."""
    story = clean(tmp_path / "run")
    story.chunk(2, 4_900)
    story.fault("store_pause store", 4_800, 5_000)
    against, _ = said(story.end())
    assert len(against) == 1
    assert "undetermined outside of the faults" in against[0]


def test_what_users_do_to_themselves_excuses_no_server(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    refused(story)
    story.fault("client_reconnect_storm clients", 1_000, 2_000, "locust")
    against, excuses = said(story.end())
    assert against == [f"1 of 3 connections of {CELL.name} never opened (limit 1%)"]
    assert excuses == []


def test_a_fault_that_outlasts_its_cell_for_ever_is_a_reason(tmp_path: Path) -> None:
    """All that followed would be excused. In the last cell the run may have ended before it."""
    story = clean(tmp_path / "run", cells=[CELL, SECOND])
    story.chunk(1, 6_000, cell=1, session_id="t")
    story.connection(3, [(6_001, 1)], cell=1, session_id="t", open_ms=5_990, leave_ms=7_000)
    story.join(3, session_id="t", connect=SECOND.connect)
    story.fault("network_cut node-1", 1_000, None)
    story.fault("network_cut node-1", 6_500, None)
    assert said(story.end())[0] == [
        f"the fault network_cut node-1 that began in {CELL.name} has no recorded end"
    ]


def test_accounts_that_do_not_cross_foot_are_never_excused(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    story.fault("store_pause store", 0, 5_000)
    gather(story.end())
    run = load_run(story.folder)
    judgement = judge(run)
    judgement.accounts.loc[0, "delivered"] += 1
    assert reasons(run, judgement) == ["the accounts of 1 connections do not cross-foot"]


# --- another server in the store's place ---------------------------------------------------

REPLACED = (
    "another server took the store's place (aaaaaaaa -> bbbbbbbb, found by node, producer): "
    "what the one before had may be lost"
)


def with_another_store(story: Story, at_ms: float) -> None:
    for process in ("node", "producer"):
        row = {"kind": "store_replaced", "detail": "aaaaaaaa -> bbbbbbbb"}
        story.of(process).add("events", at_ns=ns(at_ms), **row)


def test_a_store_that_came_back_as_another_spoils_a_run_in_which_nobody_planned_it(
    tmp_path: Path,
) -> None:
    """It had come back empty, all orderings lost chunks, and the run was valid."""
    story = clean(tmp_path / "run")
    with_another_store(story, 1_000)
    assert said(story.end()) == ([REPLACED], [])
    assert not analyse(story.folder).summary.valid


@pytest.mark.parametrize("fault", ["store_restart store", "store_failover store"])
def test_a_fault_that_puts_another_server_there_excuses_it_and_is_noticed_late(
    fault: str, tmp_path: Path
) -> None:
    story = clean(tmp_path / "run")
    story.fault(fault, 1_000, 1_500)
    with_another_store(story, 7_000)
    assert said(story.end()) == ([], [REPLACED])
    late = clean(tmp_path / "late")
    late.fault(fault, 1_000, 1_500)
    with_another_store(late, 7_600)
    assert said(late.end()) == ([REPLACED], [])


def test_a_fault_that_leaves_the_server_in_its_place_does_not(tmp_path: Path) -> None:
    story = clean(tmp_path / "run")
    story.fault("store_pause store", 1_000, 1_500)
    with_another_store(story, 1_200)
    assert said(story.end()) == ([REPLACED], [])
