"""A load test judged while it runs; at the end it is what a judge of the whole would say."""

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_kit import BUG, FIX, ROUND_MS, Scene, a_plan, ns

from chunk7.analysis.live import judging as module
from chunk7.analysis.live.document import document, told
from chunk7.analysis.live.judging import Live
from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.analysis.results import read_summary
from chunk7.analysis.run_folder import load_run
from chunk7.analysis.study import analyse, open_study
from chunk7.wire.account import Account
from chunk7.wire.live import Document, as_csv
from chunk7.wire.plan import Cell
from chunk7.wire.recorder import Recorder

TRAITS = {BUG.connect: Traits(), FIX.connect: Traits(merges=True)}
OVER_MS = ROUND_MS + 1_100
"""When a round that began at 0 is over for everybody."""
LOSES = (38, 190, 240)
"""Joins at these instants lose a chunk: those of 50, 200 and 250 ms."""


def judge(scene: Scene) -> Live:
    return Live(scene.folder, TRAITS)


def results(live: Live, from_round: int = 1) -> dict[str, tuple[int, int, int]]:
    """By pair: connections, lossy ones, lost chunks."""
    return {
        total.name: (total.connections, total.lossy_connections, total.chunks_lost)
        for total in document(live, from_round).results
    }


def state(live: Live, from_round: int = 1) -> tuple[str, bool, list[str]]:
    found = document(live, from_round)
    return found.state, found.valid, found.invalid_because


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "run")


def test_before_anything_it_is_idle(scene: Scene) -> None:
    live = judge(scene)
    assert not live.advance()
    assert document(live, 1) == Document(
        state="idle", round=None, from_round=1, rounds=0, rounds_forgotten=0, valid=True,
        invalid_because=[], judged_at_unix_s=0, lag_s=0, results=[], history=[],
    )  # fmt: skip


def test_a_round_that_has_begun_is_neither_invalid_nor_judged(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0)
    scene.play(100)
    live.advance()
    assert state(live) == ("running", True, [])
    assert (document(live, 1).round, results(live)) == (1, {})


def test_losses_show_while_the_connection_is_still_open(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES[:2])
    scene.play(400)
    live.advance()
    assert results(live) == {BUG.name: (2, 0, 0)}, "the settle time is not over"
    scene.play(900)
    live.advance()
    assert results(live) == {BUG.name: (2, 2, 2)}
    assert state(live) == ("running", True, [])
    [total] = document(live, 1).results
    assert total.causes == {"handover_gap": 2}
    assert (total.window_ms.p50, total.gap_ms.p50) == (10, 12)


def test_what_the_law_expects_of_joins_so_far_counts_chunks_so_far(scene: Scene) -> None:
    """A join that has happened was drawn from before now, and only there are chunks on record."""
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=(100, 200, 300, 400))
    expected = []
    for until_ms in (1_000, 1_300, OVER_MS):
        scene.play(until_ms)
        live.advance()
        expected.append(document(live, 1).results[0].chunks_lost_predicted)
    # 12 ms of each 50: 0.24 a join, whenever one looks, but for the edges of the cell.
    assert expected == pytest.approx([4 * 0.24] * 3, abs=0.1)


