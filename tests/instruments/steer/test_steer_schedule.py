"""A losing schedule is a file that can be forced again; those of the explorer map onto ours."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steer_kit import NAIVE

from chunk7.delivery.errors import UsageError, WriteError
from chunk7.delivery.ordering import pair
from chunk7.instruments.steer.outcome import SteerRow
from chunk7.instruments.steer.plan import SteerSchedule, SteerStep, plan
from chunk7.instruments.steer.rules import Role, Rules, parse_rule
from chunk7.instruments.steer.schedule import (
    KeptSchedule,
    document,
    dump,
    file_name,
    from_explored,
    kept_of,
    load,
    parse,
)
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore import schedule as explore
from chunk7.simulator.explore.schedule import Schedule
from chunk7.simulator.explore.schedule import Step as Explored
from chunk7.simulator.explore.search import explore as search
from chunk7.simulator.explore.state import ExploreCell

LOSING = SteerSchedule(
    (
        SteerStep("join1", "read"),
        SteerStep("producer", "publish", 1),
        SteerStep("producer", "save", 1),
        SteerStep("join1", "subscribe"),
    )
)
RULE = parse_rule("--read", Role.READ, "LRANGE it's:{session_id}")
KEPT = KeptSchedule(
    LOSING, "relay", Rules((RULE,)), write="publish_then_save", found={"forced": 20, "lossy": 20}
)


def test_a_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    dump(KEPT, tmp_path / "losing.json")
    assert load(tmp_path / "losing.json") == KEPT
    assert (
        '  {"actor": "join1", "event": "read", "chunk": null},\n'
        in (tmp_path / "losing.json").read_text()
    )


def test_a_schedule_says_whether_its_client_comes_back(tmp_path: Path) -> None:
    """It was lost with the file: forced again, the client had never been there."""
    dump(kept_of(replace(NAIVE, comeback=True), NAIVE.rows[0]), tmp_path / "losing.json")
    assert load(tmp_path / "losing.json").comeback


def test_a_losing_row_becomes_a_schedule_to_be_forced_again() -> None:
    assert NAIVE.losing is not None
    kept = kept_of(NAIVE, NAIVE.losing)
    assert kept.schedule == LOSING
    assert (kept.target, kept.write, kept.chunks, kept.joiners) == ("relay", None, 1, 1)
    assert kept.rules == NAIVE.learned.rules
    assert kept.found["lossy"] == kept.found["forced"] == 3
    assert parse(json.loads(json.dumps(document(kept)))) == kept
    assert file_name(kept.schedule) == "read-publish_1-save_1-subscribe.json"


def test_chunks_joins_and_who_leaves_are_those_of_the_steps() -> None:
    app = NAIVE.learned
    planned = plan(
        app.join, app.join_keeps, app.write, app.write_keeps, chunks=2, joiners=2, leaver=True
    )
    kept = kept_of(NAIVE, SteerRow(planned[0]))
    assert (kept.chunks, kept.joiners, kept.leaver) == (2, 2, True)
    assert parse(json.loads(json.dumps(document(kept)))) == kept


def changed(**fields: Any) -> dict[str, Any]:
    return {**document(KEPT), **fields}


def step(actor: Any, event: Any, chunk: Any = None) -> dict[str, Any]:
    return {"actor": actor, "event": event, "chunk": chunk}


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ([], "want a JSON object"),
        (changed(schema=2), "schema 2: must be 1"),
        (changed(kind="explore"), "kind 'explore': must be steer"),
        (changed(target=""), "target '': want a name or null"),
        (changed(chunks=4), "chunks 4: must be between 1 and 3"),
        (changed(joiners=True), "joiners True: must be between 1 and 2"),
        (changed(comeback=1), "comeback 1: must be true or false"),
        (changed(steps=[step("join1", "answer")]), "step 1: answer: no read of join1 before it"),
        (changed(leaver=None), "leaver None: must be true or false"),
        (changed(write=3), "write 3: want a name or null"),
        (changed(rules=["--save"]), "rule '--save': want one of --read"),
        (changed(rules="--save"), "rules: want a list of texts"),
        (changed(found={"forced": -1}), "found: want an object of counts"),
        (changed(steps=[]), "steps: want 1 to 64, not 0"),
        (changed(steps=[1]), "steps: want a list of objects"),
        (changed(steps=[step("join2", "read")]), "step 1: actor 'join2': one of join1, producer"),
        (changed(steps=[step("leaver", "leave")]), "actor 'leaver'"),
        (changed(steps=[step([], "read")]), r"actor \[\]"),
        (changed(steps=[step("join1", "save")]), "of join1, read, subscribe, follow"),
        (changed(steps=[step("producer", {})]), "of producer, publish, save, write, append"),
        (changed(steps=[step("network", "trim")]), "of network, store_reconnect"),
        (changed(steps=[step("producer", "save", 2)]), "chunk 2: must be between 1 and 1"),
        (changed(steps=[step("producer", "save")]), "chunk None: must be between"),
        (changed(steps=[step("join1", "read", 1)]), "chunk 1: must be null"),
        (changed(steps=[step("join1", "read")] * 2), "join1 read twice, and nothing fails"),
    ],
)
def test_a_wrong_document_is_refused_by_its_field(head: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse(head)


def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    with pytest.raises(UsageError, match=r"schedule.json: No such file"):
        load(path)
    path.write_text("{")
    with pytest.raises(UsageError, match=r"schedule.json: no JSON"):
        load(path)
    path.write_text(json.dumps(changed(kind=1)))
    with pytest.raises(UsageError, match=r"schedule.json: kind 1"):
        load(path)
    with pytest.raises(WriteError, match="No such file"):
        dump(KEPT, tmp_path / "nowhere" / "schedule.json")


def test_after_a_fault_a_join_may_read_again() -> None:
    again = [step("join1", "read"), step("network", "store_reconnect"), step("join1", "read")]
    assert len(parse(changed(steps=again)).schedule.steps) == 3


# --- from the explorer ---


def counterexamples() -> Iterator[Schedule]:
    """All that `explore` writes for our own pairs, without faults and nodes that read again."""
    for connect in CONNECT_ORDERINGS.values():
        for write in WRITE_ORDERINGS.values():
            if pair(connect, write) and connect.recovery is None:
                for chunks, joiners in ((2, 1), (1, 2)):
                    cell = ExploreCell(connect, write, chunks, joiners)
                    yield from search(cell).counterexamples.values()


def events(schedule: Schedule) -> list[tuple[str, int | None]]:
    """What steering can hold, in the order of the explorer, told by hand."""
    names = {
        "read_history": "read", "subscription": "subscribe", "publish": "publish", "save": "save",
        "save_and_publish": "write", "number_save_and_publish": "write",
    }  # fmt: skip
    return [(names[s.effect], s.chunk) for s in schedule.steps if s.effect in names]


def test_every_counterexample_of_our_own_pairs_maps_and_keeps_its_order() -> None:
    schedules = list(counterexamples())
    assert len(schedules) > 40
    for schedule in schedules:
        mapped = from_explored(schedule)
        named = {step.actor for step in mapped.steps}
        assert named == {"producer", "join1", *(["join2"] if schedule.joiners == 2 else [])}
        if schedule.joiners == 1:
            assert [(step.event, step.chunk) for step in mapped.steps] == events(schedule)
        else:
            assert [(s.event, s.chunk) for s in mapped.steps if s.event != "subscribe"] == [
                one for one in events(schedule) if one[0] != "subscribe"
            ]
            assert [s.actor for s in mapped.steps].count("join2") == 2  # it reads and subscribes
        kept = KeptSchedule(mapped, "relay", chunks=schedule.chunks, joiners=schedule.joiners)
        assert parse(json.loads(json.dumps(document(kept)))) == kept


def explored(*steps: Explored, chunks: int = 1, joiners: int = 1) -> Schedule:
    return Schedule("theirs.py:mine", "publish_then_save", chunks, joiners, (), steps)


def test_who_attaches_to_a_subscription_in_effect_listens_from_then_on() -> None:
    schedule = explored(
        Explored("node1.join1", "subscribe"),
        Explored("store", "subscription"),
        Explored("producer", "publish", 1),
        Explored("node1.join2", "subscribe"),
        Explored("node1", "deliver", 1),
        joiners=2,
    )
    key = "join1 subscribe, publish 1, join2 subscribe"
    assert from_explored(schedule).key == key


def test_after_the_loss_of_the_store_the_node_subscribes_again_for_who_stays() -> None:
    schedule = explored(
        Explored("node1.join1", "subscribe"),
        Explored("store", "subscription"),
        Explored("node1", "store_reconnect"),
        Explored("producer", "timeout_executed_same_ms", 1),
        Explored("store", "subscription"),
    )
    key = "subscribe, store_reconnect, timeout_executed 1, subscribe"
    assert from_explored(schedule).key == key


@pytest.mark.parametrize("effect", ["trim", "node_crash"])
def test_what_cannot_be_done_on_the_way_to_a_store_does_not_map(effect: str) -> None:
    with pytest.raises(UsageError, match=f"does not map: step 2: node1 {effect}"):
        from_explored(explored(Explored("node1.join1", "read_history"), Explored("node1", effect)))


def test_more_chunks_than_can_be_forced_do_not_map() -> None:
    with pytest.raises(UsageError, match="does not map: 4 chunks, here at most 3"):
        from_explored(explored(chunks=4))


def test_a_file_of_the_explorer_is_read_as_it_maps(tmp_path: Path) -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["subscribe_then_history"], WRITE_ORDERINGS["publish_then_save"]
    )
    example = search(cell).counterexample
    assert example is not None
    explore.dump(example, tmp_path / "explored.json")
    kept = load(tmp_path / "explored.json")
    assert kept.schedule.key == "publish 1, subscribe, read, save 1"
    assert (kept.target, kept.write, kept.chunks) == (None, "publish_then_save", 1)


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*document(KEPT)]), inner),
    )
)
def test_no_document_at_all_raises_anything_but_a_usage_error(head: Any) -> None:
    fields = {**document(KEPT), **head} if isinstance(head, dict) else head
    with suppress(UsageError):
        parse(fields)
