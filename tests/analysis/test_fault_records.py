"""The faults of a run, as its events tell them: matched, placed in their cell, one row a strike."""

from pathlib import Path

import numpy as np
import pandas as pd
from story import CELL, Story, ns

from chunk7.analysis.excuses import excuses_of
from chunk7.analysis.faults import during, faults, planned_deaths
from chunk7.analysis.gather import gather
from chunk7.analysis.run_folder import Run, load_run
from chunk7.wire.plan import Cell

SECOND = Cell("buffered_merge", "atomic_lua")


def told(story: Story) -> Run:
    """The run of a story whose first record is at 0 ms, and so its origin."""
    story.chunk(1, 0)
    gather(story.end())
    return load_run(story.folder)


def rows(run: Run) -> list[tuple[str, str, int, float, float]]:
    """(name, target, cell, began_ms, ended_ms)."""
    table = faults(run)
    return [
        (row.name, row.target, row.cell, row.began_ns / 1e6, row.ended_ns / 1e6)
        for row in table.itertuples(index=False)
    ]


def test_a_run_without_faults_has_none(tmp_path: Path) -> None:
    run = told(Story(tmp_path / "run"))
    assert faults(run).empty
    assert planned_deaths(run) == {}
    assert not during(faults(run), np.array([0.0])).any()


def test_a_fault_is_told_with_its_target_and_both_instants(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.fault("node_pause node-2", 100, 300)
    story.fault("store_kill_pubsub store", 50, 50)
    assert rows(told(story)) == [
        ("store_kill_pubsub", "store", 0, 50.0, 50.0),
        ("node_pause", "node-2", 0, 100.0, 300.0),
    ]


def test_the_same_fault_twice_is_two_strikes(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.fault("node_pause node-1", 100, 200)
    story.fault("node_pause node-1", 400, 600)
    found = [row[3:] for row in rows(told(story))]
    assert found == [(100.0, 200.0), (400.0, 600.0)]


def test_a_fault_whose_end_is_not_on_record_lasts_for_ever(tmp_path: Path) -> None:
    """As in a run that was killed in the middle of it."""
    story = Story(tmp_path / "run")
    story.fault("store_pause store", 100, None)
    run = told(story)
    assert np.isnan(faults(run)["ended_ns"]).tolist() == [True]
    assert during(faults(run), np.array([99e6, 100e6, 1e15])).tolist() == [False, True, True]


def test_an_end_without_a_beginning_is_no_fault(tmp_path: Path) -> None:
    """As in a round that began while the fault lasted."""
    story = Story(tmp_path / "run")
    story.of("faults").add("events", kind="fault_ended", at_ns=ns(5), detail="node_pause node-1")
    assert faults(told(story)).empty


def test_a_fault_is_placed_by_the_plan_and_the_instant_at_which_it_was_given(
    tmp_path: Path,
) -> None:
    """A cell takes 1,000 ms and 500 quiet ones; the first begins 1,012 after the plan came."""
    story = Story(tmp_path / "run", cells=[CELL, SECOND])
    story.of("producer").add("events", kind="order", at_ns=ns(0), detail="{}")
    for at_ms in (1_512, 3_012):
        story.fault("trim store", at_ms, at_ms)
    table = faults(told(story))
    assert table["cell"].tolist() == [0, 1]
    assert table["offset_ms"].tolist() == [500.0, 500.0]


def test_a_fault_at_a_cells_very_start_is_of_that_cell(tmp_path: Path) -> None:
    """The clocks of its two records differ by a little."""
    story = Story(tmp_path / "run", cells=[CELL, SECOND])
    story.of("producer").add("events", kind="order", at_ns=ns(0), detail="{}")
    story.fault("client_leave nobody", 2_511, 2_511, "locust")
    table = faults(told(story))
    assert table[["cell", "offset_ms"]].to_numpy().tolist() == [[1, 0.0]]


def test_without_the_plans_instant_a_cell_begins_with_what_was_due_first(tmp_path: Path) -> None:
    story = Story(tmp_path / "run", cells=[CELL, SECOND])
    story.chunk(1, 2_000, cell=1, session_id="t")
    story.connection(1, cell=1, session_id="t", open_ms=1_990)
    for at_ms in (500, 2_010):
        story.fault("trim store", at_ms, at_ms)
    table = faults(told(story))
    assert table[["cell", "offset_ms"]].to_numpy().tolist() == [[0, 500.0], [1, 20.0]]


def test_a_storm_that_two_load_generators_tell_of_is_one_strike(tmp_path: Path) -> None:
    """It lasts from the first user of any to the last of all."""
    story = Story(tmp_path / "run")
    for process, began_ms, ended_ms in (
        ("w-1", 500, 520),
        ("w-2", 530, 560),
        ("w-1", 5_000, 5_001),
    ):
        story.fault("client_reconnect_storm clients", began_ms, ended_ms, process)
    found = [row[3:] for row in rows(told(story))]
    assert found == [(500.0, 560.0), (5_000.0, 5_001.0)]


def test_a_strike_ends_when_the_last_of_its_load_generators_says_so(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.fault("slow_client clients", 500, 900, "w-1")
    story.fault("slow_client clients", 510, None, "w-2")
    assert faults(told(story))["ended_ns"].isna().tolist() == [True]


def test_a_strike_that_hit_no_user_of_one_process_may_have_hit_those_of_another(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path / "run")
    for target, at_ms, process in (
        ("nobody", 500, "w-1"),
        ("clients", 505, "w-2"),
        ("nobody", 5_000, "w-1"),
        ("nobody", 5_000, "w-2"),
    ):
        story.fault(f"client_leave {target}", at_ms, at_ms, process)
    run = told(story)
    assert [row[1:4] for row in rows(run)] == [("clients", 0, 505.0), ("nobody", 0, 5_000.0)]
    assert excuses_of(run).struck["target"].tolist() == ["clients"]


def test_a_part_that_is_killed_again_is_its_next_life(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.planned_death("node-2", 100)
    story.planned_death("producer", 200)
    story.planned_death("node-2", 900)
    deaths = planned_deaths(told(story))
    assert deaths == {"node-2": 100e6, "producer": 200e6, "node-2-2": 900e6}


def test_the_next_life_may_be_named_outright(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.planned_death("node-2", 100)
    story.planned_death("node-2-2", 900)
    assert list(planned_deaths(told(story))) == ["node-2", "node-2-2"]


def test_an_event_without_a_detail_is_passed_over(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    for kind in ("fault_began", "fault_ended", "fault_planned_death"):
        story.of("faults").add("events", kind=kind, at_ns=ns(5))
    run = told(story)
    assert (len(faults(run)), planned_deaths(run)) == (0, {})


def test_the_time_of_a_fault_has_an_allowance_after_its_end() -> None:
    struck = pd.DataFrame({"began_ns": [10e9], "ended_ns": [12e9]})
    at_ns = np.array([9.9e9, 10e9, 13e9, 13.1e9])
    assert during(struck, at_ns).tolist() == [False, True, True, False]
    assert during(struck, at_ns, early_ns=0.2e9, late_ns=0).tolist() == [True, True, False, False]