def test_a_round_that_is_over_is_an_ordinary_run_folder(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r", cells=(BUG, FIX)), 0, joins_ms=LOSES)
    scene.play(2 * ROUND_MS + 1_100)
    live.advance()
    assert live.settled
    assert state(live) == ("over", True, [])
    assert results(live) == {BUG.name: (3, 3, 3), FIX.name: (3, 0, 0)}
    folder = scene.folder / "rounds" / "r"
    assert read_summary(folder).valid
    study = open_study(folder)
    assert [result.chunks_lost for result in study.summary.results] == [3, 0]
    assert study.run.manifest.extra == {"round": 1, "stopped": False}
    assert not (folder / "raw").exists()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    looks_ms=st.lists(st.integers(1, 4_500), max_size=5),
    joins_ms=st.lists(st.integers(0, 950), min_size=1, max_size=5),
)
def test_however_it_was_watched_the_end_is_what_a_judge_of_the_whole_would_say(
    looks_ms: list[int], joins_ms: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    scene = Scene(tmp_path_factory.mktemp("scene") / "run")
    live, plan = judge(scene), a_plan("r", cells=(BUG, FIX))
    scene.round(plan, 0, joins_ms=tuple(map(float, joins_ms)))
    for look_ms in sorted(looks_ms):
        scene.play(look_ms)
        live.advance()
    scene.end()
    live.advance()
    write_manifest(scene.folder, Manifest(plan=plan, traits=TRAITS))
    whole = analyse(scene.folder).summary
    of_round = read_summary(scene.folder / "rounds" / "r")
    assert of_round.results == whole.results
    assert of_round.invalid_because == whole.invalid_because
    for total, result in zip(document(live, 1).results, whole.results, strict=True):
        for name in Account.__struct_fields__:
            assert getattr(total, name) == pytest.approx(getattr(result, name)) or (
                getattr(total, name) == getattr(result, name)
            ), name


def test_totals_are_of_the_rounds_from_the_one_asked_for(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.round(a_plan("r-2", 2, cells=(FIX,)), ROUND_MS)
    scene.round(a_plan("r-3", 3), 2 * ROUND_MS, joins_ms=(100, 190))
    scene.play(3 * ROUND_MS + 1_100)
    live.advance()
    assert results(live, 1) == {BUG.name: (5, 4, 4), FIX.name: (1, 0, 0)}
    assert results(live, 2) == {FIX.name: (1, 0, 0), BUG.name: (2, 1, 1)}
    assert results(live, 3) == {BUG.name: (2, 1, 1)}
    assert (results(live, 4), state(live, 4)[0]) == ({}, "idle")
    earlier = document(live, 1, to_round=2)
    assert [total.name for total in earlier.results] == [BUG.name, FIX.name]
    assert (earlier.round, earlier.rounds, earlier.results[0].connections) == (2, 2, 3)
    found = document(live, 2)
    assert (found.round, found.rounds, found.from_round) == (3, 2, 2)
    moments = [(moment.at_s, moment.connect, moment.connections) for moment in found.history]
    assert moments == [(2.5, FIX.connect, 1), (2.5, BUG.connect, 2)]
    assert [moment.finished for moment in found.history] == [True, True]


def test_the_newest_moments_of_a_test_that_runs_are_not_finished(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(ROUND_MS - 100)
    live.advance()
    assert [moment.finished for moment in document(live, 1).history] == [False]
    scene.play(OVER_MS)
    live.advance()
    assert [moment.finished for moment in document(live, 1).history] == [True]


def test_a_load_test_that_begins_again_counts_its_own_rounds_only(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("old"), 0, joins_ms=LOSES)
    scene.round(a_plan("new"), ROUND_MS)
    scene.play(2 * ROUND_MS + 1_100)
    live.advance()
    assert results(live) == {BUG.name: (1, 1, 1)}
    assert len(live.rounds) == 2


def test_two_rounds_are_told_apart_while_both_still_write(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.round(a_plan("r-2", 2), ROUND_MS, joins_ms=(100,))
    scene.play(ROUND_MS + 300)
    live.advance()
    assert not live.settled
    assert results(live, 1) == {BUG.name: (4, 3, 3)}
    assert results(live, 2) == {BUG.name: (1, 0, 0)}
    assert state(live, 1) == ("running", True, [])


def test_a_round_that_is_stopped_keeps_what_it_came_to(scene: Scene) -> None:
    live = judge(scene)
    plan = a_plan("r", cells=(BUG, FIX, BUG))
    scene.round(plan, 0, joins_ms=LOSES, stopped_ms=ROUND_MS + 700)
    scene.play(ROUND_MS + 700)
    live.advance()
    assert state(live)[0] == "running"
    scene.play(ROUND_MS + 1_900)
    live.advance()
    assert state(live) == ("over", True, [])
    assert results(live) == {BUG.name: (3, 3, 3), FIX.name: (3, 0, 0)}
    study = open_study(scene.folder / "rounds" / "r")
    assert [cell.name for cell in study.run.manifest.plan.cells] == [BUG.name, FIX.name]


def test_a_round_that_is_stopped_before_anybody_came_is_over(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=(900,), stopped_ms=100)
    scene.play(150)
    live.advance()
    scene.play(1_300)
    live.advance()
    assert live.settled
    assert state(live) == ("over", True, [])
    assert results(live) == {}


def test_a_process_that_dies_in_a_round_makes_it_invalid(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(800)
    live.advance()
    scene.play(OVER_MS, dead=("node-1",))
    live.advance()
    assert state(live)[0] == "running", "it may only be late"
    scene.play(ROUND_MS + 11_000, dead=("node-1",))
    live.advance()
    assert state(live) == ("over", False, ["node-1 was cut short: its records have no end"])
    assert results(live) == {BUG.name: (3, 3, 3)}


def test_a_node_that_is_killed_on_purpose_is_excused_and_not_waited_for(scene: Scene) -> None:
    """Nor is whoever killed it, who writes each fault down as it strikes, and no health."""
    live = judge(scene)
    faults = Recorder(scene.raw, "faults-2")
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(800)
    told = (("fault_planned_death", 1_500), ("fault_began", 1_500), ("fault_ended", 1_510))
    for kind, at_ms in told:
        detail = "node-1" if kind == "fault_planned_death" else "node_kill node-1"
        faults.add("events", kind=kind, at_ns=ns(at_ms), detail=detail)
    faults.flush()
    scene.play(OVER_MS, dead=("node-1",))
    live.advance()
    assert live.settled
    assert state(live) == ("over", True, [])
    summary = read_summary(scene.folder / "rounds" / "r")
    assert summary.excused == ["node-1 was cut short: its records have no end"]
    assert [fault.name for fault in summary.faults] == ["node_kill"]


def test_being_told_to_end_stops_the_round(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(900)
    live.advance()
    live.advance(last=True)
    assert live.settled
    assert state(live) == ("over", True, [])
    assert results(live) == {BUG.name: (3, 3, 3)}


@pytest.mark.parametrize("name", ["node-1.receipts.arrows", "mine.txt.arrows"])
def test_a_foreign_file_is_named_and_the_judging_goes_on(scene: Scene, name: str) -> None:
    live = judge(scene)
    (scene.raw / name).write_bytes(b"not a record")
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(900)
    live.advance()
    running, valid, [reason] = state(live)
    assert (running, valid) == ("running", False)
    assert reason.startswith(f"{scene.raw / name}: not a record file: ")
    assert results(live) == {BUG.name: (3, 3, 3)}
    (scene.raw / name).unlink()
    scene.play(OVER_MS)
    live.advance()
    assert state(live) == ("over", True, [])


def test_a_file_that_is_replaced_is_named(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(900)
    live.advance()
    path = scene.raw / "locust.receipts.arrows"
    other = path.with_suffix(".other")
    shutil.copy(path, other)
    other.rename(path)
    scene.play(950)
    live.advance()
    assert state(live) == ("running", False, [f"{path}: was replaced by another file"])


def test_an_ordering_it_was_not_told_of_is_named(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r", cells=(Cell("mine", "publish_then_save"),)), 0)
    scene.play(900)
    live.advance()
    assert state(live)[2] == ["mine: an ordering that the judge was not told of"]


def test_records_that_contradict_each_other_are_told_and_the_judging_goes_on(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0)
    scene.play(900)
    live.advance()
    scene.write(905, "locust", "opened", connection_id=1, session_id="r-0-0", cell=0, connect="x")
    scene.play(910)
    live.advance()
    _, valid, [reason] = state(live)
    assert not valid
    assert "a connection_id was used twice" in reason
    assert results(live) == {BUG.name: (1, 1, 1)}, "as far as it had come"


def test_a_judge_that_is_started_again_goes_on(scene: Scene) -> None:
    first = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.round(a_plan("r-2", 2), ROUND_MS, joins_ms=(100, 190))
    scene.play(OVER_MS)
    first.advance()
    scene.play(2 * ROUND_MS + 1_100)
    second = judge(scene)
    second.advance()
    assert second.settled
    assert results(second) == {BUG.name: (5, 4, 4)}


def test_old_rounds_are_forgotten_and_that_is_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 7)
    live = judge(scene)
    for number in (1, 2, 3, 4):
        run = a_plan(f"r-{number}", number)
        scene.round(run, (number - 1) * ROUND_MS, joins_ms=LOSES[:2])
        scene.play(number * ROUND_MS + 1_100)
        live.advance()
    found = document(live, 1)
    assert (found.rounds, found.rounds_forgotten, found.round) == (2, 2, 4)
    assert results(live) == {BUG.name: (4, 4, 4)}


def test_a_round_that_is_too_large_is_said_to_be(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 40)
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES)
    scene.play(OVER_MS)
    live.advance()
    reason = "too large to be judged while it runs: more than 40 records"
    assert state(live) == ("over", False, [reason])
    assert (scene.folder / "rounds" / "r" / "raw").is_dir(), "chunk7 report can judge it"


def test_a_line_for_the_log_has_the_numbers(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=(*LOSES, 100))
    scene.play(OVER_MS)
    live.advance()
    [total] = document(live, 1).results
    assert told(total) == (
        "history_then_subscribe x publish_then_save: 3 of 4 connections lost chunks "
        "(75%, 30 to 95), 3 chunks; law 0.9"
    )
    few = msgspec.structs.replace(total, loss_rate=0.0012, loss_rate_low=0.0, loss_rate_high=1.0)
    assert "(0.12%, 0 to 100)" in told(few)


def test_the_csv_has_a_row_a_pair_and_crlf(scene: Scene) -> None:
    live = judge(scene)
    scene.round(a_plan("r", cells=(BUG, FIX)), 0, joins_ms=LOSES)
    scene.play(2 * ROUND_MS + 1_100)
    live.advance()
    head, bug, fix, rest = as_csv(document(live, 1)).split("\r\n")
    assert rest == ""
    rows = [dict(zip(head.split(","), row.split(","), strict=True)) for row in (bug, fix)]
    assert [row["connect"] for row in rows] == [BUG.connect, FIX.connect]
    assert [row["chunks_lost"] for row in rows] == ["3", "0"]
    assert [row["lost_by_handover_gap"] for row in rows] == ["3", "0"]
    assert rows[0]["window_ms_p50"] == "10.0"


def test_a_user_who_comes_back_is_one_user_while_it_runs_and_afterwards(scene: Scene) -> None:
    """Its later connections are named by nothing but their return, which names the first."""
    live = judge(scene)
    scene.round(a_plan("r"), 0, joins_ms=LOSES[:1])
    scene.write(
        500, "locust", "returns", connection_id=1_000, first_id=1, lost_ns=ns(450), lost_code=1006,
        lost_reason="", opening_ns=ns(480), connected_ns=ns(490), history_ns=ns(500), after_seq=8,
    )  # fmt: skip
    scene.write(
        500, "node-1", "joins", connection_id=1_000, session_id="r-0-0", node="node-1",
        connect=BUG.connect, after_seq=8, accepted_ns=ns(485), read_sent_ns=ns(490),
        read_done_ns=ns(490), subscribe_sent_ns=ns(495), subscribe_done_ns=ns(495),
        subscribe_shared=False, welcomed_ns=ns(499),
    )  # fmt: skip
    for until_ms in (460, 700, OVER_MS):
        scene.play(until_ms)
        live.advance()
    assert state(live) == ("over", True, [])
    assert results(live) == {BUG.name: (1, 1, 1)}
    run = load_run(scene.folder / "rounds" / "r")
    assert (run.joins.shape[0], run.returns["connection_id"].tolist()) == (2, [1_000])
    [result] = read_summary(run.folder).results
    assert (result.returns["returns"], result.returns["chunks_away"]) == (1, 1)
